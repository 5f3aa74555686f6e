"""The linear map of invariant features."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.kernels import check_edge_index, check_nodes, matmul
from pyg_equivariant.o3 import check_last, check_real

from .module import check_dtype


class Dense(torch.nn.Linear):
    r"""A :class:`torch.nn.Linear` that multiplies by the fastest kernel at hand.

    .. math::
        \mathbf x \mapsto \mathbf W \mathbf x + \mathbf b

    Shapes:
        - **input:** :math:`(*, \text{in\_features})`
        - **output:** :math:`(*, \text{out\_features})`

    Example:
        >>> Dense(8, 4)(torch.randn(5, 8)).shape
        torch.Size([5, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply the map."""
        if not _fits(input, self.weight):
            check_last(input, self.in_features, "input")
            check_dtype(input, self.weight, "input")
        return dense(input, self.weight.t(), self.bias)

    def on_edges(
        self, x: tuple[Tensor, Tensor], edge_index: Tensor, *edge_attr: Tensor | None
    ) -> Tensor:
        r"""The map of :math:`\mathbf x_i \oplus \mathbf x_j \oplus \mathbf e_{ij}`.

        Mixing channels commutes with gathering, so the nodes are mapped first: there
        are fewer of them than edges.

        Args:
            x: features of all sources and of all targets.
            edge_index: sources :math:`j` and targets :math:`i`, ``(2, |E|)``.
            edge_attr: what edges add; ``None`` adds nothing.
        """
        given = [e for e in edge_attr if e is not None]
        self._check_edges(x, edge_index, given)
        edge_index = edge_index.long()
        sizes = [t.shape[1] for t in (x[1], x[0], *given)]
        w_i, w_j, *rest = self.weight.t().split(sizes)
        y = dense(x[1], w_i, self.bias).index_select(0, edge_index[1])
        y = y + dense(x[0], w_j).index_select(0, edge_index[0])
        for e, w in zip(given, rest, strict=True):
            y = torch.addmm(y, e, w) if e.shape[1] == 1 else y + dense(e, w)
        return y

    def _check_edges(
        self, x: tuple[Tensor, Tensor], edge_index: Tensor, edge_attr: list[Tensor]
    ) -> None:
        check_edge_index(edge_index, self.weight)
        for t, name in (
            (x[1], "x"),
            (x[0], "x"),
            *((e, "edge_attr") for e in edge_attr),
        ):
            check_real(t, name)
            check_dtype(t, self.weight, name)
            if t.dim() != 2 or (name != "x" and t.shape[0] != edge_index.shape[1]):
                raise ValueError(
                    f"expected x (|V|, *) and edge_attr (|E|, *) for "
                    f"{edge_index.shape[1]} edges of edge_index, got {name} of shape "
                    f"{tuple(t.shape)}"
                )
        sizes = [t.shape[1] for t in (x[1], x[0], *edge_attr)]
        if sum(sizes) != self.in_features:
            raise ValueError(
                f"x of both ends and edge_attr hold {sizes} numbers, expected "
                f"{self.in_features} together"
            )
        check_nodes(edge_index, x[0].shape[0], x[1].shape[0])


class OrthogonalDense(Dense):
    r"""A :class:`Dense` that starts orthogonal, as the layers of DimeNet do.

    Singular values are equal, and the variance of weights is
    :math:`2 / (\text{in\_features} + \text{out\_features})`, that of Glorot; biases are
    zero.

    Shapes:
        - **input:** :math:`(*, \text{in\_features})`
        - **output:** :math:`(*, \text{out\_features})`

    Example:
        >>> weight = OrthogonalDense(8, 8).weight
        >>> square = weight @ weight.t()
        >>> torch.allclose(square, torch.eye(8) * square[0, 0], atol=1e-5)
        True
    """

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        with torch.no_grad():
            orthogonal_(self.weight)
        if self.bias is not None:
            torch.nn.init.zeros_(self.bias)


def orthogonal_(weight: Tensor) -> Tensor:
    """Fill a matrix with an orthogonal one that has the variance of Glorot.

    Args:
        weight: ``(fan_out, fan_in)``.

    Example:
        >>> orthogonal_(torch.empty(4, 8)).square().mean()
        tensor(0.1667)
    """
    drawn = torch.nn.init.orthogonal_(torch.empty_like(weight))
    variance = 2 / sum(weight.shape)
    return weight.copy_(drawn * (variance / drawn.square().mean()) ** 0.5)


def _fits(x: Tensor, weight: Tensor) -> bool:
    """Whether a call is plainly right; if not, the checks say why, or that it is."""
    return (
        isinstance(x, Tensor)
        and x.dtype == weight.dtype
        and x.device == weight.device
        and x.layout == torch.strided
        and x.dim() > 0
        and x.shape[-1] == weight.shape[1]
    )


def dense(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The product ``x @ weight + bias`` by the fastest kernel at hand.

    Args:
        x: ``(*, fan_in)``.
        weight: ``(fan_in, fan_out)``, transposed to that of :class:`Dense`.
        bias: ``(fan_out,)``.

    Example:
        >>> dense(torch.ones(5, 8), torch.ones(8, 4))[0]
        tensor([8., 8., 8., 8.])
    """
    return matmul(x, weight, bias)
