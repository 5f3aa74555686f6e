"""The product with radial weights, beside the general tensor product."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import RadialTensorProduct, TensorProduct
from pyg_equivariant.o3 import TensorProductPaths

IRREPS = "3x0e+2x1e+1x2e", "0e+1e+2e+3e", "2x0e+2x1e+2x2e+1x1e"
WITH_PARITY = "3x0e+2x1o+2x1e", "0e+1o+2e", "2x0e+2x1o+1x2e"


@pytest.mark.parametrize("irreps", [IRREPS, WITH_PARITY])
def test_is_the_fully_connected_product_with_weights_of_the_edge(
    irreps: tuple[str, str, str],
) -> None:
    module = RadialTensorProduct(*irreps, edge_dim=2, radial_channels=6).double()
    paths = TensorProductPaths.fully_connected(*irreps, "none", "none")
    product = TensorProduct(paths, internal_weights=False).double()
    x, edge_sh = (i.randn(5, -1).double() for i in (module.irreps_in, module.irreps_sh))
    edge_attr = torch.rand(5, 2, dtype=torch.float64)
    weight = torch.full((5, paths.weight_numel), torch.nan, dtype=torch.float64)
    for pair, radial in zip(module.pairs, module.radial(edge_attr), strict=True):
        for path, part in zip(paths.paths, paths.weight_slices, strict=True):
            if (path.i_in1, path.i_out) == (pair.i_in, pair.i_out):
                n = pair.harmonics.index(path.i_in2)
                weight[:, part] = radial.unflatten(-1, (len(pair.harmonics), -1))[:, n]
    found, expected = module(x, edge_sh, edge_attr), product(x, edge_sh, weight)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_what_no_path_reaches_is_zero() -> None:
    with pytest.warns(UserWarning, match="no path leads to 2x2e"):
        module = RadialTensorProduct("3x0e", "0e+1o", "1x0e+2x2e", 1)
    out = module(torch.randn(4, 3), torch.randn(4, 4), torch.rand(4, 1))
    assert not out[:, 1:].any()
    assert out[:, 0].all()


def test_rows_belong_to_the_same_edges() -> None:
    module = RadialTensorProduct("3x0e", "0e", "1x0e", 1)
    with pytest.raises(ValueError, match=r"one row for each edge, got \(1, 3\)"):
        module(torch.randn(1, 3), torch.randn(4, 1), torch.rand(4, 1))
    with pytest.raises(ValueError, match="once each"):
        RadialTensorProduct("3x0e", "2x0e", "1x0e", 1)
