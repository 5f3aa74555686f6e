"""Files are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyg_equivariant.files import NotWrittenError, first_line, whole_file


def test_what_was_there_stays_until_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    for text in ("one", "two"):
        with whole_file(path) as partial:
            partial.write_text(text)
            assert path.exists() == (text == "two")
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def fail(path: Path, error: BaseException) -> None:
    with whole_file(path) as partial:
        partial.write_text("half")
        raise error


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError("no room\nat all"), NotWrittenError),
        (RuntimeError("no room"), NotWrittenError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ValueError("other"), ValueError),
    ],
)
def test_a_failure_leaves_what_was_there(
    tmp_path: Path, error: BaseException, seen: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(seen):
        fail(path, error)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_is_told_in_one_line() -> None:
    assert first_line(OSError("a\nb")) == "a"
    assert first_line(OSError()) == "OSError"
