"""Structures of any data set, divided and ready for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import lightning as L
from torch.utils.data import DataLoader
from torch_geometric.data import Data

from .loaders import EpochOrder, TrainingLoader, evaluation_loader
from .references import Scaling, fit_references
from .scaling import scale_label
from .settings import Settings
from .splits import Split
from .structures import Structures
from .table import StructureTable


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Args:
        dataset: to whose structures it belongs.
        name: of the label, as in the papers and on the command line.
        unit: the unit that errors are reported in.
        factor: how many of that unit make one of the data.
    """

    dataset: str
    name: str
    unit: str
    factor: float = 1.0

    @property
    def own_unit(self) -> str:
        """The unit of the data, which the network predicts in."""
        if self.factor == 1:
            return self.unit
        milli = self.factor == 1000 and self.unit.startswith("m")
        return self.unit[1:] if milli else f"{self.unit}/{self.factor:g}"


class StructureData(L.LightningDataModule):
    """Training, validation and test structures.

    Args:
        structures: all that the data set has.
        split: which of them are for what.
        target: what is to be predicted of them.
        settings: of the run; of the training and validation sets only the first
            ``num_train`` and ``num_val`` structures are used.
        num_workers: processes that load the training set.
        published: the error that a paper reports, and the split it was found on.
        isolated: energies of isolated atoms in eV, by atomic number, which a potential
            takes as references.
    """

    def __init__(
        self,
        structures: Structures,
        split: Split,
        target: Target,
        settings: Settings,
        num_workers: int = 0,
        published: tuple[float, str] | None = None,
        isolated: Mapping[int, float] | None = None,
    ) -> None:
        super().__init__()
        self.structures = structures
        self.split = Split(
            split.train[: settings.num_train], split.val[: settings.num_val], split.test
        )
        self.target = target
        self.settings = settings
        self.num_workers = num_workers
        self.published = published
        self.isolated = isolated
        self._tables: dict[str, StructureTable] = {}

    def subset(self, name: str) -> Structures:
        """The structures of ``"train"``, ``"val"`` or ``"test"``."""
        return self.structures.select(getattr(self.split, name))

    def table(self, name: str) -> StructureTable:
        """The same with their edges, which are found once."""
        if name not in self._tables:
            self._tables[name] = StructureTable(self.subset(name), self.settings.cutoff)
        return self._tables[name]

    def scaling(self, training: Structures | None = None) -> Scaling:
        """References, mean and deviation: of the training set, or of others."""
        training = self.subset("train") if training is None else training
        if self.settings.weights:
            return fit_references(training, self.isolated)
        return scale_label(training, self.target.name, self.settings.references)

    def species(self) -> list[int]:
        """Atomic numbers of the training set."""
        return self.subset("train").z.unique().tolist()

    def avg_num_neighbors(self) -> float:
        """Edges per atom of the training set."""
        table = self.table("train")
        return table.edge_index.shape[1] / max(len(table.structures.z), 1)

    def train_dataloader(self) -> TrainingLoader:
        table = self.table("train")
        order = EpochOrder(len(table), self.settings.seed, *self._process())
        return TrainingLoader(table, order, self.settings.batch_size, self.num_workers)

    def val_dataloader(self) -> DataLoader[Data]:
        return self._evaluation("val")

    def test_dataloader(self) -> DataLoader[Data]:
        return self._evaluation("test")

    def _evaluation(self, name: str) -> DataLoader[Data]:
        table = self.table(name)
        return evaluation_loader(table, self.settings.batch_size, *self._process())

    def _process(self) -> tuple[int, int]:
        """Which of the processes this is, and how many there are."""
        trainer = self.trainer
        return (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
