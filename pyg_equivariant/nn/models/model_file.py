"""One file that holds a network: how to build it, its weights, and what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant import __version__
from pyg_equivariant.files import first_line, whole_file
from pyg_equivariant.o3 import Irreps

from .card import Card
from .described import DescribedModel

FORMAT = 1
_PLAIN = (type(None), bool, int, float, str, Tensor)


def save_model(
    model: DescribedModel, path: str | Path, card: Card | None = None
) -> None:
    """Write a network into one file that tells all that is needed to use it.

    The file holds plain values and tensors, nothing that is run when it is read: the
    name of the network and its arguments (its cutoff among them), its weights, the
    version of this package, and a :class:`Card`. It is whole or not there.

    Args:
        model: the network.
        path: of the file, such as ``"model.pt"``.
        card: units, species and notes (default: ``model.card``).

    Raises:
        TypeError: if it is no network of this package or a class made of one, or was
            built with an argument that is no plain value, such as a module.
        ValueError: if it holds numbers of several dtypes.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from pyg_equivariant.nn.models.painn import PaiNN
        >>> with TemporaryDirectory() as folder:
        ...     path = f"{folder}/model.pt"
        ...     save_model(PaiNN(16, cutoff=4.0), path, Card(species=(1, 8)))
        ...     model = load_model(path)
        >>> model.cutoff, model.card.species
        (4.0, (1, 8))
    """
    content = describe_model(model, card)
    content["state_dict"] = dict(model.state_dict())
    with whole_file(path) as partial, partial.open("wb") as file:
        torch.save(content, file)


def describe_model(model: DescribedModel, card: Card | None = None) -> dict[str, Any]:
    """All that a file says of a network besides its weights, in plain values.

    Raises:
        TypeError, ValueError: as :func:`save_model`.
    """
    if not isinstance(model, DescribedModel):
        inner = next(
            (name for name in ("model", "_orig_mod") if hasattr(model, name)), None
        )
        hint = f"; save its .{inner}" if inner else ""
        raise TypeError(
            f"expected a network such as nn.PaiNN, got {type(model).__name__}{hint}"
        )
    dtypes = {x.dtype for x in model.state_dict().values() if x.is_floating_point()}
    if len(dtypes) > 1:
        raise ValueError(
            f"the network holds numbers of several dtypes, {sorted(map(str, dtypes))}; "
            "convert it with .to(dtype)"
        )
    card = card or model.card
    return {
        "pyg_equivariant": __version__,
        "format": FORMAT,
        "model": type(model).__name__,
        "arguments": {
            name: _plain(value, name) for name, value in model.arguments.items()
        },
        "card": None if card is None else _plain(asdict(card), "card"),
    }


def _plain(value: Any, name: str) -> Any:
    """A value as a file may hold it."""
    if isinstance(value, Irreps):
        return str(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (tuple, list)):
        return type(value)(_plain(each, name) for each in value)
    if isinstance(value, dict):
        return {
            str(key): _plain(each, f"{name}[{key!r}]") for key, each in value.items()
        }
    if hasattr(value, "item"):  # a number of numpy's
        return value.item()
    raise TypeError(
        f"{name} is a {type(value).__name__}, which a file of plain values cannot "
        "hold: choose it by its name, or build it within a class of your own made of "
        "the network"
    )


def load_model(
    path: str | Path,
    map_location: torch.device | str = "cpu",
    cls: type[DescribedModel] = DescribedModel,
) -> Any:
    """Read a network from a file, with its weights, ready to predict.

    It takes what :func:`save_model` wrote, and checkpoints of training. Nothing in the
    file is run. Classes of your own made of a network are found once they are defined.

    Args:
        path: of the file.
        map_location: the device that the network comes on (default: ``"cpu"``).
        cls: the class of the network, or one that it is made of.

    Returns:
        The network, in the dtype that it was saved in, ``eval()``; its ``card`` is the
        file's.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is damaged, no such file, of a later version, or of no network
            that is known here.
    """
    path = Path(path)
    content = _read(path)
    if not {"model", "arguments", "state_dict"} <= content.keys():
        raise ValueError(f"{path} holds no network: it lacks 'model' and 'arguments'")
    if content["format"] > FORMAT:
        raise ValueError(
            f"{path} is of format {content['format']}, written by version "
            f"{content['pyg_equivariant']}; this version, {__version__}, reads formats "
            f"up to {FORMAT}: update the package"
        )
    model = _build(_find(content["model"], cls, path), content, path)
    card = content.get("card")
    model.card = None if card is None else Card(**card)
    return model.to(map_location).eval()


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ValueError(
            f"{path} is damaged, or holds more than tensors and plain values, such as "
            "code, which did not run"
        ) from error
    except (RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path} is not whole ({first_line(error)})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__} and no network")
    return _of_checkpoint(content) if "hyper_parameters" in content else content


def _of_checkpoint(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a checkpoint of training, today's or one of earlier versions."""
    weights = _below("network.", checkpoint.get("state_dict", {}))
    if "network" in checkpoint:
        return {**checkpoint["network"], "state_dict": weights}
    told = checkpoint["hyper_parameters"]
    if not {"settings", "scaling"} <= told.keys():
        return {}
    settings, units = told["settings"], dict(told["scaling"])
    if units["atomref"] is not None:
        units["atomref"] = torch.tensor(units["atomref"], dtype=torch.float64)
    arguments = {**settings["network"], "head": settings["head"], **units}
    return {
        "format": 1,
        "model": settings["model"],
        "arguments": arguments,
        "state_dict": weights,
    }


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix)
    }


def _find(name: str, cls: type[DescribedModel], path: Path) -> type[DescribedModel]:
    """The class of that name; older checkpoints name it in small letters."""
    known = {each.__name__: each for each in _made_of(cls)}
    small = {each.lower(): each for each in known}
    if name in known or name in small:
        return known[small.get(name, name)]
    raise ValueError(
        f"{path} holds a {name}, expected {cls.__name__} or what is made of it: "
        f"{', '.join(known)}; define or import your own class first"
    )


def _made_of(cls: type[DescribedModel]) -> Iterator[type[DescribedModel]]:
    yield cls
    for inner in cls.__subclasses__():
        yield from _made_of(inner)


def _build(
    cls: type[DescribedModel], content: Mapping[str, Any], path: Path
) -> DescribedModel:
    state = content["state_dict"]
    dtype = next((x.dtype for x in state.values() if x.is_floating_point()), None)
    try:
        # The weights drawn here are replaced: nobody's random numbers are used up.
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            model = cls(**content["arguments"]).to(dtype)
        model.load_state_dict(state)
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"{path} does not fit {cls.__name__} of this version: {error}"
        ) from error
    return model
