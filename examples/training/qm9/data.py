"""QM9 as PyG has it."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path

from torch_geometric.datasets import QM9

from ..data import MoleculeData
from ..graphs import Molecules
from ..scaling import Scaling, fit_scaling
from ..settings import Settings
from .presets import published_error
from .splits import split_molecules
from .targets import TARGETS, find_property

_MOMENTS = ("dipole_magnitude", "spatial_extent")


class QM9Molecules(MoleculeData):
    """The molecules of QM9.

    Args:
        root: folder of PyG's data set.
        settings: of the run.
        num_workers: processes that load the training set.
    """

    def __init__(
        self, root: str | Path, settings: Settings, num_workers: int = 0
    ) -> None:
        name = settings.target
        dataset = open_qm9(root)
        data, y = dataset._data, dataset._data.y[:, find_property(name).column]
        sizes = dataset.slices["z"].diff()
        super().__init__(
            Molecules(data.z, data.pos.float(), sizes, y),
            split_molecules(settings.split, len(dataset)),
            TARGETS[name],
            settings,
            num_workers,
            published_error(settings.model, name),
        )

    def scaling(self) -> Scaling:
        """Of moments, which charges make, only the deviation."""
        shifted = self.settings.head not in _MOMENTS
        return fit_scaling(self.subset("train"), self.settings.references, shifted)


def open_qm9(root: str | Path) -> QM9:
    """PyG's data set, downloaded where ``root`` does not hold it.

    Raises:
        FileNotFoundError: if it is not there and cannot be downloaded; the message
            names the files and where they belong.
    """
    folder = Path(root).expanduser()
    if int(os.environ.get("LOCAL_RANK", "0")) > 0:
        _wait_for(folder / "processed" / "pre_filter.pt")
    try:
        return QM9(str(folder))
    except Exception as error:  # whatever a failed download raises
        raise FileNotFoundError(_how_to_get_qm9(folder, error)) from error


def _wait_for(last_file: Path, seconds: int = 3600) -> None:
    """Let the first process of a machine get the data; this file is its last."""
    deadline = time.monotonic() + seconds
    while not last_file.is_file() and time.monotonic() < deadline:
        time.sleep(1.0)


def _how_to_get_qm9(folder: Path, error: Exception) -> str:
    if importlib.util.find_spec("rdkit"):
        files = ["gdb9.sdf", "gdb9.sdf.csv", "uncharacterized.txt"]
        sources = f"{QM9.raw_url} and {QM9.raw_url2} (saved as {files[-1]})"
    else:
        files = ["qm9_v3.pt"]
        sources = QM9.processed_url
    paths = ", ".join(str(folder / "raw" / name) for name in files)
    return (
        f"QM9 is neither in {folder} nor could it be downloaded "
        f"({type(error).__name__}: {error}).\n"
        f"Put these files there: {paths}, from {sources};\n"
        f"or the processed set of another machine, "
        f"{folder / 'processed' / 'data_v3.pt'}, with an empty file in place of each "
        "of those; or name with --root a folder that holds it."
    )
