"""The polynomials of a contraction: those of its couplings, and no monomial twice."""

from __future__ import annotations

import numpy as np
import pytest

from pyg_equivariant.kernels.symmetric_contraction.form import ContractionForm
from pyg_equivariant.o3 import Irreps

FORMS = [
    ("0e+1o", "0e+1o", 3),
    ("1o+0e+1e", "0o+2e", 3),
    ("0e+1o+2e", "1o", 2),
    ("2e", "0e+2e", 4),
    ("0e", "1o", 3),
]


def monomials(form: ContractionForm) -> list[tuple[int, ...]]:
    """The components that every monomial is the product of."""
    ranks = [[(i,) for i in range(form.dim_in)]]
    start = 0
    for size in form.sizes[1:]:
        pairs = form.factors[:, start : start + size].T.tolist()
        ranks.append([(*ranks[-1][a], b) for a, b in pairs])
        start += size
    return [m for rank in ranks for m in rank]


@pytest.mark.parametrize("arguments", FORMS)
def test_every_monomial_is_there_once(arguments: tuple[str, str, int]) -> None:
    form = ContractionForm(*arguments)
    found = monomials(form)
    assert len(set(found)) == len(found) == sum(form.sizes)
    assert all(list(m) == sorted(m) for m in found)
    continued = {m[:-1] for m in found if len(m) > 1}
    used = {found[m] for m in form.monomials.tolist()}
    assert continued | used | {(i,) for i in range(form.dim_in)} == set(found)


@pytest.mark.parametrize("arguments", FORMS)
def test_is_the_sum_over_the_couplings(arguments: tuple[str, str, int]) -> None:
    form = ContractionForm(*arguments)
    irreps = Irreps(arguments[0])
    x = np.random.default_rng(0).normal(size=irreps.dim)
    blocks = [x[part] for part in irreps.slices()]
    products = np.array([x[list(m)].prod() for m in monomials(form)])
    terms = form.coefficients * products[form.monomials][:, None]
    ends = np.cumsum(form.row_sizes)[:-1]
    found = np.stack([part.sum(0) for part in np.split(terms, ends)])
    start, number = 0, 0
    outputs = [ir for _, ir in Irreps(arguments[1])]
    expected = np.zeros_like(found)
    for path in form.paths:
        ir = outputs[path.i_out]
        start = sum(ir.dim for ir in outputs[: path.i_out])
        for coupling in path.couplings:
            value = coupling.tensor
            for block in coupling.blocks:
                value = np.tensordot(blocks[block], value, ([0], [0]))
            value = value * coupling.num_orders
            expected[start : start + ir.dim, number] = value
            number += 1
    assert number == form.num_paths
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_text_tells_all() -> None:
    form = ContractionForm("4x0e+4x1o", "4x1o", 3)
    again = ContractionForm.parse(form.text)
    assert again.text == form.text
    np.testing.assert_array_equal(again.coefficients, form.coefficients)
    assert ContractionForm.parse(form.text) is again
