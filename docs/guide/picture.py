"""How the guide's pictures look: sharp, on light pages and on dark ones."""

import torch
import torch_geometric  # noqa: F401  its tqdm warns of notebooks: here, unseen
from cycler import cycler
from matplotlib import rcParams
from matplotlib_inline.backend_inline import set_matplotlib_formats

GRAY = "#858585"  # is read on white and on black
COLORS = ["#1f8fd6", "#e0642e", "#2ba36b", "#b45cc4", "#c9a116", "#d64b6a"]
DRAWN_IN_GRAY = ("text.color", "axes.labelcolor", "axes.edgecolor")
DRAWN_IN_GRAY += ("xtick.color", "ytick.color")

set_matplotlib_formats("svg")
rcParams.update(dict.fromkeys(DRAWN_IN_GRAY, GRAY))
rcParams.update(
    {
        "figure.figsize": (6.4, 3.6),
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.transparent": True,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=COLORS),
        "font.size": 11,
    }
)
torch.manual_seed(0)
