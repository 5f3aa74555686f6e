"""How the learning rate changes, by name."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LRScheduler,
    MultiStepLR,
    ReduceLROnPlateau,
)

SCHEDULES = (
    "constant",
    "cosine",
    "cosine to a tenth",
    "exponential",
    "plateau",
    "steps",
)


class SmoothedPlateau(ReduceLROnPlateau):
    """Halve the rate when the smoothed error has not fallen for some epochs.

    Args:
        optimizer: whose rate to change.
        smoothing: share of the past in the smoothed error.
        patience: how many epochs to wait.
    """

    def __init__(
        self, optimizer: Optimizer, smoothing: float = 0.9, patience: int = 5
    ) -> None:
        self.smoothing = smoothing
        self.smoothed: float | None = None
        super().__init__(optimizer, factor=0.5, patience=patience)

    def step(  # type: ignore[override]
        self, metrics: Any, epoch: int | None = None
    ) -> None:
        """Take in the error of one epoch."""
        error = float(metrics)
        if self.smoothed is not None:
            error = self.smoothing * self.smoothed + (1 - self.smoothing) * error
        self.smoothed = error
        super().step(error)


def make_schedule(
    name: str, optimizer: Optimizer, total_steps: int
) -> LRScheduler | ReduceLROnPlateau | None:
    """The schedule of that name; all but the plateau advance with every step.

    Args:
        name: one of ``SCHEDULES``. ``"cosine"`` falls to zero (EGNN, without the bug
            that let it rise again); ``"cosine to a tenth"`` is the SE(3)-Transformer's;
            ``"exponential"`` loses 4 % every 100,000 steps (SchNet); ``"plateau"``
            halves on a smoothed plateau (PaiNN); ``"steps"`` divides by ten after 80
            and 90 % of the epochs (SEGNN).
        optimizer: whose rate changes.
        total_steps: how many steps the run has.

    Raises:
        ValueError: for an unknown name.
    """
    if name == "constant":
        return None
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=total_steps)
    if name == "cosine to a tenth":
        lr = float(optimizer.param_groups[0]["lr"])
        return CosineAnnealingLR(optimizer, T_max=total_steps, eta_min=lr / 10)
    if name == "exponential":
        return ExponentialLR(optimizer, gamma=0.96 ** (1 / 100_000))
    if name == "plateau":
        return SmoothedPlateau(optimizer)
    if name == "steps":
        return MultiStepLR(optimizer, _milestones(total_steps))
    raise ValueError(f"got schedule {name!r}, expected one of {', '.join(SCHEDULES)}")


def set_total_steps(schedule: Any, total_steps: int) -> None:
    """Stretch a schedule that was begun for another number of steps.

    The rate becomes what a run of that length has at this step; it rises where the
    schedule had fallen. Schedules that know no end stay as they are.

    Args:
        schedule: as :func:`make_schedule` gives it, after some steps.
        total_steps: how many steps the run has now.
    """
    if isinstance(schedule, CosineAnnealingLR):
        changed, schedule.T_max = schedule.T_max != total_steps, total_steps
    elif isinstance(schedule, MultiStepLR):
        milestones = Counter(_milestones(total_steps))
        changed, schedule.milestones = schedule.milestones != milestones, milestones
    else:
        return
    if changed:
        rates = schedule._get_closed_form_lr()
        for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        schedule._last_lr = list(rates)


def _milestones(total_steps: int) -> list[int]:
    return [total_steps * 8 // 10, total_steps * 9 // 10]
