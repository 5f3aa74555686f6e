"""The constants in a MACE's state: which modules they are of, and their rounding."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.models.mace import MACE
from pyg_equivariant.nn.nuclei import COVALENT_RADII

from ._placement import Placement, replace_constants

_BASIS = "radial_embedding.bessel_fn."
_TRANSFORM = "radial_embedding.distance_transform."
_REPULSION = "pair_repulsion_fn."
_RADII = {"covalent_radii": (0.2, *COVALENT_RADII)}
_TRANSFORMS: dict[str, dict[str, Any]] = {
    "agnesi": {"q": 0.9183, "p": 4.5791, "a": 1.0805} | _RADII,
    "soft": {"alpha": 4.0} | _RADII,
}


def basis_of(weights: Placement) -> str:
    """Which radial functions there are."""
    if f"{_BASIS}gaussian_weights" in weights:
        return "gaussian"
    name = f"{_BASIS}bessel_weights"
    if name not in weights:
        raise ValueError(
            f"{name!r} is missing: only Bessel functions and Gaussians are known here"
        )
    return "bessel"


def transform_of(weights: Placement) -> str | None:
    """Which transform of distances there is, if any."""
    names = [name for name in weights.tensors if name.startswith(_TRANSFORM)]
    if not names:
        return None
    kind = "soft" if f"{_TRANSFORM}alpha" in names else "agnesi"
    _compare(weights, _TRANSFORM, _TRANSFORMS[kind], "a distance transform")
    return kind


def has_repulsion(weights: Placement, p: int) -> bool:
    """Whether there is pair repulsion."""
    expected: dict[str, Any] = {
        "p": float(p),
        "c": (0.1818, 0.5099, 0.2802, 0.02817),
        "a_exp": 0.3,
        "a_prefactor": 0.4543,
    } | _RADII
    return _compare(weights, _REPULSION, expected, "pair repulsion")


def _compare(
    weights: Placement, stem: str, expected: dict[str, Any], what: str
) -> bool:
    """Whether there are constants; ValueError if they are others than expected."""
    names = [name for name in weights.tensors if name.startswith(stem)]
    weights.ignore(names)
    for name in names:
        value = expected.get(name.removeprefix(stem))
        if value is None:
            raise ValueError(f"{name}: {what} of this kind cannot be read")
        like = torch.tensor(value, dtype=torch.float64).flatten()
        found = weights.tensors[name].double().cpu().flatten()[: len(like)]
        if not torch.allclose(found, like, rtol=1e-5, atol=1e-6):
            raise ValueError(
                f"{name}: {what} with other constants than published cannot be read"
            )
    return bool(names)


def place_constants(weights: Placement, model: MACE) -> None:
    """Let the model's constants have the rounding that they have there."""
    _place_basis(weights, model)
    if model.transform is not None:
        own = {"radii": "covalent_radii", "q": "q", "p": "p", "a": "a"}
        own["alpha"] = "alpha"
        replace_constants(model.transform, _present(weights, _TRANSFORM, own))
    if model.zbl is not None:
        own = {"radii": "covalent_radii", "shares": "c", "exponent": "a_exp"}
        own["length"] = "a_prefactor"
        replace_constants(model.zbl, _present(weights, _REPULSION, own))


def _present(weights: Placement, stem: str, names: dict[str, str]) -> dict[str, Tensor]:
    """Those of the constants that are there, exactly; radii to the last known."""
    found = {own: weights.tensors.get(stem + theirs) for own, theirs in names.items()}
    out = {name: x.double().cpu() for name, x in found.items() if x is not None}
    if "radii" in out:
        out["radii"] = out["radii"][: len(_RADII["covalent_radii"])]
    return out


def _place_basis(weights: Placement, model: MACE) -> None:
    assert model.cutoff is not None
    stem = _BASIS
    others = ("r_max", "prefactor", "bessel_weights", "gaussian_weights")
    names = [stem + other for other in others]
    weights.ignore([*names, "radial_embedding.cutoff_fn.r_max"])
    center = weights.tensors.get(f"{stem}gaussian_weights")
    if center is not None:
        replace_constants(model.edges.basis, {"center": center.double().cpu()})
        return
    frequency = weights.tensors[f"{stem}bessel_weights"].double().cpu() * model.cutoff
    prefactor = weights.tensors.get(f"{stem}prefactor")
    expected = math.sqrt(2 / model.cutoff)
    if prefactor is not None and abs(float(prefactor) / expected - 1) > 1e-5:
        raise ValueError(f"{stem}prefactor is {float(prefactor)}, not {expected}")
    replace_constants(model.edges.basis, {"frequency": frequency})
