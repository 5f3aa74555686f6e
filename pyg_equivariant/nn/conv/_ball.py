"""Neighborhoods of LieConv: balls that follow a share of the graph, and subsets."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import safe_norm, widen

from ._inputs import check_positive

_START, _RATE = 2.0, 0.5  # of the radius, as in the authors' code


class Ball(torch.nn.Module):
    """Which pairs are neighbors.

    Args:
        fill: share of a graph that a ball holds in the mean; ``None`` for all pairs.
        nbhd: the most neighbors of a node, drawn at random; ``None`` for all.
        sample: when to draw, ``"training"`` or ``"always"``.
        alpha: the factor of rotations in distances.

    Attributes:
        radius: that of all balls, part of the ``state_dict``; changes in training.
    """

    radius: Tensor | None

    def __init__(
        self, fill: float | None, nbhd: int | None, sample: str, alpha: float
    ) -> None:
        super().__init__()
        if sample not in ("training", "always"):
            raise ValueError(f"sample is 'training' or 'always', got {sample!r}")
        check_positive(fill, "fill")
        check_positive(nbhd, "nbhd")
        self.fill = fill
        self.nbhd = nbhd
        self.sample = sample
        self.alpha = alpha
        # one row: compilers take a float64 without dimensions for a number
        radius = None if fill is None else torch.tensor([_START])
        self.register_buffer("radius", radius)

    def reset_parameters(self) -> None:
        """Let the radius begin anew."""
        if self.radius is not None:
            self.radius.fill_(_START)

    def forward(
        self,
        target: Tensor,
        logarithm: Tensor,
        num_targets: int,
        num_graphs: int,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor | None, Tensor]:
        """Whether each pair is inside ``(|E|,)``, ``None`` if all are, and how much
        each node is its own neighbor ``(|V|, 1)``.

        Args:
            target: the node where each pair arrives ``(|E|,)``.
            logarithm: that of each pair ``(|E|, 3)`` or ``(|E|, 6)``.
            num_targets: the number of nodes.
            num_graphs: the number of graphs.
            generator: source of random subsets.
        """
        own = widen(logarithm).new_ones(num_targets, 1)
        inside = None
        if self.radius is not None:
            inside = self.distance(logarithm.detach()) < self.radius
            if self.training:
                self._adapt(inside, num_targets, num_graphs)
        if self.nbhd is None or not (self.training or self.sample == "always"):
            return inside, own
        if inside is None:
            inside = torch.ones_like(target, dtype=torch.bool)
        nodes = torch.arange(num_targets, device=target.device)
        everyone = torch.cat([inside, torch.ones_like(nodes, dtype=torch.bool)])
        target = torch.cat([target, nodes])
        chosen = _subset(target, everyone, self.nbhd, num_targets, generator)
        return chosen[: len(inside)], chosen[len(inside) :].to(own.dtype).unsqueeze(-1)

    def distance(self, logarithm: Tensor) -> Tensor:
        """How far apart the elements of each pair are."""
        if logarithm.shape[-1] == 3:
            return self.alpha * safe_norm(logarithm)
        omega, tau = (safe_norm(part) for part in logarithm.split(3, dim=-1))
        return self.alpha * omega + (1 - self.alpha) * tau

    @torch.no_grad()
    def _adapt(self, inside: Tensor, num_targets: int, num_graphs: int) -> None:
        """Let the radius follow the share of a graph that the balls hold."""
        assert self.radius is not None
        assert self.fill is not None
        if not num_targets:
            return
        # in float32, as in the authors' code
        neighbors = (inside.sum() + num_targets).float() / num_targets
        share = neighbors / (num_targets / num_graphs)
        self.radius.add_(_RATE * (min(self.fill, 1.0) - share.to(self.radius.dtype)))

    def extra_repr(self) -> str:
        """What was asked for."""
        return f"fill={self.fill}, nbhd={self.nbhd}, alpha={self.alpha}"


def _subset(
    target: Tensor,
    inside: Tensor,
    most: int,
    num_targets: int,
    generator: torch.Generator | None,
) -> Tensor:
    """Of the pairs inside at every target all, or ``most`` at random."""
    noise = torch.rand(target.shape, generator=generator, device=target.device)
    order = torch.where(inside, noise, 2.0).argsort()
    order = order[target[order].argsort(stable=True)]
    count = torch.bincount(target, minlength=num_targets)
    first = (count.cumsum(0) - count)[target[order]]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - first
    return inside & (rank < most)
