"""The convolution of L1Net: a matrix of channels for every path and edge."""

from __future__ import annotations

import math

import pytest
import torch

from pyg_equivariant.nn.conv import L1NetConv
from pyg_equivariant.nn.conv.l1net_conv import sharp_shifted_softplus, sharp_softplus
from pyg_equivariant.o3 import clebsch_gordan

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])
IRREPS = "3x0e+2x1e", "0e+1e+2e", "2x0e+4x1e"


@pytest.mark.parametrize("fuse", [True, False])
def test_is_the_formula_of_the_paper(randomize, fuse: bool) -> None:
    conv = randomize(L1NetConv(*IRREPS, 5, (6,), avg_num_neighbors=2.5))
    conv.fuse = fuse
    x = conv.irreps_in.randn(5, -1, dtype=torch.float64)
    sh = conv.irreps_sh.randn(6, -1, dtype=torch.float64)
    attr = torch.rand(6, 5, dtype=torch.float64)
    weights, product = conv.radial(attr), conv.tp.product
    blocks, harmonics = conv.irreps_in.split(x), conv.irreps_sh.split(sh)
    out = [
        torch.zeros(5, ir.dim, mul, dtype=torch.float64) for mul, ir in conv.irreps_out
    ]
    counts = {0: 3 + 2, 1: 3 + 3 * 2}  # channels of all paths to scalars, to vectors
    for path, part in zip(product.paths, product.weight_slices, strict=True):
        (mul_in, ir_in), (_, ir_sh), (mul_out, ir_out) = product.blocks(path)
        c = clebsch_gordan(ir_in.l, ir_sh.l, ir_out.l, dtype=torch.float64)
        c = c * math.sqrt(ir_in.dim * ir_sh.dim / counts[ir_out.l])
        for e, (j, i) in enumerate(EDGE_INDEX.T.tolist()):
            w = weights[e, part].view(mul_in, mul_out)
            a, y = blocks[path.i_in1][j], harmonics[path.i_in2][e, :, 0]
            message = torch.einsum("mnk,mu,n,uw->kw", c, a, y, w)
            out[path.i_out][i] += message / math.sqrt(2.5)
    found = conv(x, EDGE_INDEX, sh, attr)
    torch.testing.assert_close(found, conv.irreps_out.join(out), rtol=1e-11, atol=1e-11)


def test_says_what_it_is() -> None:
    assert str(L1NetConv(*IRREPS, 5)) == (
        "L1NetConv(3x0e+2x1e -> 2x0e+4x1e, irreps_sh=1x0e+1x1e+1x2e, edge_dim=5)"
    )


def test_no_message_without_radial_features() -> None:
    conv = L1NetConv(*IRREPS, 5, (6,))
    x, sh = conv.irreps_in.randn(5, -1), conv.irreps_sh.randn(6, -1)
    assert not conv(x, EDGE_INDEX, sh, torch.zeros(6, 5)).any()


def test_a_radial_network_of_ones_own() -> None:
    plain = L1NetConv(*IRREPS, 5, (6,))
    own = L1NetConv(*IRREPS, 5, radial=torch.nn.Identity())
    x, sh, attr = plain.irreps_in.randn(5, -1), plain.irreps_sh.randn(6, -1), None
    attr = torch.rand(6, 5)
    found = own(x, EDGE_INDEX, sh, plain.radial(attr))
    torch.testing.assert_close(found, plain(x, EDGE_INDEX, sh, attr))


def test_the_activations_are_sharp() -> None:
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    exact = torch.log1p(torch.exp(5 * x)) / 5
    torch.testing.assert_close(sharp_softplus(x), exact)
    torch.testing.assert_close(sharp_shifted_softplus(x), exact - math.log(2) / 5)
    assert sharp_shifted_softplus(torch.zeros(1, dtype=torch.float16)) == 0
