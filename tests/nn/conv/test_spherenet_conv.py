from __future__ import annotations

import torch

from pyg_equivariant.nn.conv.dimenet_pp_conv import DimeNetPPConv
from pyg_equivariant.nn.conv.spherenet_conv import SphereNetConv


def test_is_dimenet_pp_with_a_factor_of_torsions() -> None:
    widths = {"int_channels": 5}
    conv = SphereNetConv(8, 4, 3, 2, basis_channels=(3, 3, 2), **widths)
    other = DimeNetPPConv(8, 4, 2, basis_channels=3, **widths)
    shared = {n: v for n, v in conv.state_dict().items() if not n.startswith("lin_t")}
    other.load_state_dict(shared)
    angles, torsions = torch.randn(9, 4), torch.randn(9, 3)
    factor = conv.lin_t2(conv.lin_t1(torsions))
    filters = conv.filters(torch.cat([angles, torsions], dim=-1))
    torch.testing.assert_close(filters, other.filters(angles) * factor)
    x, radial, pairs = torch.randn(6, 8), torch.randn(6, 2), torch.randint(6, (2, 9))
    found = conv(x, pairs, torch.cat([angles, torsions], dim=-1), radial)
    expected = other.interact(x, pairs, other.filters(angles) * factor, radial)
    torch.testing.assert_close(found, expected)
