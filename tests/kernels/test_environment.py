"""Variables are read as documented, or refused."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest

from pyg_equivariant.kernels import environment
from pyg_equivariant.kernels.environment import (
    PLAIN,
    TIMEOUT,
    plain_torch,
    time_limit,
    warn_once,
)


@pytest.mark.parametrize(("value", "plain"), [("", False), ("0", False), ("1", True)])
def test_the_switch(value: str, plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLAIN, value)
    assert plain_torch.__wrapped__() is plain


def test_the_switch_takes_no_other_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLAIN, "yes")
    with pytest.raises(ValueError, match=f"{PLAIN} is 1 for plain torch, or 0, got"):
        plain_torch.__wrapped__()


def test_the_switch_turns_all_kernels_off_without_a_word() -> None:
    """No compiler is even looked for."""
    code = """
import torch, warnings
from pyg_equivariant.kernels import dispatch
from pyg_equivariant.kernels.c.compiler import compiler
from pyg_equivariant.networks import NETWORKS
warnings.simplefilter("error")

def function(x):
    return x + 1 if dispatch.backend(x, kernels=("c", "triton")) == "plain" else x

x = torch.zeros(2)
assert torch.compile(function, fullgraph=True, backend="eager")(x)[0] == 1
assert dispatch.kernel_for(x) == "plain"
assert not dispatch.has_triton_or_warning()
for network in NETWORKS.values():
    pos = torch.randn(4, 3, requires_grad=True)
    network.build_small()(torch.ones(4, dtype=torch.long), pos).sum().backward()
assert compiler.cache_info().misses == 0
try:
    dispatch.check_backend("c", x)
except RuntimeError as error:
    assert "PYG_EQUIVARIANT_PLAIN=1 is set" in str(error)
else:
    raise AssertionError("backend='c' was not refused")
"""
    told = {**os.environ, PLAIN: "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=told)


def test_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TIMEOUT, raising=False)
    assert time_limit() == 300
    monkeypatch.setenv(TIMEOUT, "1.5")
    assert time_limit() == 1.5
    for wrong in ("0", "-1", "nan", "soon"):
        monkeypatch.setenv(TIMEOUT, wrong)
        with pytest.raises(ValueError, match=f"{TIMEOUT} is a positive number of sec"):
            time_limit()


def test_warned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "said", set())
    with pytest.warns(UserWarning, match="of this"):
        warn_once("of this")
    with pytest.warns(UserWarning, match="in these words"):
        warn_once("in these words", about="that")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_once("of this")
        warn_once("in other words", about="that")
