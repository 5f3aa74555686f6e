"""The charged particles of the EGNN paper: their random stream and their motion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NUM_PARTICLES = 5  # of the published set
NUM_FRAMES = 49
STEPS_PER_FRAME = 100

# Where a split begins in the one random stream, what it holds, what the papers take.
SPLITS = {
    "train": (0, 10_000, 3_000),
    "val": (10_000, 2_000, 2_000),
    "test": (12_000, 2_000, 2_000),
}

_SEED = 43
_SPEED = 0.5
_TIME_STEP = 1e-3
_MAX_FORCE = 0.1 / _TIME_STEP
_PAIRS = 3200  # that move together: their arrays stay in the processor's cache


class Trajectories(NamedTuple):
    """Charges ``(B, N)``; positions and velocities ``(B, ..., N, 3)``."""

    charge: Array
    pos: Array
    vel: Array


def draw_initial_states(
    skip: int, count: int, particles: int = NUM_PARTICLES
) -> Trajectories:
    """Draw trajectories ``skip, ..., skip + count - 1`` of the published stream.

    Of other numbers of particles than five, it is the same stream of numbers, and the
    cloud grows so that its density stays.

    The stream is one: everything before trajectory ``skip`` has to be drawn too, and
    so has the measurement noise, whose published amplitude is zero. The published
    reflection at the walls of a box is left out: it moves none of these particles.
    """
    random = np.random.RandomState(_SEED)
    charge = np.empty((count, particles))
    pos = np.empty((count, particles, 3))
    vel = np.empty((count, particles, 3))
    width = (particles / NUM_PARTICLES) ** (1 / 3)
    for i in range(-skip, count):
        drawn_charge = random.choice([-1.0, 1.0], particles, p=[0.5, 0.5])
        drawn_pos = random.randn(3, particles) * width
        drawn_vel = random.randn(3, particles)
        random.randn(2 * NUM_FRAMES * 3 * particles)
        if i >= 0:
            charge[i], pos[i] = drawn_charge, drawn_pos.T
            vel[i] = (drawn_vel * (_SPEED / np.linalg.norm(drawn_vel, axis=0))).T
    return Trajectories(charge, pos, vel)


def simulate(initial: Trajectories, frames: tuple[int, ...]) -> Trajectories:
    r"""Let the charges move, and keep the positions and velocities at ``frames``.

    Every particle feels :math:`F_i = \sum_j q_i q_j (x_i - x_j) / |x_i - x_j|^3`,
    each component clipped to :math:`\pm 100`, and moves by semi-implicit Euler steps
    of :math:`10^{-3}`. Frame ``k`` is step ``100 (k + 1)``.

    Returns:
        The charges, and positions and velocities of shape ``(B, len(frames), N, 3)``.
    """
    count, particles = initial.charge.shape
    shape = (count, len(frames), particles, 3)
    pos, vel = np.empty(shape), np.empty(shape)
    together = max(1, _PAIRS // particles**2)
    for start in range(0, count, together):
        chunk = slice(start, start + together)
        part = Trajectories(*(values[chunk] for values in initial))
        pos[chunk], vel[chunk] = _simulate_chunk(part, frames)
    return Trajectories(initial.charge, pos, vel)


def _simulate_chunk(
    initial: Trajectories, frames: tuple[int, ...]
) -> tuple[Array, Array]:
    pos = initial.pos.swapaxes(1, 2).copy()  # [B, 3, N]
    vel = initial.vel.swapaxes(1, 2).copy()
    charges = initial.charge[:, :, None] * initial.charge[:, None, :]  # [B, N, N]
    saved: dict[int, tuple[Array, Array]] = {}
    vel += _TIME_STEP * _forces(pos, charges)
    for step in range(1, STEPS_PER_FRAME * (max(frames) + 1) + 1):
        pos += _TIME_STEP * vel
        frame, rest = divmod(step, STEPS_PER_FRAME)
        if rest == 0 and frame - 1 in frames:
            saved[frame - 1] = (pos.copy(), vel.copy())
        vel += _TIME_STEP * _forces(pos, charges)
    kept_pos = np.stack([saved[frame][0] for frame in frames], axis=1)
    kept_vel = np.stack([saved[frame][1] for frame in frames], axis=1)
    return kept_pos.swapaxes(2, 3), kept_vel.swapaxes(2, 3)


def _forces(pos: Array, charges: Array) -> Array:
    """Sum the clipped Coulomb forces, rounding as the published generator does.

    Close encounters multiply a rounding error by up to ``1e10`` within the simulated
    time. So the squared distances are taken as ``|a|^2 + |b|^2 - 2 a.b`` and raised to
    the power 1.5, as published, although the difference of positions is at hand.
    """
    norm = (pos**2).sum(1)
    product = np.ascontiguousarray(pos.swapaxes(1, 2)) @ pos
    square = norm[:, :, None] + norm[:, None, :] - 2 * product  # [B, N, N]
    itself = np.arange(pos.shape[-1])
    square[:, itself, itself] = 1.0
    size = charges / np.power(square, 1.5)
    difference = pos[:, :, :, None] - pos[:, :, None, :]  # [B, 3, N, N]
    force: Array = (size[:, None] * difference).sum(-1)
    return np.clip(force, -_MAX_FORCE, _MAX_FORCE)
