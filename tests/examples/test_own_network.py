"""A network of one's own learns forces."""

from __future__ import annotations

import own_network

from pyg_equivariant.testing import assert_equivariant


def test_it_learns_forces() -> None:
    error, size = own_network.main(["--epochs", "15", "--num-train", "20"])
    assert error < 0.8 * size


def test_it_is_invariant() -> None:
    data = own_network.shaken_clusters(1, 0)[0]
    network = own_network.Network(channels=4).double()
    positions = [data.pos.double()]
    assert_equivariant(lambda pos: network(data.z, pos), "pos", "0e", positions)
