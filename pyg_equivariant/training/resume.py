"""Whether a run may go on with the settings it is given now."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from pyg_equivariant.files import first_line, whole_file

from .settings import Settings

SETTINGS = "settings.json"
_MAY_GROW = ("epochs", "patience")
_STRETCH = {
    "cosine": "the rate is now what a run of that length has at this step, and falls "
    "from there",
    "constant": "the rate stays as it is",
    "exponential": "the rate goes on falling as before",
    "plateau": "the rate stays until the error does not fall",
}
_STRETCH |= dict.fromkeys(("cosine to a tenth", "steps"), _STRETCH["cosine"])


def write_settings(folder: Path, settings: Settings) -> None:
    """Keep the settings in the folder of the run."""
    text = json.dumps(asdict(settings), indent=2)
    with whole_file(folder / SETTINGS) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_settings(folder: Path) -> Settings:
    """The settings of the run of a folder.

    Raises:
        ValueError: if they cannot be read.
    """
    path = folder / SETTINGS
    try:
        return Settings(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} does not tell the settings of the run to be resumed "
            f"({first_line(error)}); put it back, or name another folder with --folder"
        ) from error


def check_resumable(saved: Settings, settings: Settings) -> str | None:
    """Compare the settings of a run with those that it is to go on with.

    Epochs and patience may grow.

    Returns:
        What more epochs do to the learning rate, if there are more.

    Raises:
        ValueError: if others differ, or epochs or patience are fewer.
    """
    others = saved.differences(settings)
    grown = {key: others[key] for key in _MAY_GROW if key in others}
    for key, (before, now) in grown.items():
        if now > before or (key == "patience" and now == 0):
            del others[key]
    if others:
        listed = ", ".join(f"{key} {a} (now {b})" for key, (a, b) in others.items())
        raise ValueError(
            f"the run to be resumed has other settings: {listed}; repeat its flags "
            "(only epochs and patience may grow), or name another folder with --folder"
        )
    if "epochs" not in grown:
        return None
    before, now = grown["epochs"]
    return (
        f"{before} epochs become {now}, schedule {settings.schedule!r}: "
        f"{_STRETCH.get(settings.schedule, '')}"
    )
