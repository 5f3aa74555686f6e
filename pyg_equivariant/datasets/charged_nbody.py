"""The charged N-body benchmark, simulated anew from its published recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset

from pyg_equivariant.datasets._charged_dynamics import (
    NUM_FRAMES,
    NUM_PARTICLES,
    SPLITS,
    Array,
    draw_initial_states,
    simulate,
)
from pyg_equivariant.datasets.charged_trajectories import check_sizes
from pyg_equivariant.graph import complete_graph


class ChargedNBody(InMemoryDataset):
    r"""Charged particles, five or more, whose later positions are to be predicted.

    The benchmark of the `"E(n) Equivariant Graph Neural Networks"
    <https://arxiv.org/abs/2102.09844>`_ paper: positions, velocities and charges
    :math:`\pm 1` at one frame are given, the positions at a later one are asked.

    Nothing is downloaded. The trajectories are simulated anew from the recipe of the
    published ``nbody_small`` set, down to its random stream (seed 43, 10,000 training,
    then 2,000 validation and 2,000 test trajectories), so they are the published ones
    up to rounding, which the motion amplifies: :math:`10^{-6}` at frame 40. Only what
    is asked for is simulated, in float64, and then kept under ``root``.

    Each graph holds ``pos`` and ``vel`` (5, 3), ``charge`` (5, 1), all 20 ordered pairs
    of different particles as ``edge_index``, their :math:`q_i q_j` as ``edge_attr``
    (20, 1), and the later positions ``y`` (5, 3); all in float32.

    Larger systems follow the same laws: a cloud of the same density, in which nothing
    is published. A system of 20 takes about a tenth of a second to simulate up to frame
    40, one of 100 a second, so that ``num_samples`` is to be chosen there.

    Args:
        root (str): Folder in which the simulated trajectories are kept.
        split (str, optional): ``"train"``, ``"val"`` or ``"test"``.
            (default: ``"train"``)
        num_samples (int, optional): How many trajectories, from the start of the
            split; at most 10,000 for training and 2,000 for the others. By default the
            published 3,000 and 2,000. (default: :obj:`None`)
        frames (tuple[int, int], optional): The frames of the input and of the target,
            0 to 48; frame ``k`` is time :math:`(k + 1) / 10`. (default: ``(30, 40)``)
        transform, pre_transform, pre_filter, force_reload (optional): As in
            :class:`torch_geometric.data.InMemoryDataset`.
        num_particles (int, optional): Of a system. (default: ``5``)

    Raises:
        ValueError: For an unknown split, frames out of range, or a number of
            trajectories that the split does not hold.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     dataset = ChargedNBody(root, num_samples=2, frames=(0, 1))
        >>> dataset[0]
        Data(edge_index=[2, 20], edge_attr=[20, 1], y=[5, 3], pos=[5, 3], vel=[5, 3],
            charge=[5, 1])
    """

    def __init__(
        self,
        root: str,
        split: str = "train",
        num_samples: int | None = None,
        frames: tuple[int, int] = (30, 40),
        transform: Callable[..., Any] | None = None,
        pre_transform: Callable[..., Any] | None = None,
        pre_filter: Callable[..., Any] | None = None,
        force_reload: bool = False,
        num_particles: int = NUM_PARTICLES,
    ) -> None:
        check_sizes(split, num_samples, num_particles)
        if len(frames) != 2 or not all(0 <= frame < NUM_FRAMES for frame in frames):
            raise ValueError(
                f"got frames={frames}, expected two from 0 to {NUM_FRAMES - 1}: "
                "that of the input and that of the target"
            )
        self.split = split
        self.num_particles = num_particles
        self.num_samples = SPLITS[split][2] if num_samples is None else num_samples
        self.frames = (int(frames[0]), int(frames[1]))
        super().__init__(
            root, transform, pre_transform, pre_filter, force_reload=force_reload
        )
        self.load(self.processed_paths[0])

    @property
    def processed_file_names(self) -> str:
        start, end = self.frames
        name = f"charged_{self.split}_{self.num_samples}_{start}_{end}"
        if self.num_particles != NUM_PARTICLES:
            name += f"_{self.num_particles}_particles"
        return f"{name}.pt"

    def process(self) -> None:
        """Simulate the trajectories and keep their graphs under ``root``."""
        skip, particles = SPLITS[self.split][0], self.num_particles
        initial = draw_initial_states(skip, self.num_samples, particles)
        charge, pos, vel = simulate(initial, self.frames)
        edge_index = complete_graph(particles).flip(0)
        graphs = []
        for q, x, v in zip(_float(charge), _float(pos), _float(vel), strict=True):
            product = q[edge_index[0]] * q[edge_index[1]]
            graph = Data(
                edge_index=edge_index,
                edge_attr=product.unsqueeze(-1),
                y=x[1],
                pos=x[0],
                vel=v[0],
                charge=q.unsqueeze(-1),
            )
            if self.pre_filter is None or self.pre_filter(graph):
                graphs.append(
                    graph if self.pre_transform is None else self.pre_transform(graph)
                )
        self.save(graphs, self.processed_paths[0])


def _float(values: Array) -> Tensor:
    return torch.from_numpy(values).float()
