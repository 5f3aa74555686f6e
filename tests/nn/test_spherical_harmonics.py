"""The module of spherical harmonics is the function, with exact constants."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from pyg_equivariant.kernels.spherical_harmonics import operator
from pyg_equivariant.nn import SphericalHarmonics, spherical_harmonics
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant


@pytest.fixture(params=["c", "plain"], autouse=True)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with the kernel and in plain torch."""
    if request.param == "plain":
        monkeypatch.setattr(operator, "backend", lambda *tensors: "plain")


def test_irreps_are_those_of_a_vector() -> None:
    module = SphericalHarmonics([0, 1, 2])
    assert module.irreps_out == Irreps("0e+1o+2e")
    assert module.irreps_in == Irreps("1o")
    assert SphericalHarmonics("1e").irreps_in == Irreps("1e")
    assert SphericalHarmonics([1, 2], irreps_in="1e").irreps_out == Irreps("1e+2e")
    with pytest.raises(ValueError, match=r"got 1x1e .* vector 1x1o are 1o"):
        SphericalHarmonics("1e", irreps_in="1o")
    with pytest.raises(ValueError, match="normalization='none'"):
        SphericalHarmonics("1o", normalization="none")


@pytest.mark.parametrize("irreps", ["0e+1o+2e", "2x1o+0e", "1e+2e", "0e", ""])
def test_equivariance(irreps: str) -> None:
    assert_equivariant(SphericalHarmonics(irreps))


def test_exact_in_every_dtype() -> None:
    vectors = torch.randn(20, 3, dtype=torch.float64)
    expected = spherical_harmonics(range(9), vectors)
    module = SphericalHarmonics(range(9))
    for m in (module, copy.deepcopy(module).half().double(), module.double()):
        assert torch.equal(m(vectors), expected)
    single = spherical_harmonics(range(9), vectors.float())
    assert torch.equal(module.bfloat16()(vectors.float()), single)
    half = vectors.half()
    assert torch.equal(module(half), spherical_harmonics(range(9), half))


def test_a_plain_module() -> None:
    module = SphericalHarmonics("2x1o+1x2e", normalize=False, normalization="norm")
    text = "SphericalHarmonics(1x1o -> 2x1o+1x2e, norm, normalize=False)"
    assert repr(module) == text
    assert not module.state_dict()
    assert not list(module.parameters())
    vectors = torch.randn(4, 3)
    expected = spherical_harmonics("2x1o+2e", vectors, False, "norm")
    for other in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert repr(other) == text
        assert torch.equal(other(vectors), expected)


def test_back_from_the_meta_device() -> None:
    vectors = torch.randn(4, 3)
    with torch.device("meta"):
        module = SphericalHarmonics("1o+2e")
    expected = spherical_harmonics("1o+2e", vectors)
    assert torch.equal(module(vectors), expected)
    assert torch.equal(module.to_empty(device="cpu")(vectors), expected)


def test_compiles_without_graph_breaks() -> None:
    module = SphericalHarmonics("0e+2x1o+2e+3o")
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for n in (5, 9):
        r = torch.randn(n, 3, requires_grad=True)
        y, expected = compiled(r), module(r)
        torch.testing.assert_close(y, expected)
        weight = torch.randn_like(y)
        torch.testing.assert_close(
            torch.autograd.grad((y * weight).sum(), r),
            torch.autograd.grad((expected * weight).sum(), r),
        )
