"""PaiNN, from SchNetPack."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from pyg_equivariant.nn.mlp import MLP
from pyg_equivariant.nn.models.heads import ScalarHead
from pyg_equivariant.nn.models.painn import PaiNN

from ._placement import Names, Placement, build, replace_constants, within

_NAMES = {
    "embedding": "embedding",
    "convs.{}.phi.linears.0": "interactions.{}.interatomic_context_net.0",
    "convs.{}.phi.linears.1": "interactions.{}.interatomic_context_net.1",
    "convs.{}.a.linears.0": "mixing.{}.intraatomic_context_net.0",
    "convs.{}.a.linears.1": "mixing.{}.intraatomic_context_net.1",
    "convs.{}.mix": "mixing.{}.mu_channel_mix",
}
_REDUCE = {"sum": "sum", "avg": "mean", None: "node"}


def painn_from_schnetpack(
    state_dict: Mapping[str, Tensor],
    *,
    epsilon: float = 1e-8,
    aggregation_mode: str | None = "sum",
    n_atom_basis: int | None = None,
    n_interactions: int | None = None,
    shared_filters: bool | None = None,
) -> PaiNN:
    r"""A :class:`~pyg_equivariant.nn.PaiNN` with the weights of SchNetPack's.

    For ``schnetpack.representation.PaiNN``, the model of `"Equivariant message passing
    for the prediction of tensorial properties and molecular spectra"
    <https://arxiv.org/abs/2102.03150>`_ in `SchNetPack
    <https://github.com/atomistic-machine-learning/schnetpack>`_ 2, alone or within a
    ``NeuralNetworkPotential``:

    - names such as ``filter_net.weight`` are a representation: the model that comes
      back has no head and gives :class:`~pyg_equivariant.nn.models.Features`, whose
      ``x`` is SchNetPack's ``scalar_representation`` and ``vec`` its
      ``vector_representation``.
    - names such as ``representation.filter_net.weight`` are a whole potential: its one
      output module must be an ``Atomwise``, which becomes the head. Means per atom and
      atom references of ``AddOffsets`` become the ``atomref`` of the model.

    The radial basis, Bessel or Gaussian, and the cutoff are read from the buffers, with
    the rounding that they have there, and are constants here. The ``state_dict`` of the
    converted model does not hold them.

    Args:
        state_dict: of SchNetPack's module.
        epsilon: the representation's.
        aggregation_mode: of ``Atomwise``: ``"sum"``, ``"avg"``, or ``None`` for a
            prediction at every atom. ``AddOffsets`` is taken as extensive for a sum.
        n_atom_basis: the representation's; told by the ``state_dict``, like all that
            follow, and compared with it if given.
        n_interactions: the representation's.
        shared_filters: the representation's.

    Raises:
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the shapes of the weights. Embeddings of charge and spin,
            other cutoff functions and other output modules are not known here.

    Example:
        >>> from pyg_equivariant.nn import PaiNN
        >>> cutoff, freqs = torch.tensor([5.0]), torch.arange(1, 9) * torch.pi / 5.0
        >>> state_dict = {"cutoff_fn.cutoff": cutoff, "radial_basis.freqs": freqs}
        >>> sizes = {
        ...     "embedding": (100, 4),
        ...     "filter_net": (12, 8),
        ...     "interactions.0.interatomic_context_net.0": (4, 4),
        ...     "interactions.0.interatomic_context_net.1": (12, 4),
        ...     "mixing.0.intraatomic_context_net.0": (4, 8),
        ...     "mixing.0.intraatomic_context_net.1": (12, 4),
        ...     "mixing.0.mu_channel_mix": (8, 4),
        ... }
        >>> for name, size in sizes.items():
        ...     state_dict[f"{name}.weight"] = torch.randn(size)
        ...     if name not in ("embedding", "mixing.0.mu_channel_mix"):
        ...         state_dict[f"{name}.bias"] = torch.zeros(size[0])
        >>> painn_from_schnetpack(state_dict)
        PaiNN(hidden_channels=4, num_layers=1, num_radial=8, cutoff=5.0)
    """
    weights = Placement(state_dict, "schnetpack's PaiNN")
    root = "representation." if "representation.embedding.weight" in weights else ""
    num_elements, channels = weights.shape(f"{root}embedding.weight", 2)
    rows, num_radial = weights.shape(f"{root}filter_net.weight", 2)
    num_layers = weights.count(f"{root}interactions.")
    shared = num_layers > 1 and rows == 3 * channels
    weights.agree(
        n_atom_basis=(n_atom_basis, channels),
        n_interactions=(n_interactions, num_layers),
        shared_filters=(None if num_layers == 1 else shared_filters, shared),
    )
    weights.shape(f"{root}cutoff_fn.cutoff", 1)
    basis = _basis(weights, root)
    head, outnet = _head(weights, channels, aggregation_mode)
    like = weights.tensors[f"{root}embedding.weight"]
    model = build(
        like,
        PaiNN,
        channels,
        num_layers,
        num_radial,
        float(weights.tensors[f"{root}cutoff_fn.cutoff"]),
        "bessel" if "frequency" in basis else "gaussian",
        shared,
        epsilon,
        head,
        atomref=None if head is None else torch.zeros(num_elements),
        num_elements=num_elements,
    )
    replace_constants(model.edges.basis, basis)
    names: Names = within("", root, _NAMES) | {
        "convs.{}.filter": (f"{root}filter_net", partial(_rows, 3 * channels)),
        "head.pre.linears.{}": f"{outnet}{{}}",
    }
    if head is not None:
        _place_offsets(weights, model)
    return weights.finish(model, names)


def _rows(size: int, layer: int, filters: Tensor) -> Tensor:
    """Those of one layer, among the filters of all."""
    return filters[layer * size : (layer + 1) * size]


def _basis(weights: Placement, root: str) -> dict[str, Tensor]:
    """The constants of our basis, exactly as they are in the reference's."""
    cutoff = weights.tensors[f"{root}cutoff_fn.cutoff"].double().cpu()
    weights.ignore([f"{root}cutoff_fn.cutoff"])
    names = {
        name: f"{root}radial_basis.{name}" for name in ("freqs", "offsets", "widths")
    }
    found = {
        name: weights.tensors[full].double().cpu()
        for name, full in names.items()
        if full in weights
    }
    weights.ignore(names.values())
    if found.keys() == {"freqs"}:
        return {"frequency": found["freqs"] * cutoff}
    if found.keys() == {"offsets", "widths"}:
        return {"center": found["offsets"], "width": found["widths"]}
    raise ValueError(
        "expected the buffers radial_basis.freqs of a BesselRBF, or "
        f"radial_basis.offsets and .widths of a GaussianRBF, got {list(found)}"
    )


def _head(
    weights: Placement, channels: int, aggregation_mode: str | None
) -> tuple[ScalarHead | None, str]:
    """The head of an ``Atomwise``, and where its layers stand."""
    if aggregation_mode not in _REDUCE:
        raise ValueError(
            f"aggregation_mode is 'sum', 'avg' or None, got {aggregation_mode!r}"
        )
    outnets = (
        f"output_modules.{k}.outnet." for k in range(weights.count("output_modules."))
    )
    stem = next((name for name in outnets if f"{name}0.weight" in weights), None)
    if stem is None:
        return None, ""
    names = [f"{stem}{k}.weight" for k in range(weights.count(stem))]
    widths = [channels, *(weights.shape(name, 2)[0] for name in names)]
    mlp = build(weights.tensors[names[0]], MLP, widths, init="xavier")
    return ScalarHead(mlp, None, _REDUCE[aggregation_mode]), stem


def _place_offsets(weights: Placement, model: PaiNN) -> None:
    """Add all that ``AddOffsets`` adds to an atom to our ``atomref``."""
    assert model.atomref is not None
    for k in range(weights.count("postprocessors.")):
        if f"postprocessors.{k}.atomref" in weights:
            atomref = weights.take(f"postprocessors.{k}.atomref")
            mean = weights.take(f"postprocessors.{k}.mean")
            if atomref is None or mean is None:
                continue
            size = min(len(atomref), len(model.atomref))
            model.atomref[:size] += atomref[:size].to(model.atomref)
            model.atomref += mean.to(model.atomref)
