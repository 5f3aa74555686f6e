"""QM9 as PyG has it, divided and ready for training."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch_geometric.data import Data
from torch_geometric.datasets import QM9

from .graphs import MoleculeTable
from .loaders import EpochOrder, TrainingLoader, evaluation_loader
from .references import Scaling, fit_scaling
from .settings import Settings
from .splits import Split, split_molecules
from .targets import find_target

_MOMENTS = ("dipole_magnitude", "spatial_extent")


def open_qm9(root: str | Path) -> QM9:
    """PyG's data set, downloaded where ``root`` does not hold it.

    Raises:
        FileNotFoundError: if it is not there and cannot be downloaded; the message
            names the files and where they belong.
    """
    folder = Path(root).expanduser()
    if int(os.environ.get("LOCAL_RANK", "0")) > 0:
        _wait_for(folder / "processed" / "pre_filter.pt")
    try:
        return QM9(str(folder))
    except Exception as error:  # whatever a failed download raises
        raise FileNotFoundError(_how_to_get_qm9(folder, error)) from error


def _wait_for(last_file: Path, seconds: int = 3600) -> None:
    """Let the first process of a machine get the data; this file is its last."""
    deadline = time.monotonic() + seconds
    while not last_file.is_file() and time.monotonic() < deadline:
        time.sleep(1.0)


def _how_to_get_qm9(folder: Path, error: Exception) -> str:
    if importlib.util.find_spec("rdkit"):
        files = ["gdb9.sdf", "gdb9.sdf.csv", "uncharacterized.txt"]
        sources = f"{QM9.raw_url} and {QM9.raw_url2} (saved as {files[-1]})"
    else:
        files = ["qm9_v3.pt"]
        sources = QM9.processed_url
    wanted = ", ".join(str(folder / "raw" / name) for name in files)
    return (
        f"QM9 is neither in {folder} nor could it be downloaded "
        f"({type(error).__name__}: {error}).\n"
        f"Put these files there: {wanted}, from {sources};\n"
        f"or the processed set of another machine, "
        f"{folder / 'processed' / 'data_v3.pt'}, with an empty file in place of each "
        "of those; or name with --root a folder that holds it."
    )


class QM9Molecules(L.LightningDataModule):
    """Training, validation and test molecules, one property each.

    Args:
        root: folder of PyG's data set.
        settings: of the run.
        num_workers: processes that load the training set.
    """

    def __init__(
        self, root: str | Path, settings: Settings, num_workers: int = 0
    ) -> None:
        super().__init__()
        self.settings = settings
        self.num_workers = num_workers
        dataset = open_qm9(root)
        data, pointers = dataset._data, dataset.slices["z"]
        self._z, self._pos = data.z, data.pos.float()
        self._pointers = pointers
        self._y = data.y[:, find_target(settings.target).column]
        self.split = _shortened(split_molecules(settings.split, len(dataset)), settings)
        self._tables: dict[str, MoleculeTable] = {}

    def rows(self, part: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Atomic numbers, positions, sizes and property of a part of the split."""
        index: Tensor = getattr(self.split, part)
        start, sizes = self._pointers[index], self._pointers.diff()[index]
        shift = start - (sizes.cumsum(0) - sizes)
        atoms = torch.arange(int(sizes.sum())) + shift.repeat_interleave(sizes)
        return self._z[atoms], self._pos[atoms], sizes, self._y[index]

    def table(self, part: str) -> MoleculeTable:
        """A part of the split with its edges, which are found once."""
        if part not in self._tables:
            self._tables[part] = MoleculeTable(*self.rows(part), self.settings.cutoff)
        return self._tables[part]

    def scaling(self) -> Scaling:
        """References, mean and deviation of the training set."""
        z, _, sizes, y = self.rows("train")
        shifted = self.settings.head not in _MOMENTS
        return fit_scaling(z, sizes, y, self.settings.references, shifted)

    def avg_num_neighbors(self) -> float:
        """Edges per atom of the training set."""
        table = self.table("train")
        return table.edge_index.shape[1] / max(len(table.z), 1)

    def train_dataloader(self) -> TrainingLoader:
        rank, world_size = self._place()
        table = self.table("train")
        order = EpochOrder(len(table), self.settings.seed, rank, world_size)
        return TrainingLoader(table, order, self.settings.batch_size, self.num_workers)

    def val_dataloader(self) -> DataLoader[Data]:
        return evaluation_loader(
            self.table("val"), self.settings.batch_size, *self._place()
        )

    def test_dataloader(self) -> DataLoader[Data]:
        return evaluation_loader(
            self.table("test"), self.settings.batch_size, *self._place()
        )

    def _place(self) -> tuple[int, int]:
        trainer = self.trainer
        return (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)


def _shortened(split: Split, settings: Settings) -> Split:
    """The first molecules of the training and validation sets; the test set stays."""
    return Split(
        split.train[: settings.num_train], split.val[: settings.num_val], split.test
    )
