"""The constants of MACE's radial functions and repulsion."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop import mace_from_reference
from pyg_equivariant.nn import AgnesiTransform, GaussianBasis, SoftTransform
from pyg_equivariant.nn.nuclei import COVALENT_RADII

State = dict[str, Tensor]
GIVEN: dict[str, Any] = {"hidden_irreps": "4x0e+4x1o", "avg_num_neighbors": 3.0}
RADII = torch.tensor([0.2, *COVALENT_RADII, *[0.2] * 22])
TRANSFORM, REPULSION = "radial_embedding.distance_transform.", "pair_repulsion_fn."
AGNESI = {"q": torch.tensor(0.9183), "p": torch.tensor(4.5791)}
AGNESI |= {"a": torch.tensor(1.0805), "covalent_radii": RADII}
SOFT = {"alpha": torch.tensor(4.0), "covalent_radii": RADII}
ZBL = {"c": torch.tensor([0.1818, 0.5099, 0.2802, 0.02817]), "covalent_radii": RADII}
ZBL |= {"a_exp": torch.tensor(0.3), "a_prefactor": torch.tensor(0.4543)}
ZBL |= {"p": torch.tensor(5)}


def under(stem: str, values: State) -> State:
    return {stem + name: value for name, value in values.items()}


def test_transforms_have_the_rounding_of_the_state(mace_state: State) -> None:
    model = mace_from_reference(mace_state | under(TRANSFORM, AGNESI), **GIVEN)
    assert isinstance(model.transform, AgnesiTransform)
    assert model.transform.q.dtype == torch.float64
    for name in ("q", "p", "a"):
        assert model.transform.get_buffer(name).item() == AGNESI[name].item()
    assert torch.equal(model.transform.radii.float(), RADII[:97])
    soft = mace_from_reference(mace_state | under(TRANSFORM, SOFT), **GIVEN)
    assert isinstance(soft.transform, SoftTransform)
    assert mace_from_reference(mace_state, **GIVEN).transform is None


def test_repulsion_has_the_rounding_of_the_state(mace_state: State) -> None:
    model = mace_from_reference(mace_state | under(REPULSION, ZBL), **GIVEN)
    assert torch.equal(model.zbl.shares, ZBL["c"].double())
    assert model.zbl.exponent.item() == ZBL["a_exp"].item() != 0.3
    assert model.zbl.length.item() == ZBL["a_prefactor"].item()


@pytest.mark.parametrize(
    ("stem", "values", "match"),
    [
        (TRANSFORM, AGNESI | {"a": torch.tensor(1.2)}, r"a: a distance transform with"),
        (TRANSFORM, AGNESI | {"b": torch.tensor(1.2)}, "b: a distance transform of th"),
        (REPULSION, ZBL | {"a_exp": torch.tensor(0.31)}, "a_exp: pair repulsion with"),
        (REPULSION, ZBL | {"r_max": torch.tensor(1.0)}, "r_max: pair repulsion of thi"),
    ],
)
def test_other_constants_are_refused(
    stem: str, values: State, match: str, mace_state: State
) -> None:
    with pytest.raises(ValueError, match=match):
        mace_from_reference(mace_state | under(stem, values), **GIVEN)


def test_gaussians(mace_state: State) -> None:
    mace_state.pop("radial_embedding.bessel_fn.bessel_weights")
    centers = torch.linspace(0, 4, 6)
    mace_state["radial_embedding.bessel_fn.gaussian_weights"] = centers
    basis = mace_from_reference(mace_state, **GIVEN).edges.basis
    assert isinstance(basis, GaussianBasis)
    assert torch.equal(basis.center, centers.double())
    assert abs(basis.width[0].item() - 0.8) < 1e-15
