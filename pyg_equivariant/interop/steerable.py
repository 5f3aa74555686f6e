"""Steerable layers, from the code of SEGNN's authors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from pyg_equivariant.nn.steerable_linear import SteerableLinear
from pyg_equivariant.nn.steerable_mlp import SteerableMLP
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ._placement import build
from ._steerable import SteerablePlacement, check_gate
from .e3nn import as_irreps


def steerable_linear_from_reference(
    state_dict: Mapping[str, Tensor],
    irreps_in1: IrrepsLike,
    irreps_out: IrrepsLike,
    irreps_in2: IrrepsLike | None = None,
    *,
    path_normalization: str = "element",
) -> SteerableLinear:
    """A :class:`~pyg_equivariant.nn.SteerableLinear` from an ``O3TensorProduct``.

    Of the code of `"Geometric and Physical Quantities Improve E(3) Equivariant Message
    Passing" <https://arxiv.org/abs/2110.02905>`_. A block that no path reaches is NaN
    there, and zero here.

    Args:
        state_dict: of the authors' module.
        irreps_in1: the module's, ours or e3nn's: the features.
        irreps_out: the module's.
        irreps_in2: the module's: the attribute (default: ``1x0e``).
        path_normalization: see :func:`segnn_from_reference`.

    Raises:
        ValueError: naming what could not be placed, or what is missing.

    Example:
        >>> import torch
        >>> state_dict = {"tp.weight": torch.randn(14), "biases": torch.zeros(2)}
        >>> steerable_linear_from_reference(state_dict, "4x0e+3x1o", "2x0e", "0e+1o")
        SteerableLinear(4x0e+3x1o, attributes 1x0e+1x1o -> 2x0e, 16 parameters)
    """
    irreps = _block_irreps(irreps_in1, irreps_in2, irreps_out)
    weights = SteerablePlacement(
        state_dict, "O3TensorProduct", path_normalization, irreps
    )
    weights.shape("tp.weight", 1)
    module = build(weights.tensors["tp.weight"], SteerableLinear, *irreps)
    return weights.finish(module, {"": ""})


def steerable_mlp_from_reference(
    state_dict: Mapping[str, Tensor],
    irreps_in1: IrrepsLike,
    irreps_out: IrrepsLike,
    irreps_in2: IrrepsLike | None = None,
    *,
    path_normalization: str = "element",
) -> SteerableMLP:
    """A :class:`~pyg_equivariant.nn.SteerableMLP` from an ``O3TensorProductSwishGate``.

    One gated layer of the code of `"Geometric and Physical Quantities Improve E(3)
    Equivariant Message Passing" <https://arxiv.org/abs/2110.02905>`_, with e3nn's
    constants in its activations.

    Args:
        state_dict: of the authors' module.
        irreps_in1: the module's, ours or e3nn's: the features.
        irreps_out: the module's, one block of ``0e`` first.
        irreps_in2: the module's: the attribute (default: ``1x0e``).
        path_normalization: see :func:`segnn_from_reference`.

    Raises:
        ValueError: naming what could not be placed, or what is missing; also if the
            authors' gate of ``irreps_out`` is not equivariant.

    Example:
        >>> import torch
        >>> state_dict = {"tp.weight": torch.randn(28), "biases": torch.zeros(3)}
        >>> mlp = steerable_mlp_from_reference(state_dict, "4x0e+3x1o", "2x0e+1o", "0e+1o")
        >>> mlp(mlp.irreps_in.randn(5, -1), mlp.irreps_attr.randn(5, -1)).shape
        torch.Size([5, 5])
    """  # noqa: E501
    irreps = _block_irreps(irreps_in1, irreps_in2, irreps_out)
    weights = SteerablePlacement(
        state_dict, "O3TensorProductSwishGate", path_normalization, irreps
    )
    weights.shape("tp.weight", 1)
    check_gate(irreps[-1])
    options = {"num_layers": 1, "act_last": True, "e3nn_constants": True}
    like = weights.tensors["tp.weight"]
    module = build(like, SteerableMLP, *irreps, irreps[-1], **options)
    return weights.finish(module, {"linears.0": ""})


def _block_irreps(
    irreps_in1: IrrepsLike, irreps_in2: IrrepsLike | None, irreps_out: IrrepsLike
) -> tuple[Irreps, Irreps, Irreps]:
    attr = "1x0e" if irreps_in2 is None else irreps_in2
    return as_irreps(irreps_in1), as_irreps(attr), as_irreps(irreps_out)
