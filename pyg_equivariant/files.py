"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NotWrittenError(OSError):
    """A file could not be written, such as to a full disk."""


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Write a file beside its place, then move it there in one step.

    What was there before stays until then, and stays if the disk is full or the process
    is killed.

    Yields:
        The place to write to.

    Raises:
        NotWrittenError: it could not be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder) / "notes.txt") as place:
        ...         _ = place.write_text("whole")
        ...     (Path(folder) / "notes.txt").read_text()
        'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if not isinstance(error, (OSError, RuntimeError)):
            raise
        # torch.save says RuntimeError where a disk is full
        raise NotWrittenError(
            f"{path} could not be written ({first_line(error)}); what was there before "
            "is as it was: make room, then repeat the command, a run's with --resume"
        ) from error


def first_line(error: BaseException) -> str:
    """What an error says, kept to one line.

    Example:
        >>> first_line(KeyboardInterrupt())
        'KeyboardInterrupt'
    """
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
