"""Features, linear maps and tensor products, to and from e3nn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.nn.linear import Linear
from pyg_equivariant.nn.tensor_product import TensorProduct
from pyg_equivariant.o3 import Irreps, IrrepsLike, Path

from ._placement import Names, Placement, build, regrouped


def as_irreps(irreps: Any) -> Irreps:
    """Irreps of this library, from those or from e3nn's."""
    theirs = type(irreps).__module__.partition(".")[0] == "e3nn"
    return Irreps(str(irreps) if theirs else irreps)


def features_from_e3nn(irreps: IrrepsLike, x: Tensor) -> Tensor:
    """Bring features from e3nn's order to this library's.

    In a block ``mul x l``, `e3nn <https://github.com/e3nn/e3nn>`_ lets components vary
    fastest (``mul_ir``), this library channels (``ir_mul``). Signs, axes and
    normalizations are the same.

    Args:
        irreps: irreps of the features, ours or e3nn's.
        x: features ``(..., irreps.dim)`` in e3nn's order.

    Raises:
        ValueError: if the last dimension of ``x`` does not fit.

    Example:
        >>> import torch
        >>> features_from_e3nn("2x1o", torch.tensor([0, 1, 2, 3, 4, 5]))
        tensor([0, 3, 1, 4, 2, 5])
    """
    return as_irreps(irreps).from_mul_ir(x)


def features_to_e3nn(irreps: IrrepsLike, x: Tensor) -> Tensor:
    """Bring features from this library's order to e3nn's.

    The inverse of :func:`features_from_e3nn`.

    Args:
        irreps: irreps of the features, ours or e3nn's.
        x: features ``(..., irreps.dim)`` in this library's order.

    Raises:
        ValueError: if the last dimension of ``x`` does not fit.

    Example:
        >>> import torch
        >>> features_to_e3nn("2x1o", torch.tensor([0, 3, 1, 4, 2, 5]))
        tensor([0, 1, 2, 3, 4, 5])
    """
    return as_irreps(irreps).to_mul_ir(x)


def linear_from_e3nn(
    state_dict: Mapping[str, Tensor],
    irreps_in: IrrepsLike,
    irreps_out: IrrepsLike,
    *,
    path_normalization: str = "element",
) -> Linear:
    """A :class:`~pyg_equivariant.nn.Linear` with the weights of ``e3nn.o3.Linear``.

    Args:
        state_dict: of e3nn's module.
        irreps_in: the module's, ours or e3nn's.
        irreps_out: the module's.
        path_normalization: the module's, ``"element"`` or ``"path"``.

    Raises:
        ValueError: if the weights do not fit the irreps, if names are left over, or if
            only some of the ``0e`` blocks have a bias.

    Example:
        >>> import torch
        >>> state_dict = {"weight": torch.randn(2 * 4 + 2 * 3), "bias": torch.zeros(4)}
        >>> linear_from_e3nn(state_dict, "2x0e+2x1o", "4x0e+3x1o")
        Linear(2x0e+2x1o -> 4x0e+3x1o, 18 parameters)
    """
    weights = Placement(state_dict, "e3nn's Linear")
    weights.shape("weight", 1)
    irreps_in, irreps_out = as_irreps(irreps_in), as_irreps(irreps_out)
    has_bias = "bias" in weights and weights.tensors["bias"].numel() > 0
    like = weights.tensors["weight"]
    module = build(like, Linear, irreps_in, irreps_out, bias=has_bias)
    source = _linear_product(irreps_in, irreps_out, path_normalization)
    target = _linear_product(irreps_in, irreps_out)
    weights.ignore(["output_mask"] if has_bias else ["output_mask", "bias"])
    names: Names = {"weight": ("weight", regrouped(source, target)), "bias": "bias"}
    return weights.finish(module, names)


def linear_to_e3nn(linear: Linear) -> dict[str, Tensor]:
    """The weights of a :class:`~pyg_equivariant.nn.Linear` under e3nn's names.

    For ``e3nn.o3.Linear(irreps_in, irreps_out, biases=...)`` with the irreps of
    ``linear``; load them with ``strict=False``, for e3nn's own constants are not among
    them.

    Example:
        >>> linear_to_e3nn(Linear("2x0e+2x1o", "4x0e+3x1o", bias=False)).keys()
        dict_keys(['weight'])
    """
    out = {"weight": linear.weight.detach().clone()}
    if linear.bias is not None:
        out["bias"] = linear.bias.detach().clone()
    return out


def tensor_product_from_e3nn(
    state_dict: Mapping[str, Tensor],
    irreps_in1: IrrepsLike,
    irreps_in2: IrrepsLike,
    irreps_out: IrrepsLike,
    instructions: Iterable[Sequence[Any]] | None = None,
    *,
    irrep_normalization: str = "component",
    path_normalization: str = "element",
) -> TensorProduct:
    """A :class:`~pyg_equivariant.nn.TensorProduct` with the weights of e3nn's.

    For ``e3nn.o3.FullyConnectedTensorProduct`` and ``e3nn.o3.TensorProduct`` with
    connections ``uvw``, ``uvu`` and ``uuu``. Without weights in the ``state_dict``, as
    with ``internal_weights=False``, the module takes them in every call, in e3nn's
    order (see :func:`regroup_weights` for
    another one).

    Args:
        state_dict: of e3nn's module.
        irreps_in1: the module's, ours or e3nn's.
        irreps_in2: the module's.
        irreps_out: the module's.
        instructions: tuples as given to e3nn, or the attribute ``instructions`` of its
            module; by default all that the selection rule allows, ``uvw``.
        irrep_normalization: the module's.
        path_normalization: the module's.

    Raises:
        ValueError: if the weights do not fit the irreps, or names are left over.

    Example:
        >>> import torch
        >>> state_dict = {"weight": torch.randn(4 * 1 * 2 + 3 * 1 * 2)}
        >>> tensor_product_from_e3nn(state_dict, "4x0e+3x1o", "1x0e+1x1o", "2x0e")
        TensorProduct(4x0e+3x1o * 1x0e+1x1o -> 2x0e, 2 paths, 14 weights)
    """
    irreps = as_irreps(irreps_in1), as_irreps(irreps_in2), as_irreps(irreps_out)
    if instructions is None:
        product = o3.TensorProductPaths.fully_connected(
            *irreps, irrep_normalization, path_normalization
        )
    else:
        product = _product(
            irreps, list(instructions), irrep_normalization, path_normalization
        )
    weights = Placement(state_dict, "e3nn's TensorProduct")
    (numel,) = weights.shape("weight", 1)
    module = build(weights.tensors["weight"], TensorProduct, product, numel > 0)
    constants = [name for name in weights.tensors if name.startswith("_compiled_main")]
    weights.ignore(["output_mask", *constants] + ["weight"] * (numel == 0))
    return weights.finish(module, {"weight": "weight"})


def tensor_product_to_e3nn(module: TensorProduct) -> dict[str, Tensor]:
    """The weights of a :class:`~pyg_equivariant.nn.TensorProduct` under e3nn's names.

    For ``e3nn.o3.TensorProduct`` with the irreps and the normalizations of
    ``module.product`` and ``instructions=[tuple(path) for path in
    module.product.paths]``; load them with ``strict=False``, for e3nn's own constants
    are not among them.

    Example:
        >>> paths = o3.TensorProductPaths.fully_connected("4x0e+3x1o", "0e+1o", "2x0e")
        >>> tensor_product_to_e3nn(TensorProduct(paths))["weight"].shape
        torch.Size([14])
    """
    if module.weight is None:
        return {}
    return {"weight": module.weight.detach().clone()}


def _linear_product(
    irreps_in: Irreps, irreps_out: Irreps, path_normalization: str = "element"
) -> o3.TensorProductPaths:
    """A linear map as the product with the number 1, which has the same weights."""
    return o3.TensorProductPaths.fully_connected(
        irreps_in, "1x0e", irreps_out, path_normalization=path_normalization
    )


def _product(
    irreps: tuple[Irreps, Irreps, Irreps],
    instructions: list[Sequence[Any]],
    irrep_normalization: str,
    path_normalization: str,
) -> o3.TensorProductPaths:
    """The description of a product of e3nn, from its instructions."""
    built = [len(instruction) > 6 for instruction in instructions]
    if not any(built):
        paths = [Path(*instruction) for instruction in instructions]
        return o3.TensorProductPaths(
            *irreps, tuple(paths), irrep_normalization, path_normalization
        )
    # those of a module: its path_weight is the coefficient, normalizations included
    paths = [
        Path(i1, i2, o, connection, has_weight, coefficient**2)
        for i1, i2, o, connection, has_weight, coefficient, *_ in instructions
    ]
    return o3.TensorProductPaths(*irreps, tuple(paths), "none", "none")
