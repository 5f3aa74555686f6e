"""Random irreps and tensor products cover what they should."""

from __future__ import annotations

import torch

from pyg_equivariant.testing import random_irreps, random_tensor_product

GENERATORS = [torch.Generator().manual_seed(seed) for seed in range(200)]


def test_all_sizes_degrees_and_parities_come_up() -> None:
    drawn = [random_irreps(g, lmax=3, max_mul=2, max_blocks=3) for g in GENERATORS]
    assert {len(irreps) for irreps in drawn} == {0, 1, 2, 3}
    assert {mul for irreps in drawn for mul, _ in irreps} == {0, 1, 2}
    irs = {(ir.l, ir.p) for irreps in drawn for _, ir in irreps}
    assert irs == {(l, p) for l in range(4) for p in (1, -1)}
    assert any(irreps.simplify() != irreps for irreps in drawn)


def test_nothing_empty_on_request() -> None:
    for generator in GENERATORS:
        irreps = random_irreps(generator, empty=False)
        assert len(irreps) > 0
        assert all(mul > 0 for mul, _ in irreps)


def test_all_connections_come_up() -> None:
    drawn = [random_tensor_product(generator) for generator in GENERATORS]
    paths = [path for product in drawn for path in product.paths]
    found = {(path.connection, path.has_weight) for path in paths}
    assert found == {
        ("uvw", True),
        ("uvu", True),
        ("uvu", False),
        ("uuu", True),
        ("uuu", False),
    }
    assert any(product.unreached for product in drawn)
    assert any(not product.paths for product in drawn)
    assert sum(len(product.paths) > 2 for product in drawn) > 50


def test_a_seed_decides() -> None:
    one, two = (
        random_tensor_product(torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert one == two
