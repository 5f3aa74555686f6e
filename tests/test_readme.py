"""README keeps its promises: its example runs, CI installs what it says."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def _blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text("utf-8")
    return [code for name, code in BLOCK.findall(text) if name == language]


def test_the_example_runs() -> None:
    (example,) = _blocks("python")
    exec(compile(example, "README.md", "exec"), {})


def test_the_command_blocks_stand_alone() -> None:
    main_job, tests = _blocks("bash")
    for block in (main_job, tests):
        assert block.startswith("python -m venv .venv\nsource .venv/bin/activate\n")
    for script in re.findall(r"python (\S+\.py)", main_job):
        assert (ROOT / script).is_file(), script
    assert 'pip install -e ".[test' in tests


def test_the_oldest_versions_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    (torch,) = re.findall(r'"torch>=(\S+)"', project)
    (python,) = re.findall(r'requires-python = ">=(\S+)"', project)
    command = f"PYTHON=python{python} TORCH={torch}.0 .ci/run"
    for name in ("README.md", "docs/where_it_runs.rst"):
        assert command in (ROOT / name).read_text("utf-8"), name
    workflow = (ROOT / ".github/workflows/tests.yml").read_text("utf-8")
    assert f'{{ python: "{python}", torch: "{torch}.0" }}' in workflow
