"""Loaders whose order is known in advance, so that an epoch can be taken up midway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Sampler
from torch_geometric.data import Data

from .table import StructureTable


class EpochOrder(Sampler[int]):
    """A new order in every epoch, which depends on the seed and the epoch alone.

    Each process gets every ``world_size``-th sample of the same order. Up to
    ``world_size - 1`` samples are left out of an epoch, others each time, so that all
    processes take equally many steps.

    Args:
        num_samples: how many samples there are.
        seed: number that names the sequence of orders.
        rank: which of the processes this is.
        world_size: how many processes there are.
    """

    def __init__(
        self, num_samples: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.num_samples = num_samples
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls this at the beginning of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_samples // self.world_size

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(self.num_samples)
        own = order[self.rank :: self.world_size][: len(self)]
        return iter(own[self.start :].tolist())


class TrainingLoader(DataLoader[Data]):
    """Batches in an :class:`EpochOrder`, with a state that says how far it has come.

    Lightning keeps that state in its checkpoints: ``state_dict`` and
    ``load_state_dict`` are the interface that it asks for.
    """

    def __init__(
        self,
        table: StructureTable,
        order: EpochOrder,
        batch_size: int,
        num_workers: int = 0,
    ) -> None:
        super().__init__(
            table,
            batch_sampler=BatchSampler(order, batch_size, drop_last=False),
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            collate_fn=as_it_is,
            # A generator of its own: the global one is then used by the network alone
            generator=torch.Generator(),
        )
        self.order = order
        self.delivered = 0
        self._skip = 0
        self._samples = batch_size

    def __iter__(self) -> Iterator[Data]:  # type: ignore[override]
        self.order.start = self._skip * self._samples
        self.delivered, self._skip = self._skip, 0
        for batch in super().__iter__():
            self.delivered += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """How many batches of the epoch have been handed out; none at its end."""
        return {"delivered": self.delivered % len(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin the next epoch after the batches that were handed out before."""
        self._skip = state["delivered"]


def evaluation_loader(
    table: StructureTable, batch_size: int, rank: int = 0, world_size: int = 1
) -> DataLoader[Data]:
    """Every sample once, in order, divided among the processes without filling up."""
    share = range(rank, len(table), world_size)
    return DataLoader(
        table,
        batch_size,
        sampler=share,
        collate_fn=as_it_is,
        generator=torch.Generator(),
    )


def as_it_is(batch: Data) -> Data:
    """The table has already put the batch together."""
    return batch
