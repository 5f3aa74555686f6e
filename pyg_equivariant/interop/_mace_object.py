"""What a model object of MACE's authors says that its state does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.nn import Module

from .e3nn import as_irreps

_MODELS = "MACE", "ScaleShiftMACE"
_BLOCKS = tuple(
    f"RealAgnostic{density}{residual}InteractionBlock"
    for density in ("", "Density")
    for residual in ("", "Residual")
)


def settings_of(model: Module) -> dict[str, Any]:
    """Hyper-parameters of :func:`mace_from_reference`, from the authors' object.

    Raises:
        ValueError: naming what cannot be read.
    """
    kind = type(model).__name__
    if kind not in _MODELS:
        raise ValueError(
            f"got a {kind}: of MACE's models only {' and '.join(_MODELS)} can be read, "
            "as objects of the package's own classes"
        )
    parts: Any = model
    for block in parts.interactions:
        if type(block).__name__ not in _BLOCKS:
            raise ValueError(
                f"a MACE with {type(block).__name__} cannot be read, only with "
                f"{', '.join(_BLOCKS)}"
            )
    if getattr(parts, "use_so3", False):
        raise ValueError("a MACE without parities (use_so3=True) cannot be read")
    if not hasattr(parts.products[0].symmetric_contractions, "contractions"):
        raise ValueError(
            "a MACE converted to cuEquivariance cannot be read; bring it back with "
            "mace_cueq_to_e3nn"
        )
    _check_gate(parts.readouts[-1])
    neighbors = {float(block.avg_num_neighbors) for block in parts.interactions}
    if len(neighbors) > 1:
        raise ValueError(
            f"a MACE with several avg_num_neighbors cannot be read: {neighbors}"
        )
    return {
        "hidden_irreps": str(as_irreps(parts.products[0].linear.irreps_out)),
        "avg_num_neighbors": neighbors.pop(),
        "apply_cutoff": bool(getattr(parts, "apply_cutoff", True)),
        "interaction_first": type(parts.interactions[0]).__name__,
        "heads": tuple(getattr(parts, "heads", None) or ()),
    }


def _check_gate(readout: Any) -> None:
    """Refuse another activation than SiLU, the default of the command line."""
    for act in getattr(getattr(readout, "non_linearity", None), "acts", ()):
        function: Callable[..., Any] | None = getattr(act, "f", act)
        name = getattr(function, "__name__", str(function))
        if name != "silu":
            raise ValueError(f"a MACE with gate={name} cannot be read, only with silu")
