"""Points of a cloud that lie far from each other."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_size

from ._points import number_of_graphs, points


@torch.no_grad()
def fps(
    pos: Tensor,
    batch: Tensor | None = None,
    ratio: float | None = None,
    num_points: int | None = None,
    random_start: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Farthest point sampling: points of each graph that cover it evenly.

    .. math::
        i_{n+1} = \arg\max_i \, \min_{m \le n} |\vec{r}_i - \vec{r}_{i_m}|

    as in PyG, but for the start: :math:`i_1` is the point farthest from the centroid of
    its graph, not the first or a random one, so that the same points are chosen in
    whatever way the cloud is turned, reflected or moved, and in whatever order its
    points come. Distances are compared in float64. Of points that are equally far the
    first is taken; where rounding decides between such, as in symmetric clouds, a
    rotation or another order can change the choice. No point is chosen twice, even
    where points coincide.

    The choice has no gradient, and jumps as points move.

    Args:
        pos: positions.
        batch: the graph of each point, in any order. (default: a single graph)
        ratio: choose this part of the points of each graph, rounded up. Give it or
            ``num_points``.
        num_points: choose so many points of each graph, or all if it has fewer.
        random_start: start from a random point of each graph instead.
        generator: where random numbers come from. (default: torch's own)

    Shapes:
        - **input:** pos :math:`(|V|, 3)`, batch :math:`(|V|)`
        - **output:** numbers of points, graph by graph, in the order of their choice

    Raises:
        TypeError: an argument is no tensor or number.
        ValueError: neither or both of ``ratio`` and ``num_points`` came, or they or the
            positions are none.

    Example:
        >>> import torch
        >>> pos = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0], [4.0, 0, 0]])
        >>> fps(pos, ratio=0.5)
        tensor([3, 0])
        >>> batch = torch.tensor([1, 0, 1, 0])
        >>> fps(pos, batch, num_points=1)
        tensor([1, 0])
    """
    _check(ratio, num_points)
    cloud = points(pos, batch)
    size = cloud.batch.bincount(minlength=number_of_graphs(cloud))
    number = size.clamp(max=num_points) if ratio is None else _part(size, ratio)
    order = cloud.batch.argsort(stable=True)
    first = size.cumsum(0) - size

    chosen = [order[:0]]
    for graphs in _of_similar_size(size):
        rank = torch.arange(int(size[graphs].max()), device=size.device)
        here = rank < size[graphs].unsqueeze(-1)
        at = torch.where(here, first[graphs].unsqueeze(-1) + rank, 0)
        at = order[at]  # [graphs, most points of one]
        spread = _unit(cloud.pos[at], here)
        if random_start:
            start = _random(size[graphs], generator)
        else:
            start = _outermost(spread, here)
        most = int(number[graphs].max())
        found = at.gather(1, _farthest(spread, here, start, most))
        chosen.append(found[rank[:most] < number[graphs].unsqueeze(-1)])
    index = torch.cat(chosen)
    return index[cloud.batch[index].argsort(stable=True)]


def _check(ratio: float | None, num_points: int | None) -> None:
    if (ratio is None) == (num_points is None):
        came = "neither" if ratio is None else "both"
        raise ValueError(
            f"give ratio, a part of the points, or num_points, a number of them; "
            f"{came} came"
        )
    if num_points is not None:
        check_size(num_points, "num_points")
        if num_points < 1:
            raise ValueError(f"num_points must be at least 1, got {num_points}")
    elif isinstance(ratio, Tensor) or not isinstance(ratio, (int, float)):
        raise TypeError(f"ratio is a number, got {type(ratio).__name__}")
    elif not 0 < ratio <= 1:
        raise ValueError(f"ratio is a part of the points, from 0 to 1, got {ratio}")


def _part(size: Tensor, ratio: float) -> Tensor:
    """The part of each size, rounded up; 0.1 of 30 is 3, whatever 0.1 is in binary."""
    return (size.double() * ratio * (1 - 1e-12)).ceil().long()


def _of_similar_size(size: Tensor) -> Iterator[Tensor]:
    """Graphs that have points, those together of which none has twice as many."""
    scale = torch.where(size > 0, torch.frexp(size.double()).exponent, -1)
    for power in scale.unique():
        if int(power) >= 0:
            yield (scale == power).nonzero().flatten()


def _unit(pos: Tensor, here: Tensor) -> Tensor:
    """Positions over a power of two, so that no square overflows."""
    size = (pos.abs() * here.unsqueeze(-1)).flatten(1).amax(1)
    size = torch.where(size > 0, size, 1.0)
    unit = size / torch.frexp(size).mantissa
    return pos / unit.view(-1, 1, 1)


def _outermost(pos: Tensor, here: Tensor) -> Tensor:
    """The point of each graph that is farthest from its centroid."""
    inside = here.unsqueeze(-1)
    count = inside.sum(1, keepdim=True)
    center = torch.where(inside, pos, 0.0).sum(1, keepdim=True) / count
    square = (pos - center).square().sum(-1)
    return torch.where(here, square, -1.0).argmax(1)


def _random(size: Tensor, generator: torch.Generator | None) -> Tensor:
    device = size.device if generator is None else generator.device
    drawn = torch.rand(len(size), generator=generator, device=device)
    return torch.minimum((drawn.to(size.device) * size).long(), size - 1)


def _farthest(pos: Tensor, here: Tensor, start: Tensor, most: int) -> Tensor:
    """So many points of each graph, in the order of their choice."""
    square = torch.where(here, torch.inf, -1.0).to(pos.dtype)
    chosen = [start]
    for _ in range(most - 1):
        last = chosen[-1].view(-1, 1, 1)
        apart = pos - pos.gather(1, last.expand(-1, 1, 3))
        x, y, z = apart.unbind(-1)
        square = torch.minimum(square, x * x + y * y + z * z)
        # Who is chosen is no candidate any more
        square = square.scatter(1, last.squeeze(-1), -1.0)
        chosen.append(square.argmax(1))
    return torch.stack(chosen[:most], dim=1)
