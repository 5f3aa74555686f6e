"""LieConv, from its authors' code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.conv.lie_conv import GROUP_DIMS, LieConv
from pyg_equivariant.nn.models.lie_res_net import LieResNet

from ._placement import Placement, build


def lieconv_from_reference(
    state_dict: Mapping[str, Tensor],
    *,
    liftsamples: int = 1,
    alpha: float = 0.2,
    mean: bool | None = None,
    act: str | Callable[[Tensor], Tensor] = "swish",
    fill: float | None = None,
    nbhd: int | None = None,
    species: tuple[int, ...] | None = None,
    charge_scale: float = 9.0,
    group: str | None = None,
    bn: bool | None = None,
    k: int | None = None,
    num_layers: int | None = None,
    num_species: int | None = None,
    chin: int | None = None,
    chout: int | None = None,
) -> LieResNet | LieConv:
    r"""A :class:`~pyg_equivariant.nn.LieResNet`, or a layer, with the authors' weights.

    For the code of `"Generalizing Convolutional Neural Networks for Equivariance to Lie
    Groups on Arbitrary Continuous Data" <https://arxiv.org/abs/2002.12880>`_ in `its
    repository <https://github.com/mfinzi/LieConv>`_, for T(3) and SE(3). The names tell
    which module it is:

    - ``weightnet.*``, ``linear.*``: one layer, ``LieConv``, which becomes an
      :class:`~pyg_equivariant.nn.LieConv`. Pairs of a node with itself are left out of
      its edges; they are there without.
    - ``net.0.*``, ``net.1.conv.*``: ``MolecLieResNet`` (or ``LieResNet``), without
      downsampling, whose ``aug`` is our ``augment``.

    Lifts to SE(3) are drawn at random there and here; ours may be given as
    ``quaternion``. Evaluation takes whole balls, where the reference draws ``nbhd``
    points of larger ones.

    Args:
        state_dict: of the authors' module.
        liftsamples: the reference's.
        alpha: of the reference's group.
        mean: the reference's (default: ``False`` in a layer, ``True`` in a network, as
            there).
        act: the reference's, ``"swish"`` or ``"relu"``, or a function.
        fill: the reference's, one for all layers; training alone follows it (default:
            1/3 in a layer, 1/4 in a network, as there).
        nbhd: the reference's, called ``mc_samples`` in layers; ``None`` for all.
        species: atomic numbers behind the one-hot input, in its order, for a model that
            is called with atomic numbers; ``None`` for one that is called with
            features.
        charge_scale: the reference's, with ``species``.
        group: ``"T(3)"`` or ``"SE(3)"``; told by the ``state_dict``, like all that
            follow, and compared with it if given.
        bn: the reference's.
        k: the reference's.
        num_layers: the reference's.
        num_species: the reference's.
        chin: the reference's, of a layer.
        chout: the reference's, of a layer.

    Raises:
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the shapes of the weights; for a group of other dimension.

    Example:
        >>> import torch
        >>> state_dict = {"r": torch.tensor(2.0), "linear.weight": torch.randn(8, 64)}
        >>> state_dict["linear.bias"] = torch.zeros(8)
        >>> for n, (a, b) in zip((0, 3, 6), ((3, 32), (32, 32), (32, 16))):
        ...     state_dict[f"weightnet.{n}.module.weight"] = torch.randn(b, a)
        ...     state_dict[f"weightnet.{n}.module.bias"] = torch.zeros(b)
        >>> lieconv_from_reference(state_dict)
        LieConv(4, 8, group=T(3), edge_dim=0)
    """
    weights = Placement(state_dict, "the authors' LieConv")
    weights.ignore(n for n in state_dict if n.endswith("num_batches_tracked"))
    single = "linear.weight" in weights
    stem = "" if single else "net.1.conv."
    sizes = _kernel(weights, stem)
    options = sizes | {"act": "silu" if act == "swish" else act, "alpha": alpha}
    default = 1 / 3 if single else 1 / 4
    options |= {"fill": default if fill is None else fill, "nbhd": nbhd}
    options["average"] = not single if mean is None else mean
    weights.agree(group=(group, sizes["group"]), bn=(bn, sizes["batch_norm"]))
    if single:
        wide, columns = weights.shape("linear.weight", 2)
        channels = columns // sizes["kernel_channels"][-1]
        weights.agree(chin=(chin, channels), chout=(chout, wide))
        like = weights.tensors["linear.weight"]
        conv = build(like, LieConv, channels, wide, **options)
        return weights.finish(conv, _conv("", "", sizes))
    width, inputs = weights.shape("net.0.module.weight", 2)
    layers = weights.count("net.") - (2 if sizes["batch_norm"] else 1)
    given = (k, width), (num_layers, layers), (num_species, inputs // 3)
    weights.agree(**dict(zip(("k", "num_layers", "num_species"), given, strict=True)))
    options |= {"hidden_channels": width, "num_layers": layers}
    options |= {"num_lifts": liftsamples, "head": "mean"}
    factors = torch.ones(inputs)
    if species is None:
        options["irreps_in"] = f"{inputs}x0e"
    else:
        options["species"] = tuple(species)
        powers = torch.arange(3, dtype=torch.float64).repeat(len(species))
        factors = (max(species) / charge_scale) ** powers
    total = 1
    if not options["average"]:  # sums over lifts are means times their number
        options["head"], total = "sum", liftsamples
    model = build(weights.tensors["net.0.module.weight"], LieResNet, **options)
    # each convolution once more, among the layers of its block
    weights.ignore_copies(".net.5.", ".conv.")
    return weights.finish(model, _network(sizes, layers, factors, total))


def _kernel(weights: Placement, stem: str) -> dict[str, Any]:
    """What the kernel network of a layer tells."""
    names = [f"{stem}weightnet.{n}.module.weight" for n in (0, 3, 6)]
    shapes = [weights.shape(name, 2) for name in names]
    dims = {dim: group for group, dim in GROUP_DIMS.items()}
    if shapes[0][1] not in dims:
        raise ValueError(
            f"{names[0]} reads {shapes[0][1]} numbers, but elements of the algebra "
            f"have {' or '.join(map(str, dims))}: this is a layer for another group "
            f"than {' or '.join(GROUP_DIMS)}"
        )
    return {
        "group": dims[shapes[0][1]],
        "kernel_channels": tuple(rows for rows, _ in shapes),
        "batch_norm": f"{stem}weightnet.1.weight" in weights,
    }


def _norm(own: str, theirs: str) -> dict[str, str]:
    """The table of a normalization, its running averages too."""
    names = ("weight", "bias", "running_mean", "running_var")
    return {f"{own}.{name}": f"{theirs}.{name}" for name in names}


def _conv(own: str, theirs: str, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a layer."""
    count = sizes["kernel_channels"][-1]

    def kernel_first(weight: Tensor) -> Tensor:
        return weight.unflatten(1, (-1, count)).transpose(1, 2).flatten(1)

    names: dict[str, Any] = {}
    names[f"{own}ball.radius"] = f"{theirs}r", lambda r: r.reshape(1)
    names[f"{own}lin.weight"] = f"{theirs}linear.weight", kernel_first
    names[f"{own}lin.bias"] = f"{theirs}linear.bias"
    for n in range(3):
        names[f"{own}linears.{n}"] = f"{theirs}weightnet.{3 * n}.module"
        if sizes["batch_norm"]:
            names |= _norm(f"{own}norms.{n}", f"{theirs}weightnet.{3 * n + 1}")
    return names


def _network(
    sizes: Mapping[str, Any], layers: int, factors: Tensor, total: float
) -> dict[str, Any]:
    """The table of a network."""
    names: dict[str, Any] = {"embedding.bias": "net.0.module.bias"}
    names["embedding.weight"] = "net.0.module.weight", lambda w: w * factors.to(w)
    for n in range(layers):
        own, theirs = f"blocks.{n}.", f"net.{n + 1}."
        names |= _conv(f"{own}conv.", f"{theirs}conv.", sizes)
        names |= {
            f"{own}linears.{k}": f"{theirs}net.{m}.module" for k, m in enumerate((2, 8))
        }
        for k, m in enumerate((0, 3, 6)):
            if sizes["batch_norm"]:
                names |= _norm(f"{own}norms.{k}", f"{theirs}net.{m}")
    if sizes["batch_norm"]:
        names |= _norm("norm", f"net.{layers + 1}")
    names["head.pre"] = f"net.{layers + 3}.module", lambda w: w * total
    return names
