"""Gather, tensor product, weights and sum over neighbors in one operation."""

from __future__ import annotations

from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor

from pyg_equivariant.o3 import TensorProductPaths, check_size

from ..dispatch import backend as backend_for
from ..dispatch import check_backend, fast_or_plain, kernel_for
from ..edges import check_edge_index, check_nodes
from ..multilinear import (
    Arguments,
    Shapes,
    check_arguments,
    check_shape,
    multilinear,
)
from ..paths import Paths
from ..tensor_product.blocked import BlockedTensorProduct
from ..tensor_product.reference import tensor_product
from .cpu import convolution_c
from .order import edge_order
from .reference import convolution_reference
from .triton import convolution_triton

Backend = Literal["auto", "reference", "c", "triton"]
_BACKENDS = get_args(Backend)
KERNELS = ("c", "triton")
_RUN = {"c": convolution_c, "triton": convolution_triton}


def _shapes(
    paths: Paths,
    edge_index: Tensor,
    num_sources: int,
    num_targets: int,
    backend: str,
) -> Shapes:
    check_edge_index(edge_index)
    edges, (x, y, w, g) = edge_index.shape[1], paths.dims
    return {
        "x": (num_sources, x),
        "y": (edges, y),
        "w": (edges, w),
        "g": (num_targets, g),
    }


def _run(
    paths: Paths,
    arguments: Arguments,
    shapes: Shapes,
    outputs: str,
    edge_index: Tensor,
    num_sources: int,
    num_targets: int,
    backend: str,
) -> list[Tensor]:
    like = next(t for t in arguments.values() if t is not None)
    if edge_index.device != like.device:
        raise ValueError(
            f"expected edge_index on {like.device}, as the features, got it on "
            f"{edge_index.device}"
        )
    order = edge_order(edge_index, num_sources, num_targets)
    if backend != "auto":
        check_backend(backend, like)
        return _RUN[backend](paths, arguments, order, shapes, outputs)
    plain = partial(_plain, paths, arguments, order.edges, order.sizes, outputs)
    kernel = kernel_for(like, kernels=KERNELS)
    if kernel == "plain":
        return plain()
    fast = partial(_RUN[kernel], paths, arguments, order, shapes, outputs)
    return fast_or_plain(fast, plain)


def _plain(
    paths: Paths,
    arguments: Arguments,
    edge_index: Tensor,
    sizes: tuple[int, int],
    outputs: str,
) -> list[Tensor]:
    """The reference, which sums in float32 at least."""
    dtype = next(t.dtype for t in arguments.values() if t is not None)
    wide = torch.promote_types(dtype, torch.float32)
    widened = {a: None if t is None else t.to(wide) for a, t in arguments.items()}
    results = convolution_reference(paths, widened, edge_index, sizes, outputs)
    return [result.to(dtype) for result in results]


convolution = multilinear(
    "convolution",
    "uvu",
    "Tensor edge_index, ",
    "SymInt num_sources, SymInt num_targets, str backend",
    _run,
    _shapes,
)
"""Derivatives of the convolution, see its reference."""


class Convolution:
    r"""A tensor product summed over the neighbors of every node.

    .. math::
        z_i = \sum_{e = (j \to i)} x_j \otimes_{w_e} y_e

    Depth-wise products (paths ``uvu``, multiplicity 1 in the second input) have
    kernels. These store no message: time and memory go into reading the arguments and
    writing the results, forward and in derivatives of any order. Everything else runs
    as gather, product and sum in plain torch.

    Args:
        product: the paths.

    Example:
        >>> product = TensorProductPaths.depthwise("8x0e+8x1o", "0e+1o", keep="0e+1o")
        >>> convolve = Convolution(product)
        >>> x, y, w = torch.randn(4, 32), torch.randn(3, 4), torch.randn(3, 32)
        >>> edge_index = torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> z = convolve(x, y, w, edge_index, num_targets=4)
        >>> expected = convolve(x, y, w, edge_index, 4, backend="reference")
        >>> torch.allclose(z, expected, atol=1e-5)
        True
    """

    def __init__(self, product: TensorProductPaths) -> None:
        self.product = product
        self._blocked = BlockedTensorProduct(product)
        self._paths: str | None = None
        if Paths.supports(product, "uvu"):
            self._paths = Paths.of(product, "uvu").text()

    def __call__(
        self,
        x: Tensor,
        y: Tensor,
        weight: Tensor | None,
        edge_index: Tensor,
        num_targets: int,
        backend: Backend = "auto",
    ) -> Tensor:
        """The sums, one row for every target.

        Args:
            x: features of the sources, ``(num_sources, irreps_in1.dim)``.
            y: of the edges, ``(|E|, irreps_in2.dim)``.
            weight: ``(|E|, weight_numel)``, or ``(weight_numel,)`` shared by all edges,
                or ``None`` if no path carries weights.
            edge_index: sources and targets, ``(2, |E|)``, in any order.
            num_targets: the number of rows of the result.
            backend: ``"c"`` compiles for the CPU, ``"triton"`` for CUDA devices, and
                ``"auto"`` what suits the tensors, if it can; ``"reference"`` is the
                specification in plain torch. It serves all derivatives, too.

        Numbers below float32 are summed in float32. A captured CUDA graph keeps the
        order of its edges, so capturing takes ``"triton"`` by name: replay it for these
        edges, and no others.

        Raises:
            TypeError: if an argument is no tensor of real numbers, ``edge_index`` no
                tensor or ``num_targets`` no integer.
            ValueError: if arguments do not fit the product, the backend or each other.
            IndexError: if an edge points outside.
            RuntimeError: if the backend asked for is not installed, or a CUDA graph is
                captured by ``"auto"``.
        """
        if backend not in _BACKENDS:
            known = ", ".join(map(repr, _BACKENDS))
            raise ValueError(f"backend is one of {known}, got {backend!r}")
        check_size(num_targets, "num_targets")
        weight = self._check(x, y, weight, edge_index)
        given = (x, y) if weight is None else (x, y, weight)
        dtype = given[0].dtype
        for t in given[1:]:
            dtype = torch.promote_types(dtype, t.dtype)
        kernel = self._kernel(backend, given)
        wide = dtype  # Triton loads narrow numbers and widens them in registers
        if kernel != "triton":
            wide = torch.promote_types(dtype, torch.float32)
        x, y = x.to(wide), y.to(wide)
        if weight is not None:
            weight = weight.to(wide)
        if kernel in ("plain", "reference"):
            check_nodes(edge_index, x.shape[0], num_targets)
            source, target = edge_index.long()
            messages = self._messages(kernel, x.index_select(0, source), y, weight)
            out = messages.new_zeros(num_targets, messages.shape[1])
            return out.index_add(0, target, messages).to(dtype)
        if weight is not None:
            weight = weight.expand(y.shape[0], -1)
        rest = self._paths, "g", x.shape[0], num_targets, backend
        (out,) = convolution(x, y, weight, None, edge_index, *rest)
        return out.to(dtype)

    def _kernel(self, backend: Backend, given: tuple[Tensor, ...]) -> str:
        """``"c"``, ``"triton"``, ``"plain"`` or ``"reference"``."""
        if backend == "auto":
            return backend_for(*given, kernels=KERNELS) if self._paths else "plain"
        if backend != "reference" and self._paths is None:
            raise ValueError(
                f"backend={backend!r} takes paths uvu with multiplicity 1 in the "
                f"second input, got {self.product}"
            )
        return backend

    def _messages(
        self, kernel: str, x: Tensor, y: Tensor, weight: Tensor | None
    ) -> Tensor:
        if kernel == "reference":
            return tensor_product(self.product, x, y, weight)
        return self._blocked(x, y, weight)

    def _check(
        self, x: Tensor, y: Tensor, weight: Tensor | None, edge_index: Tensor
    ) -> Tensor | None:
        """The weights, ``None`` if there are no numbers in them."""
        check_arguments({"x": x, "y": y}, weight=weight)
        check_edge_index(edge_index, x)
        product, edges = self.product, edge_index.shape[1]
        if x.dim() != 2 or x.shape[1] != product.irreps_in1.dim:
            raise ValueError(
                f"expected x (num_sources, {product.irreps_in1.dim}), "
                f"got {tuple(x.shape)}"
            )
        check_shape("y", y, (edges, product.irreps_in2.dim), edges)
        size = product.weight_numel
        if size or weight is not None:
            is_shared = weight is not None and weight.dim() == 1
            check_shape("weights", weight, (size,) if is_shared else (edges, size))
        return weight if size else None
