"""Symmetric powers: equivariant, symmetric, orthogonal, and all that there are."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest
import torch

from pyg_equivariant.o3 import (
    Irrep,
    Irreps,
    SymmetricCoupling,
    rand_matrix,
    rotate,
    symmetric_couplings,
    wigner_D,
)

INPUTS = ["0e+1o", "0e+1o+2e", "1o+1o", "0o+1e+1o", "2e", "0e+1o+2e+3o"]
OUTPUTS = ["0e", "0o", "1o", "1e", "2e", "2o"]


def dense(irreps: Irreps, coupling: SymmetricCoupling) -> np.ndarray:
    """The whole tensor, block by block."""
    slices = Irreps([ir for _, ir in irreps]).slices()
    dim = sum(ir.dim for _, ir in irreps)
    size = [dim] * len(coupling.blocks), coupling.tensor.shape[-1]
    out = np.zeros((*size[0], size[1]))
    for blocks in set(permutations(coupling.blocks)):
        out[tuple(slices[b] for b in blocks)] = coupling.at(blocks)
    return out


def character(ir: Irrep, angle: float, p: int) -> float:
    """The trace of a rotation by an angle, and an inversion if ``p`` is -1."""
    sign = 1 if p == 1 else ir.p
    return sign * sum(math.cos(m * angle) for m in range(-ir.l, ir.l + 1))


def multiplicity(irreps: Irreps, ir_out: Irrep, n: int) -> int:
    """How often an irrep is in a symmetric power, by the characters of O(3)."""
    top = n * irreps.lmax + ir_out.l + 1
    steps = 2 * top + 2
    total = 0.0
    for k, p in product(range(steps), (1, -1)):
        angle = 2 * math.pi * k / steps
        powers = [
            sum(character(ir, m * angle, p**m) for _, ir in irreps)
            for m in range(n + 1)
        ]
        complete = [1.0]
        for m in range(1, n + 1):
            terms = (powers[j] * complete[m - j] for j in range(1, m + 1))
            complete.append(sum(terms) / m)
        measure = (1 - math.cos(angle)) / steps / 2
        total += measure * complete[n] * character(ir_out, angle, p)
    assert abs(total - round(total)) < 1e-9
    return round(total)


@pytest.mark.parametrize("irreps", INPUTS)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_there_are_as_many_as_characters_say(irreps: str, n: int) -> None:
    for ir in map(Irrep, OUTPUTS):
        found = len(symmetric_couplings(irreps, ir, n))
        assert found == multiplicity(Irreps(irreps), ir, n), ir


@pytest.mark.parametrize(
    ("lmax", "counts"),
    [
        (1, [(1, 2, 2), (1, 1, 2)]),
        (2, [(1, 3, 5), (1, 2, 5), (1, 3, 6)]),
        (3, [(1, 4, 8), (1, 3, 12), (1, 5, 14)]),
    ],
)
def test_known_numbers_of_them(lmax: int, counts: list[tuple[int, ...]]) -> None:
    irreps = Irreps.spherical_harmonics(lmax)
    for (_, ir), expected in zip(irreps, counts, strict=False):
        found = [len(symmetric_couplings(irreps, ir, n)) for n in (1, 2, 3)]
        assert tuple(found) == expected


@pytest.mark.parametrize("irreps", ["0e+1o+2e", "0o+1e+1o", "0e+1o+1o"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_symmetric_and_orthogonal(irreps: str, n: int) -> None:
    for ir in map(Irrep, OUTPUTS):
        tensors = [dense(Irreps(irreps), c) for c in symmetric_couplings(irreps, ir, n)]
        for tensor in tensors:
            for order in permutations(range(n)):
                np.testing.assert_allclose(tensor, tensor.transpose(*order, n))
        if tensors:
            flat = np.stack([t.reshape(-1) for t in tensors])
            expected = ir.dim * np.eye(len(tensors))
            np.testing.assert_allclose(flat @ flat.T, expected, atol=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("irreps", ["0e+1o+2e+3o", "0o+1e+2o"])
def test_equivariant(irreps: str, sign: int, generator: torch.Generator) -> None:
    R = sign * rand_matrix(generator=generator, dtype=torch.float64)
    for n, ir in product((1, 2, 3), map(Irrep, OUTPUTS)):
        x = Irreps(irreps).randn(-1, dtype=torch.float64, generator=generator)
        turned = rotate(Irreps(irreps), x, R)
        D = wigner_D(ir, R)
        for coupling in symmetric_couplings(irreps, ir, n):
            tensor = torch.from_numpy(dense(Irreps(irreps), coupling))
            found, out = tensor, tensor
            for _ in range(n):
                found, out = (
                    torch.tensordot(v, t, ([0], [0]))
                    for v, t in ((turned, found), (x, out))
                )
            torch.testing.assert_close(found, D @ out, rtol=0, atol=1e-11)


def test_one_copy_of_a_block_is_enough() -> None:
    many = symmetric_couplings("8x0e+8x1o", "1o", 3)
    once = symmetric_couplings("0e+1o", "1o", 3)
    assert [c.blocks for c in many] == [c.blocks for c in once] != []


def test_what_is_kept_cannot_be_changed() -> None:
    coupling = symmetric_couplings("0e+1o", "0e", 2)[0]
    with pytest.raises(ValueError, match="read-only"):
        coupling.tensor[...] = 0


@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (2.0, TypeError), (True, TypeError)]
)
def test_a_degree_is_an_int(value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="correlation"):
        symmetric_couplings("0e", "0e", value)
