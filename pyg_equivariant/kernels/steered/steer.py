"""One operator, closed under differentiation, for the steered linear map.

The form :math:`F(x, y, w, g)` is linear in each argument: the derivatives of ``steer``
are ``steer`` again, to any order, as with
:data:`pyg_equivariant.kernels.convolution.trilinear.contract`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.o3 import TensorProductPaths

from ..compiled.build import BuildError, compiler, compiler_or_warning, warn_once
from ..compiled.forms import differentiate
from ..compiled.memory import REAL, on_cpu
from .backend import steer_c
from .reference import steer_reference
from .table import SteerTable

_SCHEMA = (
    "(Tensor? x, Tensor? y, Tensor? w, Tensor? g, SymInt rows, str table, str wanted) "
    "-> Tensor[]"
)


def _steer(
    x: Tensor | None,
    y: Tensor | None,
    w: Tensor | None,
    g: Tensor | None,
    rows: int,
    table: str,
    wanted: str,
) -> list[Tensor]:
    arguments = {"x": x, "y": y, "w": w, "g": g}
    form = SteerTable.parse(table)
    first = next(t for t in arguments.values() if t is not None)
    compiled = first.device.type == "cpu" and first.dtype in REAL
    if compiled and compiler_or_warning():
        try:
            return steer_c(form, arguments, rows, wanted)
        except BuildError as error:
            warn_once(f"{error}; plain torch runs instead")
    return steer_reference(form, arguments, rows, wanted)


steer = torch.library.custom_op(
    "pyg_equivariant::steer", _steer, mutates_args=(), schema=_SCHEMA
)


@steer.register_fake
def _(
    x: Tensor | None,
    y: Tensor | None,
    w: Tensor | None,
    g: Tensor | None,
    rows: int,
    table: str,
    wanted: str,
) -> list[Tensor]:
    dims = dict(zip("xywg", SteerTable.parse(table).dims, strict=True))
    like = next(t for t in (x, y, w, g) if t is not None)
    shapes = {a: (rows, dims[a]) for a in "xyg"} | {"w": (dims["w"],)}
    return [like.new_empty(shapes[a]) for a in wanted]


def _save(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.rows, ctx.table, ctx.wanted = inputs[4:]
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grads: list[Tensor | None]) -> tuple[Tensor | None, ...]:
    def again(
        arguments: dict[str, Tensor | None], replaced: str, wanted: str
    ) -> list[Tensor]:
        return steer(*arguments.values(), ctx.rows, ctx.table, wanted)

    arguments = dict(zip("xywg", ctx.saved_tensors, strict=True))
    needs_grad = ctx.needs_input_grad[:4]
    found = differentiate(again, arguments, ctx.wanted, grads, needs_grad)
    return *found, *(None,) * 3


steer.register_autograd(_backward, setup_context=_save)


class SteeredMap:
    r"""A linear map of channels, steered row by row.

    .. math::
        z_{kw} = \sum_{\text{paths}} c \sum_u W_{uw} \sum_{ij} C_{ijk}\, x_{iu}\, y_j

    What :class:`~pyg_equivariant.kernels.BlockedTensorProduct` computes from products
    of matrices is here one operation, which keeps the joined features in the cache,
    forward and in derivatives of any order.

    Args:
        product: paths ``uvw`` with weights, whose blocks of the second input have
            multiplicity 1.

    Raises:
        ValueError: if a path is of another kind; see :meth:`supports`.

    Example:
        >>> irreps = "8x0e+8x1o", "0e+1o", "4x0e+4x1o"
        >>> product = TensorProductPaths.fully_connected(*irreps)
        >>> steered = SteeredMap(product)
        >>> x, y, w = torch.randn(5, 32), torch.randn(5, 4), torch.randn(160)
        >>> steered(x, y, w).shape
        torch.Size([5, 16])
    """

    def __init__(self, product: TensorProductPaths) -> None:
        self.table = SteerTable.of(product).text()
        self._compiles = compiler() is not None

    @staticmethod
    def supports(product: TensorProductPaths) -> bool:
        """Whether all paths are ``uvw`` with multiplicity 1 in the second input."""
        return SteerTable.supports(product)

    def is_fast_for(self, *tensors: Tensor) -> bool:
        """Whether there is a compiled backend for such tensors."""
        return self._compiles and on_cpu(*tensors)

    def __call__(self, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """The map of each row.

        Args:
            x: features, ``(*, irreps_in1.dim)``.
            y: attributes, ``(*, irreps_in2.dim)``; leading dimensions broadcast.
            weight: ``(weight_numel,)``.

        Numbers below float32 are summed in float32.
        """
        leading = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1])
        dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), weight.dtype)
        wide = torch.promote_types(dtype, torch.float32)
        x = x.to(wide).expand(*leading, -1).reshape(-1, x.shape[-1])
        y = y.to(wide).expand(*leading, -1).reshape(-1, y.shape[-1])
        rows = x.shape[0]
        (out,) = steer(x, y, weight.to(wide), None, rows, self.table, "g")
        return out.reshape(*leading, out.shape[-1]).to(dtype)
