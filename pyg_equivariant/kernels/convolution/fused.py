"""Gather, tensor product, weights and sum over neighbors in one operation."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from pyg_equivariant.o3 import TensorProductPaths

from ..compiled.build import compiler
from ..tensor_product.reference import tensor_product
from .table import Table
from .trilinear import contract
from ..triton.build import has_triton

Backend = Literal["auto", "reference", "c", "triton"]


class Convolution:
    r"""A depth-wise tensor product summed over the neighbors of every node.

    .. math::
        z_i = \sum_{e = (j \to i)} x_j \otimes_{w_e} y_e

    No message is ever stored: time and memory go into reading the arguments and writing
    the results, forward and in derivatives of any order.

    Args:
        product: paths ``uvu`` whose blocks of the second input have multiplicity 1.

    Raises:
        ValueError: if a path is of another kind; see :meth:`supports`.

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
        self.table = Table.of(product).text()
        self._compiled = {"cpu": compiler() is not None, "cuda": has_triton()}

    @staticmethod
    def supports(product: TensorProductPaths) -> bool:
        """Whether all paths are ``uvu`` with multiplicity 1 in the second input."""
        return Table.supports(product)

    def is_fast_for(self, *tensors: Tensor) -> bool:
        """Whether there is a compiled backend for such tensors."""
        return any(
            there and all(t.device.type == device and _is_real(t) for t in tensors)
            for device, there in self._compiled.items()
        )

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
                same in plain torch. It serves all derivatives, too.

        Numbers below float32 are summed in float32.

        Raises:
            ValueError: if arguments do not fit the product or the backend.
            RuntimeError: if the backend asked for is not installed.
        """
        if backend == "reference":
            return self._reference(x, y, weight, edge_index, num_targets)
        if backend not in get_args(Backend):
            known = ", ".join(map(repr, get_args(Backend)))
            raise ValueError(f"backend is one of {known}, got {backend!r}")
        self._check(x, y, weight, edge_index)
        if not self.product.weight_numel:
            weight = None
        given = (x, y) if weight is None else (x, y, weight)
        dtype = given[0].dtype
        for t in given[1:]:
            dtype = torch.promote_types(dtype, t.dtype)
        cuda = backend == "auto" and x.device.type == "cuda" and self._compiled["cuda"]
        wide = dtype  # Triton loads narrow numbers and widens them in registers
        if backend != "triton" and not cuda:
            wide = torch.promote_types(dtype, torch.float32)
        x, y = x.to(wide), y.to(wide)
        if weight is not None:
            weight = weight.to(wide).expand(y.shape[0], -1)
        rest = x.shape[0], num_targets, self.table, "g"
        (out,) = contract(x, y, weight, None, edge_index, *rest, backend=backend)
        return out.to(dtype)

    def _reference(
        self,
        x: Tensor,
        y: Tensor,
        weight: Tensor | None,
        edge_index: Tensor,
        num_targets: int,
    ) -> Tensor:
        source, target = edge_index
        messages = tensor_product(self.product, x[source], y, weight)
        out = messages.new_zeros(num_targets, messages.shape[1])
        return out.index_add(0, target, messages)

    def _check(
        self, x: Tensor, y: Tensor, weight: Tensor | None, edge_index: Tensor
    ) -> None:
        product, edges = self.product, edge_index.shape[1]
        if x.dim() != 2 or x.shape[1] != product.irreps_in1.dim:
            raise ValueError(
                f"expected x (num_sources, {product.irreps_in1.dim}), "
                f"got {tuple(x.shape)}"
            )
        if y.shape != (edges, product.irreps_in2.dim):
            raise ValueError(
                f"expected y ({edges}, {product.irreps_in2.dim}), got {tuple(y.shape)}"
            )
        size = product.weight_numel
        found = () if weight is None else tuple(weight.shape)
        if found not in ((edges, size), (size,)) and (size or weight is not None):
            raise ValueError(f"expected weights ({edges}, {size}), got {found}")


def _is_real(t: Tensor) -> bool:
    return t.is_floating_point()
