"""Whole trajectories of the charged particles."""

from __future__ import annotations

from collections.abc import Sequence

from pyg_equivariant.datasets._charged_dynamics import (
    NUM_FRAMES,
    NUM_PARTICLES,
    SPLITS,
    Trajectories,
    draw_initial_states,
    simulate,
)


def charged_trajectories(
    split: str = "test",
    num_samples: int = 1,
    frames: Sequence[int] = range(NUM_FRAMES),
    num_particles: int = NUM_PARTICLES,
) -> Trajectories:
    """Trajectories of :class:`ChargedNBody`, at as many frames as wanted.

    Args:
        split: ``"train"``, ``"val"`` or ``"test"``.
        num_samples: how many, from the start of the split.
        frames: which frames, 0 to 48; frame ``k`` is time :math:`(k + 1) / 10`.
        num_particles: of a system.

    Returns:
        Arrays ``charge`` ``(B, N)``, ``pos`` and ``vel`` ``(B, frames, N, 3)``.

    Raises:
        ValueError: for an unknown split, a number that it does not hold, frames out of
            range, or fewer than two particles.

    Example:
        >>> charged_trajectories("train", 2, frames=(0, 1, 2)).pos.shape
        (2, 3, 5, 3)
    """
    check_sizes(split, num_samples, num_particles)
    if not len(frames) or not all(0 <= frame < NUM_FRAMES for frame in frames):
        raise ValueError(
            f"got frames={tuple(frames)}, expected some from 0 to {NUM_FRAMES - 1}"
        )
    initial = draw_initial_states(SPLITS[split][0], num_samples, num_particles)
    return simulate(initial, tuple(frames))


def check_sizes(split: str, num_samples: int | None, num_particles: int) -> None:
    """Refuse what the random stream does not hold."""
    if split not in SPLITS:
        raise ValueError(f"got split={split!r}, expected one of {list(SPLITS)}")
    _, available, published = SPLITS[split]
    if not 1 <= (published if num_samples is None else num_samples) <= available:
        raise ValueError(
            f"got num_samples={num_samples}, expected 1 to {available} "
            f"for split={split!r}"
        )
    if num_particles < 2:
        raise ValueError(f"got num_particles={num_particles}, expected at least 2")
