"""The harmonics of this library and of e3nn are the same numbers."""

from __future__ import annotations

import random

import pytest
import torch

from pyg_equivariant.nn import SphericalHarmonics
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.o3 import spherical_harmonics_reference as spherical_harmonics

o3 = pytest.importorskip("e3nn.o3")


@pytest.mark.parametrize("normalization", ["component", "norm", "integral"])
@pytest.mark.parametrize("normalize", [True, False])
def test_all_degrees_that_e3nn_has(
    normalize: bool, normalization: str, generator: torch.Generator
) -> None:
    vectors = torch.randn(5, 20, 3, dtype=torch.float64, generator=generator)
    degrees = list(range(12))
    ours = spherical_harmonics(degrees, vectors, normalize, normalization)
    theirs = o3.spherical_harmonics(degrees, vectors, normalize, normalization)
    scale = theirs.abs().amax(-1, keepdim=True)
    assert ((ours - theirs).abs() <= 1e-13 * scale).all()


def test_gradients(generator: torch.Generator) -> None:
    vectors = torch.randn(20, 3, dtype=torch.float64, generator=generator)
    vectors.requires_grad_()
    degrees = list(range(7))
    ours = spherical_harmonics(degrees, vectors)
    theirs = o3.spherical_harmonics(degrees, vectors, True, "component")
    cotangent = torch.randn(ours.shape, dtype=ours.dtype, generator=generator)
    torch.testing.assert_close(
        torch.autograd.grad(ours, vectors, cotangent),
        torch.autograd.grad(theirs, vectors, cotangent),
        rtol=1e-11,
        atol=1e-11,
    )


def test_random_irreps() -> None:
    rng = random.Random(0)
    vectors = torch.randn(7, 3, dtype=torch.float64)
    for _ in range(20):
        p = rng.choice([1, -1])
        degrees = [rng.randint(0, 6) for _ in range(rng.randint(1, 4))]
        irreps = Irreps([(rng.randint(0, 3), (l, p**l)) for l in degrees])
        if irreps.dim == 0:
            continue
        theirs = o3.spherical_harmonics(str(irreps), vectors, True, "norm")
        module = SphericalHarmonics(irreps, normalization="norm")
        torch.testing.assert_close(module(vectors), irreps.from_mul_ir(theirs))


@pytest.mark.parametrize("spec", ["2o", "1e+1o", "0o"])
def test_what_e3nn_refuses_is_refused(spec: str) -> None:
    vectors = torch.randn(2, 3)
    with pytest.raises(ValueError, match=r".+"):
        o3.spherical_harmonics(spec, vectors, True)
    with pytest.raises(ValueError, match="parity"):
        spherical_harmonics(spec, vectors)
