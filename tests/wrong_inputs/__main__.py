"""Calls every entry with every mistake; prints one line of JSON before and after each.

A case that ends the process is then the last one that was announced.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import re
import resource
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import pyg_equivariant

from . import callables  # noqa: F401
from .corruptions import cases_of
from .table import (
    ENTRIES,
    FREE,
    MODULES,
    REFUSED,
    SAME,
    SPREAD,
    THEIRS,
    Argument,
    outputs_of,
)

PACKAGE = str(Path(pyg_equivariant.__file__).parent)
SECONDS = 10  # of a case, at most
MEMORY = 16 << 30
CLEAR = (ValueError, TypeError, IndexError)


def main() -> None:
    """Run the entries of some modules, or of all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--short", action="store_true", help="leave out variants")
    parser.add_argument("--after", default="", help="the entry behind which to begin")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if sys.platform == "linux":  # a size gone wrong is an error, not a full machine
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    names = [
        name
        for name in ENTRIES
        if (not options.modules and MODULES[name] != "planted")
        or MODULES[name] in options.modules
    ]
    for name in names[names.index(options.after) + 1 if options.after else 0 :]:
        if options.short and is_variant(name):
            continue
        try:
            run(name)
        except Exception as error:
            say(entry=name, argument="", case="valid", fault=f"broken: {error!r}")
    faulthandler.cancel_dump_traceback_later()


def is_variant(name: str) -> bool:
    """Whether an entry repeats another, inside a network or in few other words."""
    if MODULES[name] == "networks":
        return "by messages" in name or ("ForceField" in name and "PaiNN" not in name)
    return MODULES[name] == "convolutions" and any(
        word in name for word in ("without", " of ", ", a pair by", "on_edges by")
    )


def run(name: str) -> None:
    """All cases of one entry."""
    torch.manual_seed(0)
    entry = ENTRIES[name]()
    given = {key: argument.value for key, argument in entry.arguments.items()}

    def call(**changed: Any) -> list[Tensor]:
        torch.manual_seed(0)
        return outputs_of(entry.call(**given | changed))

    valid = [t.detach() for t in call()]
    assert valid, name
    assert all(bool(t.isfinite().all()) for t in valid), name
    for key, argument in entry.arguments.items():
        for case, wrong, outcome in cases_of(entry, key):
            say(entry=name, argument=key, case=case)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            try:
                expected = valid
                if outcome == SPREAD:
                    expected = call(**{key: wrong.expand_as(argument.value)})
                fault = judge(call(**{key: wrong}), expected, outcome)
            except Exception as error:
                fault = blame(error, key, argument, wrong, outcome)
            say(entry=name, argument=key, case=case, outcome=outcome, fault=fault)


def judge(found: list[Tensor], expected: list[Tensor], outcome: str) -> str:
    """What is wrong with a result, nothing if it is as it must be."""
    if outcome in (REFUSED, THEIRS):
        return f"silent: returned shapes {[tuple(t.shape) for t in found]}"
    if outcome == FREE:
        return ""
    if len(found) != len(expected):
        return f"wrong: returned {len(found)} tensors instead of {len(expected)}"
    for t, right in zip(found, expected, strict=True):
        if t.shape != right.shape:
            return f"wrong: shape {tuple(t.shape)} instead of {tuple(right.shape)}"
        error = (t.detach().double() - right.double()).abs().max() if t.numel() else 0
        if not error <= 1e-4 * (1 + right.double().abs().max() if t.numel() else 1):
            return f"wrong: off by {float(error):.3g}"
    return ""


def blame(
    error: Exception, name: str, argument: Argument, wrong: Any, outcome: str
) -> str:
    """What is wrong with an error, nothing if it is clear and expected."""
    text = f"{type(error).__name__}: {error}"
    if outcome in (SAME, SPREAD):
        return f"refused: {text}"
    if outcome == THEIRS:
        return ""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if not isinstance(error, CLEAR):
        return f"raw: {text}"
    if not frame.filename.startswith(PACKAGE):
        return f"raw: {text} (raised in {frame.filename}:{frame.lineno})"
    if raised_by_torch(error):
        return f"raw: {text} (raised below {frame.filename}:{frame.lineno})"
    if "\n" in str(error) or not names(str(error), name, argument, wrong):
        return f"unclear: {text}"
    return ""


def names(message: str, name: str, argument: Argument, wrong: Any) -> bool:
    """Whether a message speaks of the argument, or of what came."""
    words = [name, *argument.aliases]
    if argument.rows in ("nodes", "sources"):
        words.append("edge_index names")  # nodes that are not there
    if isinstance(wrong, Tensor):
        came = [str(tuple(wrong.shape)), str(wrong.dtype), str(wrong.layout)]
    else:
        came = [f"got {type(wrong).__name__}", f"got {wrong!r}"]
    spoken = any(re.search(rf"\b{re.escape(word)}\b", message) for word in words)
    return spoken or any(text in message for text in came)


def raised_by_torch(error: Exception) -> bool:
    """Whether the innermost line of Python did not raise the error itself."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    source = Path(frame.filename).read_text("utf-8").splitlines()
    last = getattr(frame, "end_lineno", frame.lineno)  # from Python 3.11 on
    return "raise " not in "\n".join(source[frame.lineno - 1 : last])


def say(**line: Any) -> None:
    """Print a line at once."""
    print(json.dumps(line), flush=True)


main()
