"""A folder that one run has for itself."""

from __future__ import annotations

import os
import socket
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


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
