"""QM9 as PyG has it."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Sequence
from pathlib import Path

from torch_geometric.data.data import BaseData
from torch_geometric.datasets import QM9

from pyg_equivariant.files import NotWrittenError, first_line, whole_file

from ..data import StructureData
from ..references import Scaling, fit_scaling
from ..settings import Settings
from ..structures import Structures
from .presets import published_error
from .splits import split_molecules
from .targets import TARGETS, find_property

_MOMENTS = ("dipole_magnitude", "spatial_extent")


class QM9Molecules(StructureData):
    """The molecules of QM9.

    Args:
        root: folder of PyG's data set.
        settings: of the run.
        num_workers: processes that load the training set.
    """

    def __init__(
        self, root: str | Path, settings: Settings, num_workers: int = 0
    ) -> None:
        name = settings.target
        dataset = open_qm9(root)
        data, y = dataset._data, dataset._data.y[:, find_property(name).column]
        sizes = dataset.slices["z"].diff()
        super().__init__(
            Structures(data.z, data.pos.float(), sizes, {name: y}),
            split_molecules(settings.split, len(dataset)),
            TARGETS[name],
            settings,
            num_workers,
            published_error(settings.model, name),
        )

    def scaling(self, training: Structures | None = None) -> Scaling:
        """Of moments, which charges make, only the deviation."""
        training = self.subset("train") if training is None else training
        shifted = self.settings.head not in _MOMENTS
        return fit_scaling(
            training, self.target.name, self.settings.references, shifted
        )


class WholeQM9(QM9):
    """PyG's data set, whose processed file is whole or not there."""

    @classmethod
    def save(cls, data_list: Sequence[BaseData], path: str) -> None:
        with whole_file(path) as partial:
            super().save(data_list, str(partial))


def open_qm9(root: str | Path) -> QM9:
    """PyG's data set, downloaded where ``root`` does not hold it.

    Raises:
        FileNotFoundError: if it is not there and cannot be downloaded; the message
            names the files and where they belong.
        ValueError: if it is there in part; the message names what to delete.
    """
    folder = Path(root).expanduser()
    if int(os.environ.get("LOCAL_RANK", "0")) > 0:
        _wait_for(folder / "processed" / "data_v3.pt")
    try:
        return WholeQM9(str(folder))
    except NotWrittenError:
        raise
    except Exception as error:  # whatever a failed download, or half a file, raises
        raise _explained(folder, error) from error


def _wait_for(file: Path, seconds: int = 3600) -> None:
    """Let the first process of a machine get the data."""
    deadline = time.monotonic() + seconds
    while not file.is_file() and time.monotonic() < deadline:
        time.sleep(2.0)  # enough for the small files that are written after it


def _explained(folder: Path, error: Exception) -> Exception:
    """The same error, with the way out."""
    raw = [folder / "raw" / name for name in _raw_files()]
    if not all(file.is_file() for file in raw):
        return FileNotFoundError(_how_to_get_qm9(folder, error))
    said = f"({type(error).__name__}: {first_line(error)})"
    processed = folder / "processed" / "data_v3.pt"
    if processed.is_file():
        return ValueError(
            f"{processed}, or a file beside it, cannot be read {said}, as after an "
            f"interrupted run or copy; delete the folder {processed.parent} to make it "
            "anew from raw, or copy it anew"
        )
    return ValueError(
        f"{raw[0]} cannot be processed {said}, as after an interrupted download or "
        f"with the empty file of a copied set; delete the folder {raw[0].parent} to "
        f"download it anew, or copy {processed}"
    )


def _raw_files() -> list[str]:
    if importlib.util.find_spec("rdkit"):
        return ["gdb9.sdf", "gdb9.sdf.csv", "uncharacterized.txt"]
    return ["qm9_v3.pt"]


def _how_to_get_qm9(folder: Path, error: Exception) -> str:
    files, sources = _raw_files(), QM9.processed_url
    if len(files) > 1:
        sources = f"{QM9.raw_url} and {QM9.raw_url2} (saved as {files[-1]})"
    paths = ", ".join(str(folder / "raw" / name) for name in files)
    halves = "".join(
        f"Delete {file}, which may be left of an interrupted download.\n"
        for file in sorted((folder / "raw").glob("*.zip"))
    )
    return (
        f"QM9 is neither in {folder} nor could it be downloaded "
        f"({type(error).__name__}: {error}).\n{halves}"
        f"Put these files there: {paths}, from {sources};\n"
        f"or the processed set of another machine, "
        f"{folder / 'processed' / 'data_v3.pt'}, with an empty file in place of each "
        "of those; or name with --root a folder that holds it."
    )
