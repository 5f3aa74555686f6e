"""The layer of L1Net, with weights of the e3nn that its authors pin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop import l1net_layer_from_reference
from pyg_equivariant.nn import BesselBasis, SphericalHarmonics
from pyg_equivariant.nn.models.l1net import L1NetBessel
from pyg_equivariant.o3 import Irreps

Check = Callable[[Tensor, Tensor], None]


class Case:
    """A reference, and our layer with its weights."""

    def __init__(self, weights: dict[str, Tensor], data: dict[str, Any]) -> None:
        meta = data["meta"]
        self.data, self.meta = data, meta
        self.irreps = {k: Irreps(meta[f"irreps_{k}"]) for k in ("in", "conv", "out")}
        self.conv, self.gate = l1net_layer_from_reference(
            weights,
            irreps_in=self.irreps["in"],
            irreps_out=self.irreps["out"],
            avg_n_atoms=meta["avg_n_atoms"],
            signs=meta["signs"],
            radial_constant=meta["shifted_softplus"]["factor"],
            scalar_constant=meta["softplus"]["factor"],
        )

    def __call__(self) -> Tensor:
        """What the convolution gives."""
        data, meta = self.data, self.meta
        edge_index, pos = data["input/edge_index"], data["input/pos"]
        edge_vec = pos[edge_index[0]] - pos[edge_index[1]]
        basis = L1NetBessel(meta["num_basis"], meta["cutoff"]).double()
        harmonics = SphericalHarmonics(self.conv.irreps_sh, True, "norm", "1e").double()
        x = self.irreps["in"].from_mul_ir(data["input/x"])
        attr = basis(edge_vec.norm(dim=-1))
        return self.conv(x, edge_index, harmonics(edge_vec), attr)


@pytest.fixture
def case(reference: Any) -> Case:
    return Case(*reference("l1net_layer"))


def test_golden_convolution(case: Case, assert_equal: Check) -> None:
    """Ours has the gates beside the other scalars."""
    ours, theirs = case.conv.irreps_out, case.irreps["conv"]
    found = {
        ir: block.split([m for m, other in theirs if other == ir], dim=-1)
        for (_, ir), block in zip(ours, ours.split(case()), strict=True)
    }
    parts = {ir: iter(blocks) for ir, blocks in found.items()}
    ordered = theirs.join([next(parts[ir]) for _, ir in theirs])
    assert_equal(theirs.to_mul_ir(ordered), case.data["output/conv"])


def test_golden_layer(case: Case, assert_equal: Check) -> None:
    found = case.irreps["out"].to_mul_ir(case.gate(case()))
    assert_equal(found, case.data["output/out"])


def test_the_basis_is_divided_by_a_little_more_than_the_length() -> None:
    r = torch.tensor([0.0, 0.5, 2.0, 2.1], dtype=torch.float64)
    found = L1NetBessel(3, 2.0).double()(r)
    exact = BesselBasis(3, 2.0, (2 * 3 / 2.0) ** 0.5).double()(r)
    assert not found[0].any()
    assert not found[3].any()
    torch.testing.assert_close(found[1], exact[1] * 0.5 / (0.5 + 1e-8))


def test_the_signs_of_couplings_are_those_of_the_weights() -> None:
    irreps = {"irreps_in": "2x0e+2x1e", "irreps_out": "2x0e+2x1e", "avg_n_atoms": 2.0}
    # 0x0, 1x0, gates of both, 0x1, and 1x1 with three harmonics
    state = {"fc.weights.0": torch.randn(4 + 4 + 8 + 4 + 12, 5)}
    plain, _ = l1net_layer_from_reference(state, **irreps)
    turned, _ = l1net_layer_from_reference(state, **irreps, signs={"1,1,1": -1})
    for path, part in zip(
        plain.tp.product.paths, plain.tp.product.weight_slices, strict=True
    ):
        ls = [block.ir.l for block in plain.tp.product.blocks(path)]
        sign = -1 if ls == [1, 1, 1] else 1
        ours = plain.radial.weights[0][:, part], turned.radial.weights[0][:, part]
        assert torch.equal(ours[0], sign * ours[1])
    with pytest.raises(ValueError, match="there are 32 weights, got 31"):
        l1net_layer_from_reference({"fc.weights.0": torch.zeros(31, 5)}, **irreps)
    with pytest.raises(ValueError, match="even parity"):
        l1net_layer_from_reference(state, **(irreps | {"irreps_in": "2x0e+2x1o"}))
    with pytest.raises(ValueError, match=r"fc\.weights\.0"):
        l1net_layer_from_reference({}, **irreps)
