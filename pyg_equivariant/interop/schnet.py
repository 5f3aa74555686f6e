"""SchNet, from torch_geometric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_equivariant.nn.activation import ShiftedSoftplus
from pyg_equivariant.nn.models.heads import Head
from pyg_equivariant.nn.models.moment_heads import DipoleHead
from pyg_equivariant.nn.models.schnet import SchNet

from ._placement import Placement, build, replace_constants

# log 2 as a module built in single precision subtracts it, minus log 2 itself
_SINGLE_PRECISION_SHIFT = float(np.log(np.float32(2))) - math.log(2)
_NAMES = {
    "embedding": "embedding",
    "convs.{}.filter.linears.0": "interactions.{}.mlp.0",
    "convs.{}.filter.linears.1": "interactions.{}.mlp.2",
    "convs.{}.lin1": "interactions.{}.conv.lin1",
    "convs.{}.lin2": "interactions.{}.conv.lin2",
    "linears.{}": "interactions.{}.lin",
    "head.pre.linears.0": "lin1",
    "head.pre.linears.1": "lin2",
    "head.scalar.linears.0": "lin1",
    "head.scalar.linears.1": "lin2",
    "head.masses": "atomic_mass",
}


def schnet_from_pyg(
    state_dict: Mapping[str, Tensor],
    *,
    cutoff: float | None = None,
    readout: str = "add",
    mean: float | None = None,
    std: float | None = None,
    scale: float | None = None,
    dipole: bool | None = None,
    hidden_channels: int | None = None,
    num_filters: int | None = None,
    num_interactions: int | None = None,
    num_gaussians: int | None = None,
) -> SchNet:
    r"""A :class:`~pyg_equivariant.nn.SchNet` with the weights of PyG's.

    For :class:`torch_geometric.nn.SchNet`, the model of `"SchNet: A continuous-filter
    convolutional neural network for modeling quantum interactions"
    <https://arxiv.org/abs/1706.08566>`_ in `PyTorch Geometric
    <https://github.com/pyg-team/pytorch_geometric>`_. The two give the same numbers for
    the same edges, up to rounding; without ``edge_index`` ours joins all atoms within
    the cutoff, PyG's at most 32 to each. An edge longer than the cutoff, which only a
    graph of the caller's own can have, carries nothing here.

    What PyG adds to every atom (``mean``, ``atomref``) becomes the ``atomref`` of our
    model. There it is a buffer, not a parameter.

    Args:
        state_dict: of PyG's model.
        cutoff: the reference's; by default where its last Gaussian sits.
        readout: the reference's, ``"add"`` (or ``"sum"``) or ``"mean"``.
        mean: the reference's.
        std: the reference's.
        scale: the attribute ``scale`` of a model from ``from_qm9_pretrained``.
        dipole: the reference's; told by the ``state_dict``, like all that follow, and
            compared with it if given.
        hidden_channels: the reference's.
        num_filters: the reference's.
        num_interactions: the reference's.
        num_gaussians: the reference's.

    Raises:
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the shapes of the weights.

    Example:
        >>> from torch_geometric.nn import SchNet
        >>> reference = SchNet(16, 16, num_interactions=2, cutoff=5.0, mean=1.0, std=2.0)
        >>> model = schnet_from_pyg(reference.state_dict(), mean=1.0, std=2.0)
        >>> model
        SchNet(hidden_channels=16, num_filters=16, num_layers=2, num_radial=50, cutoff=5.0)
    """  # noqa: E501
    weights = Placement(state_dict, "torch_geometric.nn.SchNet")
    sizes = {
        "hidden_channels": weights.shape("embedding.weight", 2)[1],
        "num_filters": weights.shape("interactions.0.mlp.0.weight", 2)[0],
        "num_layers": weights.count("interactions."),
        "num_radial": weights.shape("distance_expansion.offset", 1)[0],
        "num_elements": weights.shape("embedding.weight", 2)[0],
    }
    has_dipole = "atomic_mass" in weights
    weights.agree(
        hidden_channels=(hidden_channels, sizes["hidden_channels"]),
        num_filters=(num_filters, sizes["num_filters"]),
        num_interactions=(num_interactions, sizes["num_layers"]),
        num_gaussians=(num_gaussians, sizes["num_radial"]),
        dipole=(dipole, has_dipole),
    )
    if (mean is None) != (std is None):
        raise ValueError(
            f"the reference uses mean and std together or not at all, got {mean=} and "
            f"{std=}; pass mean=0.0 or std=1.0 for the other"
        )
    center = weights.tensors["distance_expansion.offset"].double().cpu()
    reach = _cutoff(center, cutoff)
    head = _head(weights, sizes["hidden_channels"], readout)

    atomref = None if has_dipole else torch.zeros(sizes["num_elements"])
    like = weights.tensors["embedding.weight"]
    model = build(like, SchNet, **sizes, cutoff=reach, head=head, atomref=atomref)
    width = torch.full_like(center, float(center[1] - center[0]))
    replace_constants(model.edges.basis, {"center": center, "width": width})
    # the filter networks once more, under the convolutions that share them
    weights.ignore_copies(".conv.nn.", ".mlp.")
    _place_constants(weights, model, mean, std, scale)
    weights.finish(model, _NAMES)
    if _is_widened(weights, center):
        _keep_single_precision_shift(model)
    return model


def _cutoff(center: Tensor, cutoff: float | None) -> float:
    """Where the last Gaussian sits, as somebody would have written it."""
    last = float(center[-1])
    found = last if last != np.float32(last) else float(str(np.float32(last)))
    if cutoff is None:
        return found
    if not math.isclose(cutoff, found, rel_tol=1e-6):
        raise ValueError(
            f"got cutoff={cutoff}, but the Gaussians of the state_dict end at {found}; "
            "PyG lets them end at the cutoff"
        )
    return float(cutoff)


def _head(weights: Placement, channels: int, readout: str) -> str | Head:
    reduce = {"add": "sum", "sum": "sum", "mean": "mean"}.get(readout)
    if reduce is None:
        raise ValueError(f"readout is 'add', 'sum' or 'mean', got {readout!r}")
    if "atomic_mass" not in weights:
        return reduce
    masses = weights.tensors["atomic_mass"]
    options = {"act": ShiftedSoftplus(), "magnitude": True, "masses": masses}
    return build(masses, DipoleHead, channels, **options)


def _place_constants(
    weights: Placement,
    model: SchNet,
    mean: float | None,
    std: float | None,
    scale: float | None,
) -> None:
    factor = 1.0 if scale is None else scale
    weights.ignore(["distance_expansion.offset", "initial_atomref"])
    if model.atomref is None:
        # of a dipole moment; neither mean, std nor atomref takes part
        weights.ignore(["atomref.weight"])
        model.scale.fill_(factor)
        return
    model.scale.fill_(factor * (1.0 if std is None else std))
    if "atomref.weight" in weights:
        weights.place("atomref.weight", model.atomref.unsqueeze(-1))
    model.atomref.add_(mean or 0.0).mul_(factor)


def _is_widened(weights: Placement, center: Tensor) -> bool:
    """Whether the reference was built in single precision and widened later."""
    tensors = weights.tensors
    if tensors["embedding.weight"].dtype != torch.float64:
        return False
    exact = torch.linspace(0, float(center[-1]), len(center), dtype=torch.float64)
    if not _is_single(exact):
        return _is_single(center)
    # the centers do not tell; do the weights?
    learned = (value for name, value in tensors.items() if "atom" not in name)
    return all(map(_is_single, learned))


def _is_single(x: Tensor) -> bool:
    """Whether single precision holds all numbers exactly."""
    return torch.equal(x.float().double(), x.double())


def _keep_single_precision_shift(model: SchNet) -> None:
    """Let biases hold how far the reference's shifted softplus lies lower.

    It subtracts log 2 as rounded in the dtype that it was built in: 2e-9 too much, if
    that was single precision. A linear layer follows it everywhere.
    """
    convs: Any = model.convs
    head: Any = model.head
    output: Any = head.scalar if isinstance(head, DipoleHead) else head.pre
    followers: list[Any] = [*model.linears, output.linears[1]]
    followers += [conv.filter.linears[1] for conv in convs]
    with torch.no_grad():
        for linear in followers:
            linear.bias -= _SINGLE_PRECISION_SHIFT * linear.weight.sum(dim=1)
