"""Every sample once, in an order that can be taken up midway."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.training.loaders import (
    EpochOrder,
    TrainingLoader,
    evaluation_loader,
)
from pyg_equivariant.training.structures import Structures
from pyg_equivariant.training.table import StructureTable


@pytest.fixture
def table() -> StructureTable:
    count = 11
    z, sizes = torch.ones(count, dtype=torch.long), torch.ones(count, dtype=torch.long)
    molecules = Structures(z, torch.zeros(count, 3), sizes, {"y": torch.arange(11.0)})
    return StructureTable(molecules, 1.0)


def epoch(loader: TrainingLoader, number: int) -> list[list[float]]:
    loader.order.set_epoch(number)
    return [batch.labels["y"].tolist() for batch in loader]


@pytest.mark.parametrize(
    ("stop", "num_workers"), [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (2, 2)]
)
def test_an_epoch_goes_on_where_it_stopped(
    table: StructureTable, stop: int, num_workers: int
) -> None:
    def loader() -> TrainingLoader:
        return TrainingLoader(table, EpochOrder(len(table), 5), 3, num_workers)

    whole = loader()
    expected = epoch(whole, 7)
    assert (
        sorted(y for batch in expected for y in batch)
        == table.structures.labels["y"].tolist()
    )
    assert len(whole) == len(expected) == 4

    stopped = loader()
    stopped.order.set_epoch(7)
    batches = iter(stopped)
    seen = [next(batches).labels["y"].tolist() for _ in range(stop)]
    resumed = loader()
    resumed.load_state_dict(stopped.state_dict())
    rest = epoch(resumed, 7)
    if stop == len(whole):  # nothing is left: what comes is the next epoch
        assert rest == expected
        return
    assert seen + rest == expected
    assert epoch(resumed, 8) == epoch(whole, 8)
    del batches


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = set()
    for seed in (0, 1):
        for number in (0, 1):
            order = EpochOrder(20, seed)
            order.set_epoch(number)
            orders.add(tuple(order))
    assert len(orders) == 4


def test_processes_share_an_epoch() -> None:
    shares = [list(EpochOrder(11, 0, rank, 3)) for rank in range(3)]
    assert [len(share) for share in shares] == [3, 3, 3]
    assert len(set().union(*shares)) == 9


def test_two_processes_take_together_the_step_of_one() -> None:
    alone = list(EpochOrder(12, 3))
    first, second = (list(EpochOrder(12, 3, rank, 2)) for rank in range(2))
    for step in range(3):
        together = first[2 * step : 2 * step + 2] + second[2 * step : 2 * step + 2]
        assert set(together) == set(alone[4 * step : 4 * step + 4])


def test_evaluation_sees_every_sample_once(table: StructureTable) -> None:
    seen: list[float] = []
    for rank in range(3):
        for batch in evaluation_loader(table, 2, rank, 3):
            seen += batch.labels["y"].tolist()
    assert sorted(seen) == table.structures.labels["y"].tolist()


def test_loading_leaves_the_random_numbers_alone(table: StructureTable) -> None:
    state = torch.get_rng_state()
    epoch(TrainingLoader(table, EpochOrder(len(table), 0), 3), 0)
    list(evaluation_loader(table, 2))
    assert torch.equal(torch.get_rng_state(), state)
