"""Train on anyone's data in one call."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.seed import isolate_rng

from pyg_equivariant.nn import load_model
from pyg_equivariant.nn.models import MolecularModel

from .choices import choose_settings
from .own_data import Source, divide, open_data
from .run import MODEL, Run
from .splits import Split


def fit(
    data: Source,
    network: str | None = None,
    folder: str | Path = "runs/model",
    target: str | None = None,
    valid: Source | None = None,
    test: Source | None = None,
    split: Split | None = None,
    init: str | Path | None = None,
    resume: bool = False,
    unit: str = "",
    reader: dict[str, Any] | None = None,
    machine: dict[str, Any] | None = None,
    verbose: bool = True,
    **settings: Any,
) -> MolecularModel:
    """Train a network on structures of your own; a potential where there are energies.

    Everything of the run is in its folder: settings, checkpoints, logs, ``report.json``
    with the errors of the test set, a figure, and ``model.pt``, the network of the best
    epoch.

    Args:
        data: a file (extended xyz or whatever ASE reads, ``.npz`` of MD17, ``.pt`` of
            PyG), several that ASE reads, a data set of PyG or a list of its graphs, or
            :class:`~pyg_equivariant.training.Structures`. Potentials are trained in eV
            and angstrom; readers convert, and take energies of isolated atoms, if there
            are such, as references.
        network: its name (default: ``"painn"``, or that of ``init``).
        folder: of the run (default: ``"runs/model"``).
        target: label to predict; by default energies, forces and stress, as far as
            there are such, or the only label.
        valid: structures to validate on (default: a random tenth).
        test: structures to test on (default: a random tenth, or those that validate).
        split: which structures are for what, by their places.
        init: file of a trained network to begin with, which gives the architecture;
            references are fitted to the new data.
        resume: go on with the run of the folder, if there is one; ``epochs`` may grow.
        unit: of a label that is no potential, for reports.
        reader: options of the reader, such as ``{"energy": "REF_energy"}``.
        machine: what ``Run.fit`` takes besides: ``accelerator``, ``devices``,
            ``num_nodes``, ``precision``, ``max_time``.
        verbose: whether to show the progress and the report (default: ``True``).
        settings: any of :class:`~pyg_equivariant.training.settings.Settings`,
            such as ``epochs``, ``lr``, ``cutoff``,
            ``weights={"forces": 100.0}``; ``hidden_channels`` and all else that the
            network takes go into ``arguments``, a dictionary.

    Returns:
        The network of the best epoch, which predicts in the unit of the data.

    Example:
        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> from pyg_equivariant.training import Structures, fit
        >>> pos = torch.randn(40, 3)  # 20 pairs of atoms on springs
        >>> vec = pos[::2] - pos[1::2]
        >>> pull = (2 - 2 / vec.norm(dim=-1, keepdim=True)) * vec
        >>> labels = {
        ...     "energy": (vec.norm(dim=-1) - 1).square(),
        ...     "forces": torch.stack([-pull, pull], dim=1).flatten(0, 1),
        ... }
        >>> sizes = torch.full((20,), 2)
        >>> springs = Structures(torch.ones(40, dtype=torch.long), pos, sizes, labels)
        >>> with TemporaryDirectory() as folder:
        ...     model = fit(
        ...         springs,
        ...         folder=folder,
        ...         epochs=1,
        ...         arguments={"hidden_channels": 8, "num_layers": 1},
        ...         machine={"accelerator": "cpu"},
        ...         verbose=False,
        ...     )
        >>> model.card.species, model(springs.z[:2], pos[:2]).shape
        ((1,), torch.Size([1, 1]))
    """
    arguments = settings.pop("arguments", None)
    seed = int(settings.get("seed") or 0)
    divided = divide(data, valid, test, split, seed, **(reader or {}))
    training = divided.structures.select(divided.split.train)
    init = None if init is None else str(init)
    chosen = choose_settings(
        *(training, network, target, divided.division, init, arguments), **settings
    )
    # the seed of the run is nobody else's
    with isolate_rng(), closing(Run(Path(folder), chosen, resume)) as run:
        own = open_data(divided, chosen, unit=unit)
        devices = {"progress": verbose, **(machine or {})}
        run.fit(own, **devices)
        for name in ("max_time", "checkpoint_every", "profiler"):
            devices.pop(name, None)
        report = run.test(own, **devices)
    if report is not None and verbose:
        print(report)
    return load_model(Path(folder) / MODEL)
