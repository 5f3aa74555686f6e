"""Spherical harmonics and tensor products that one can turn, as one HTML file.

    python examples/harmonics.py --out harmonics.html

The file needs no server and no network: open it in a browser. All that it shows is
computed, while one turns, from the Clebsch-Gordan coefficients of the package.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import torch

from pyg_equivariant.o3 import clebsch_gordan

HERE = Path(__file__).resolve().parent
LMAX = 3  # of the factors; their products reach twice as far

BUTTONS = """
  <span class="group"><button name="mirror" title="x to -x">mirror</button>
  <button name="reset">reset</button></span>"""

HARMONICS = f"""
<div class="harmonics" data-kind="harmonics"><canvas></canvas>
<div class="controls">
  <label>degree l <input type="range" name="l" min="0" max="4" value="2">
  <output>2</output></label>{BUTTONS}
</div>
<div class="outputs"></div></div>"""


def _factor(name: str, l: int, m: int) -> str:
    """The menu of a factor's degree and the slider of its component."""
    options = "".join(
        f"<option{' selected' if degree == l else ''}>{degree}</option>"
        for degree in range(LMAX + 1)
    )
    return f"""
  <span class="group"><label>{name}: l <select name="{name}">{options}</select></label>
  <label>m <input type="range" name="m{name}" min="{-l}" max="{l}" value="{m}">
  <output>{m}</output></label></span>"""


PRODUCT = f"""
<div class="harmonics" data-kind="product"><canvas></canvas>
<div class="controls">{_factor("a", 1, 0)}{_factor("b", 1, -1)}{BUTTONS}
</div>
<div class="inputs"></div><div class="outputs"></div></div>"""


def tables() -> dict[str, Any]:
    """The coefficients that the figures need, as (i, j, k, value) where not zero."""
    factors = product(range(LMAX + 1), repeat=2)
    triples = {
        (l1, l2, l3) for l1, l2 in factors for l3 in range(abs(l1 - l2), l1 + l2 + 1)
    }
    triples |= {(l - 1, 1, l) for l in range(1, 2 * LMAX + 1)}
    coupling = {}
    for degrees in sorted(triples):
        C = clebsch_gordan(*degrees, dtype=torch.float64)
        where = C.nonzero().tolist()
        values = C[C != 0].tolist()
        entries = [[*at, value] for at, value in zip(where, values, strict=True)]
        coupling[",".join(map(str, degrees))] = entries
    return {"lmax": LMAX, "coupling": coupling}


def script() -> str:
    """What a page has to hold once, before its figures."""
    style = (HERE / "harmonics.css").read_text("utf-8")
    code = (HERE / "harmonics.js").read_text("utf-8")
    data = json.dumps(tables(), separators=(",", ":"))
    return (
        f"<style>{style}</style>\n"
        f"<script>{code}\nconst harmonicsData = {data};</script>"
    )


def figure(body: str) -> str:
    """One figure, :data:`HARMONICS` or :data:`PRODUCT`, for a page with the script."""
    start = "harmonicsFigure(document.currentScript.previousElementSibling"
    return f"{body}<script>{start}, harmonicsData);</script>"


def page() -> str:
    """Both figures in a file of their own."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Harmonics and products</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font-family: system-ui, sans-serif; max-width: 52rem; margin: 1rem auto; }}
  body {{ padding: 0 1rem; line-height: 1.5; }}
</style>
{script()}</head><body>
<h1>Spherical harmonics</h1>
<p>Drag a shape to turn all of them. The bars under each are its components in the
unturned harmonics: together, the columns of the Wigner matrix.</p>
{figure(HARMONICS)}
<h1>Tensor products</h1>
<p>Drag a or b to turn it alone; drag a product to turn both. The squares of the lengths
of the products always sum to 1.</p>
{figure(PRODUCT)}
</body></html>
"""


def main(arguments: list[str]) -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("harmonics.html"))
    flags = parser.parse_args(arguments)
    flags.out.write_text(page(), "utf-8")
    print(f"open {flags.out} in a browser")


if __name__ == "__main__":
    main(sys.argv[1:])
