"""Files that are whole or not there, and a folder that one run has for itself."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


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
    """What an error says, kept to one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


class FolderLock:
    """Refuse a second run in a folder, for as long as this process lives.

    The lock belongs to the process: nothing is left of it after a kill, whatever the
    file says. Where the file system knows no locks there is none.

    Args:
        folder: that is to be had alone.

    Raises:
        FileExistsError: another process has it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LOCK
        self._file: int | None = None
        # Windows deletes the file with the process that has it open
        alone = 0 if fcntl else os.O_EXCL | getattr(os, "O_TEMPORARY", 0)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | alone, 0o644)
        except FileExistsError as error:
            raise _in_use(path) from error
        try:
            if fcntl:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            self.release()
            raise _in_use(path) from error
        except OSError:  # no locks here
            self.release()
            return
        os.truncate(self._file, 0)
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        os.write(self._file, owner.encode())

    def release(self) -> None:
        """Let others in."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _in_use(path: Path) -> FileExistsError:
    try:
        owner = path.read_text("utf-8") or "a process unknown"
    except OSError:
        owner = "a process unknown"
    return FileExistsError(
        f"{path.parent} is in use by another run ({owner}); wait for it, or name "
        "another folder with --folder"
    )
