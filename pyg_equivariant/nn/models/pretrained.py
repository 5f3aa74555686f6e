"""Trained networks in folders, and on the model hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from pyg_equivariant.files import whole_file

from .card import Card
from .described import DescribedModel
from .model_file import describe_model, load_model, save_model

FILE = "model.pt"
CONFIG = "config.json"

_Model = TypeVar("_Model", bound="Pretrained")


class Pretrained(DescribedModel):
    """A network that goes to, and comes from, a folder or a hub.

    The hub is that of Hugging Face, reached by the mixin that PyG's own uses, with the
    package ``huggingface_hub``. Folders need none.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from pyg_equivariant.nn.models.painn import PaiNN
        >>> with TemporaryDirectory() as folder:
        ...     PaiNN(16).save_pretrained(folder)
        ...     PaiNN.from_pretrained(folder).hidden_channels
        16
    """

    @classmethod
    def from_pretrained(
        cls: type[_Model],
        name_or_path: str | Path,
        map_location: Any = "cpu",
        **kwargs: Any,
    ) -> _Model:
        """A trained network.

        Args:
            name_or_path: a folder that holds ``model.pt``, or a name on the hub, such
                as ``"user/painn-aspirin"``.
            map_location: the device that it comes on.
            kwargs: for the hub: ``revision``, ``token``, ``cache_dir``,
                ``local_files_only``, ``force_download``.

        Raises:
            FileNotFoundError: if the folder holds no ``model.pt``.
            ImportError: if it is no folder, and there is no ``huggingface_hub``.
            ValueError: if it is another network, or cannot be read.
        """
        folder = Path(name_or_path)
        if folder.is_dir():
            path = folder / FILE
        else:
            path = _hub().hf_hub_download(str(name_or_path), FILE, **kwargs)
        return load_model(path, map_location, cls)

    def save_pretrained(self, folder: str | Path, card: Card | None = None) -> None:
        """Write ``model.pt``, and ``config.json`` for people, into a folder.

        Args:
            folder: made where there is none.
            card: see :func:`~pyg_equivariant.nn.save_model`.
        """
        folder = Path(folder)
        save_model(self, folder / FILE, card)
        text = json.dumps(describe_model(self, card), indent=2, default=Tensor.tolist)
        with whole_file(folder / CONFIG) as partial:
            partial.write_text(text + "\n", encoding="utf-8")

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> str:
        """Upload the network.

        Args:
            repo_id: its name on the hub, such as ``"user/painn-aspirin"``.
            kwargs: as ``huggingface_hub.ModelHubMixin.push_to_hub`` takes them:
                ``private``, ``token``, ``branch``, ``commit_message``, ...

        Returns:
            The address of the commit.

        Raises:
            ImportError: if ``huggingface_hub`` is not installed.
        """
        told = {"library_name": "pyg_equivariant", "tags": ["graph-machine-learning"]}

        class Hub(_hub().ModelHubMixin, **told):  # type: ignore[misc]
            """The mixin, told how to write a network."""

            def _save_pretrained(hub, save_directory: Path) -> None:  # noqa: N805
                self.save_pretrained(save_directory)

        address: str = Hub().push_to_hub(repo_id, **kwargs)
        return address


def _hub() -> Any:
    """The package of the hub."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            f"{FILE} in a folder needs nothing, but the model hub huggingface_hub: pip "
            "install huggingface_hub"
        ) from error
    return huggingface_hub
