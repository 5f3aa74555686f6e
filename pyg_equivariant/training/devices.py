"""On which devices a run takes place."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.strategies import DDPStrategy

from .checkpoint import AtomicCheckpointIO


def on_devices(
    accelerator: str = "auto",
    devices: int = 1,
    num_nodes: int = 1,
    precision: str = "32-true",
) -> dict[str, Any]:
    """Flags of the ``Trainer``, one process for each device.

    Buffers are constants here. Were they sent around before each step, a process with
    one validation batch more than another would wait for ever.
    """
    parallel = devices * num_nodes > 1
    return {
        "accelerator": accelerator,
        "devices": devices,
        "num_nodes": num_nodes,
        "precision": precision,
        "plugins": [AtomicCheckpointIO()],
        "strategy": DDPStrategy(broadcast_buffers=False) if parallel else "auto",
    }
