"""The curve of a run survives its parts."""

from __future__ import annotations

from pathlib import Path

from pyg_equivariant.training.curve import CURVE, CurveLogger, read_curve


def test_what_is_logged_is_read_again(tmp_path: Path) -> None:
    logger = CurveLogger(tmp_path)
    logger.log_metrics({"loss": 0.1 + 0.2, "epoch": 0}, step=3)
    logger.log_metrics({"val": 1e-300}, step=3)
    logger.log_metrics({"loss": 2.0}, step=7)
    logger.save()
    assert read_curve(tmp_path / CURVE) == {
        3: {"loss": 0.1 + 0.2, "epoch": 0.0, "val": 1e-300},
        7: {"loss": 2.0},
    }
    assert read_curve(tmp_path / "none.csv") == {}


def test_a_resumed_run_keeps_what_was_before(tmp_path: Path) -> None:
    first = CurveLogger(tmp_path)
    for step in range(6):
        first.log_metrics({"loss": float(step)}, step=step)
    first.save()
    second = CurveLogger(tmp_path, resume_step=4)
    second.log_metrics({"loss": 40.0}, step=4)
    second.finalize("success")
    losses = [row["loss"] for row in read_curve(tmp_path / CURVE).values()]
    assert losses == [0.0, 1.0, 2.0, 3.0, 40.0]


def test_a_new_run_begins_anew(tmp_path: Path) -> None:
    first = CurveLogger(tmp_path)
    first.log_metrics({"loss": 1.0}, step=0)
    first.save()
    second = CurveLogger(tmp_path)
    second.log_metrics({"loss": 2.0}, step=5)
    second.save()
    assert list(read_curve(tmp_path / CURVE)) == [5]
