from __future__ import annotations

import pytest
import torch

from pyg_equivariant.graph import edge_vectors, radius, radius_graph


def test_is_the_part_of_the_joint_graph_between_the_sets(
    generator: torch.Generator,
) -> None:
    cell = 4 * torch.eye(3) + torch.rand(2, 3, 3, generator=generator)
    source = 6 * torch.rand(90, 3, generator=generator)
    target = 9 * torch.rand(7, 3, generator=generator) - 3
    at = torch.randint(2, (97,), generator=generator)
    for box, pbc in ((None, None), (cell, True), (cell, [True, False, False])):
        found = radius(source, target, 2.5, at[:90], at[90:], box, pbc)
        joint, shift = radius_graph(
            torch.cat([source, target]), 2.5, at, box, pbc, backend="torch"
        )
        between = (joint[0] < 90) & (joint[1] >= 90)
        offset = torch.tensor([[0], [90]])
        assert torch.equal(found[0], joint[:, between] - offset)
        assert found[0].size(1) > 20
        if shift is not None:
            assert torch.equal(found[1], shift[between])
            vectors = edge_vectors((source, target), *found, cell, at[90:])
            assert vectors.norm(dim=-1).max() < 2.5


def test_targets_far_from_all_sources_have_no_edges() -> None:
    source, target = torch.rand(200, 3) * 20, torch.rand(3, 3) + 1000
    assert radius(source, target, 2.0)[0].shape == (2, 0)
    assert radius(source[:0], target, 2.0)[0].shape == (2, 0)
    assert radius(source, target[:0], 2.0)[0].shape == (2, 0)


def test_points_of_two_sets_that_coincide_are_joined() -> None:
    edge_index, shift = radius(torch.ones(2, 3), torch.ones(1, 3), 0.1)
    assert edge_index.tolist() == [[0, 1], [0, 0]]
    assert shift is None


def test_a_cap_counts_the_sources_of_each_target() -> None:
    source = torch.tensor([[3.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    with pytest.warns(UserWarning, match="drops 1 of 3 edges") as record:
        edge_index, _ = radius(source, torch.zeros(1, 3), 4.0, max_num_neighbors=2)
    assert edge_index.tolist() == [[1, 2], [0, 0]]
    assert record[0].filename == __file__


def test_bad_input_is_one_clear_line() -> None:
    pos, batch = torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match="batch_target is missing"):
        radius(pos, pos, 1.0, batch)
    with pytest.raises(ValueError, match="pos_target has NaN"):
        radius(pos, pos * float("nan"), 1.0)
    with pytest.raises(ValueError, match="batch_source must hold one graph number"):
        radius(pos, pos, 1.0, batch[:1], batch)
    with pytest.raises(ValueError, match="cutoff must be a positive"):
        radius(pos, pos, -1.0)
