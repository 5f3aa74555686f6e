"""How long a run has taken, over all its sittings."""

from __future__ import annotations

import time
from typing import Any

import lightning as L


class Clock(L.Callback):
    """Count seconds of training, of the processor and of the wall.

    They are in the checkpoints, so that a run that resumes goes on counting.
    """

    def __init__(self) -> None:
        self._before = {"processor_seconds": 0.0, "wall_seconds": 0.0}
        self._start = self._before

    def on_fit_start(self, *_: Any) -> None:
        self._start = _now()

    def state_dict(self) -> dict[str, Any]:
        now = _now()
        return {
            name: seconds + now[name] - self._start[name]
            for name, seconds in self._before.items()
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = state_dict


def _now() -> dict[str, float]:
    return {
        "processor_seconds": time.process_time(),
        "wall_seconds": time.perf_counter(),
    }
