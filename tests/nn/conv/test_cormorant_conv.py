"""The level of Cormorant: complex numbers, pairs of atoms, and atoms themselves."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn.conv import CormorantConv
from pyg_equivariant.nn.conv._complex_channels import (
    edge_degrees,
    fold_orders,
    square_degrees,
)
from pyg_equivariant.o3 import clebsch_gordan, rand_matrix, rotate
from pyg_equivariant.testing import equivariance_error

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])
NODES, EDGES, RADIAL = 5, 6, 5


def build(randomize, **options) -> CormorantConv:
    sizes = {"lmax_in": 2, "lmax_sh": 1, "lmax": 3, "soft_width": 1.0}
    return randomize(CormorantConv(2, 3, RADIAL, **{**sizes, **options}))


def inputs(conv: CormorantConv) -> tuple[Tensor, ...]:
    x = conv.irreps_in.randn(NODES, -1, dtype=torch.float64)
    sh = conv.irreps_sh.randn(EDGES, -1, dtype=torch.float64)
    attr = torch.rand(EDGES, RADIAL, dtype=torch.float64)
    return x, EDGE_INDEX, sh, attr, torch.rand(EDGES, dtype=torch.float64) + 0.5


def as_complex(irreps, x: Tensor) -> list[Tensor]:
    """The blocks ``(rows, 2 l + 1, C)``."""
    return [torch.complex(*block.chunk(2, dim=-1)) for block in irreps.split(x)]


def product(f: list[Tensor], g: list[Tensor], lmax: int) -> list[list[Tensor]]:
    """All products of each degree, as the authors' code lists them."""
    out: list[list[Tensor]] = [[] for _ in range(lmax + 1)]
    for l1, a in enumerate(f):
        for l2, b in enumerate(g):
            for l in range(abs(l1 - l2), min(l1 + l2, lmax) + 1):
                c = math.sqrt(2 * l + 1) * clebsch_gordan(
                    l2, l1, l, dtype=a.real.dtype
                ).to(a)
                out[l].append(torch.einsum("jik,nic,njc->nkc", c, a, b))
    return out


def reference(conv: CormorantConv, given: tuple[Tensor, ...]) -> list[Tensor]:
    """The formulas of the paper in complex numbers, one row for every pair."""
    x, edge_index, sh, attr, r = given
    nodes = torch.arange(NODES)
    source, target = (torch.cat([row, nodes]) for row in edge_index)
    sh = torch.cat([sh, torch.eye(sh.shape[1]).to(sh)[:1].expand(NODES, -1)])
    attr = torch.cat([attr, attr.new_zeros(NODES, RADIAL)])
    attr = torch.cat([attr, attr.new_zeros(len(attr), RADIAL % 2)], dim=1)
    r = torch.cat([r, r.new_zeros(NODES)]).unsqueeze(-1)
    f = as_complex(conv.irreps_in, x)
    dots = [(a[source] * a[target]).sum(1) for a in f]
    rho = torch.complex(attr[:, 0::2], attr[:, 1::2])
    assert conv.radius is not None
    assert conv.width is not None
    mask = torch.sigmoid((conv.radius - r) / conv.width.abs())
    edges = []
    for l, block in enumerate(conv.irreps_sh.split(sh)):
        parts = [*dots, rho] if l < len(f) else [rho]
        weight = torch.view_as_complex(conv.edge_mix.weights[l])
        g = torch.cat(parts, dim=1) @ weight.T * mask
        edges.append(g.unsqueeze(1) * block)
    lmax = len(conv.irreps_out) - 1
    messages = product(edges, [a[source] for a in f], lmax)
    squares = product(f, f, lmax)
    out = []
    for l in range(lmax + 1):
        blocks = [m.new_zeros(NODES, *m.shape[1:]) for m in messages[l]]
        sums = [
            b.index_add(0, target, m) for b, m in zip(blocks, messages[l], strict=True)
        ]
        # the order of the factors of a square is that of the authors
        signs = [(-1) ** sum(d) for d in square_degrees(2, lmax, True) if d.l == l]
        twice = [s * sign for s, sign in zip(squares[l], signs, strict=True)]
        every = torch.cat([*sums, *f[l : l + 1], *twice], dim=-1)
        weight = torch.view_as_complex(conv.node_mix.weights[l])
        out.append(every @ weight.T)
    return out


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"lmax": 1}, {"lmax_sh": 3, "lmax": 2}, {"lmax_sh": 0}]
)
def test_is_the_formula_of_the_paper(randomize, fuse: bool, options) -> None:
    conv = build(randomize, **options)
    conv.fuse = fuse
    given = inputs(conv)
    found = as_complex(conv.irreps_out, conv(*given))
    expected = reference(conv, given)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_says_what_it_is() -> None:
    assert str(CormorantConv(2, 3, RADIAL, lmax_in=0, lmax_sh=2, lmax=1)) == (
        "CormorantConv(4x0e -> 6x0e+6x1e, irreps_sh=1x0e+1x1e+1x2e, edge_dim=5)"
    )


def test_scalars_of_a_pair_are_those_of_the_turned_pair(randomize) -> None:
    conv = build(randomize)
    x = conv.irreps_in.randn(4, -1, dtype=torch.float64)
    attr, r = torch.rand(2, RADIAL).double(), torch.rand(2).double()
    there = conv.edge_scalars(x[:2], x[2:], attr, r)
    torch.testing.assert_close(there, conv.edge_scalars(x[2:], x[:2], attr, r))


def test_products_in_both_orders_differ_by_a_sign(randomize) -> None:
    for lmax in range(4):
        every = square_degrees(2, lmax, all_orders=True)
        kept = square_degrees(2, lmax, all_orders=False)
        fold = fold_orders(every, kept)
        assert set(fold.unique().tolist()) <= {-1.0, 0.0, 1.0}
        vanish = [d for d in every if d.first == d.second and d.l % 2]
        assert (fold.abs().sum(1) == 0).sum() == len(vanish)
    assert len(edge_degrees(0, 3, 2)) == 3


def test_complex_weights_mix_parities(randomize) -> None:
    """Rotations commute with it, reflections do not: SE(3)."""
    conv = build(randomize, lmax_in=1)
    x, edge_index, _, attr, r = inputs(conv)
    vec = torch.randn(EDGES, 3, dtype=torch.float64)

    def function(x: Tensor, vec: Tensor) -> Tensor:
        sh = torch.cat([torch.ones_like(vec[:, :1]), vec], dim=-1)
        return conv(x, edge_index, sh, attr, r)

    kinds = [conv.irreps_in, "1o"], [conv.irreps_out]
    error = equivariance_error(function, *kinds, [x, vec])
    assert error.rotation < 1e-12
    assert error.reflection > 1e-3
    R = rand_matrix(dtype=torch.float64)
    turned = function(rotate(conv.irreps_in, x, R), vec @ R.T)
    torch.testing.assert_close(turned, rotate(conv.irreps_out, function(x, vec), R))


@pytest.mark.parametrize(
    ("mask", "learned"),
    [
        (("learn",), (True, True)),
        (("soft",), (False, False)),
        (("learn_rad",), (True, False)),
        (("learn_width", "hard"), (False, True)),
        ((), (False, False)),
    ],
)
def test_masks(mask: tuple[str, ...], learned: tuple[bool, bool]) -> None:
    options = {"soft_cutoff": 2.0, "soft_width": 0.5, "hard_cutoff": 2.5}
    conv = CormorantConv(2, 3, RADIAL, mask=mask, **options).double()
    assert (conv.radius is not None, conv.width is not None) == learned
    x = conv.irreps_in.randn(3, -1, dtype=torch.float64)
    r = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    open_ = CormorantConv(2, 3, RADIAL, mask=()).double()
    names = open_.state_dict()
    open_.load_state_dict({k: v for k, v in conv.state_dict().items() if k in names})
    whole = open_.edge_scalars(x, x, None, r)
    factor = torch.ones(3, dtype=torch.float64)
    if {*mask} - {"hard"}:
        factor = torch.sigmoid((2.0 - r) / 0.5)
    if "hard" in mask:
        factor = factor * (r < 2.5)
    found = conv.edge_scalars(x, x, None, r)
    torch.testing.assert_close(found, whole * factor.unsqueeze(-1))


def test_a_mask_learned_away_still_has_a_width() -> None:
    conv = CormorantConv(2, 3, RADIAL).double()
    assert conv.width is not None
    torch.nn.init.zeros_(conv.width)
    x = conv.irreps_in.randn(1, -1, dtype=torch.float64)
    r = torch.tensor([1.73 - 1e-3], dtype=torch.float64)
    scale = conv.edge_scalars(x, x, None, r) / conv.edge_scalars(x, x, None, 0 * r)
    expected = torch.full_like(scale, 1 / (1 + math.exp(-1)))
    torch.testing.assert_close(scale, expected, rtol=1e-4, atol=0)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"mask is made of .* got \['sharp'\]"):
        CormorantConv(2, 3, RADIAL, mask=("sharp",))
    for name in ("soft_cutoff", "soft_width", "hard_cutoff"):
        with pytest.raises(ValueError, match=name):
            CormorantConv(2, 3, RADIAL, **{name: 0.0})
