"""As many epochs as fit into a budget of processor time."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from pathlib import Path
from typing import Any

from .fitting import fit
from .splits import Split

_FEW, _MORE = 50, 150  # structures of the trial runs
_LEAST = 1e-4  # seconds for a structure


def epochs_within(seconds: float, split: Split, **given: Any) -> int:
    """How many epochs take so long, at least one.

    The same is trained for an epoch on few and on more of the structures: the
    difference leaves out all that comes before the first step.

    Args:
        seconds: of processor time.
        split: which structures are for what.
        given: the rest of what :func:`~pyg_equivariant.training.fit` takes.
    """
    few, more = (min(len(split.train), number) for number in (_FEW, _MORE))
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        for k, number in enumerate((few, few, more)):
            part = Split(split.train[:number], split.val[:5], split.test[:5])
            trial = {**given, "split": part, "epochs": 1}
            spent.append(processor_time(Path(folder) / f"{k}", **trial))
    each = max((spent[2] - spent[1]) / max(more - few, 1), _LEAST)
    # validation takes about half as long: no derivatives by weights
    return max(int(seconds / (each * (len(split.train) + len(split.val) / 2))), 1)


def processor_time(folder: Path, **given: Any) -> float:
    """Train in a folder, silently; returns the processor time it took, in seconds."""
    begin, silent = time.process_time(), io.StringIO()
    with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        fit(folder=folder, **{**given, "verbose": False})
    return time.process_time() - begin
