"""The figure that one can turn: its file, its tables and its arithmetic."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

import harmonics
import pytest
import torch
from torch.autograd.functional import jacobian

from pyg_equivariant.nn import FullTensorProduct, spherical_harmonics
from pyg_equivariant.o3 import Irrep, clebsch_gordan, rand_matrix, wigner_D

ASKED = """
const math = harmonicsFigure(null, harmonicsData);
const { R, points, x, y } = JSON.parse(process.argv[1]);
const answer = {
  D: math.wigner(6, R).map((D) => D.map((row) => [...row])),
  Y: math.harmonics(6, points).map((Y) => Y.map((at) => at.map((m) => [...m]))),
  z: [1, 2, 3, 4, 5].map((l) => [...math.product(2, 3, l, x, y)]),
};
console.log(JSON.stringify(answer));
"""


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("figure") / "harmonics.html"
    harmonics.main(["--out", str(path)])
    return path.read_text("utf-8")


def test_the_file_needs_nothing_else(html: str) -> None:
    assert not re.findall(r"https?:|//cdn|<link|\bsrc=|\bimport\b|fetch\(", html)
    assert html.count("harmonicsFigure(document") == 2


def test_the_tables_are_the_coefficients_of_the_package(html: str) -> None:
    found = re.search(r"const harmonicsData = (.*);</script>", html)
    assert found is not None
    coupling = json.loads(found[1])["coupling"]
    for degrees, entries in coupling.items():
        l1, l2, l3 = map(int, degrees.split(","))
        C = torch.zeros(2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1, dtype=torch.float64)
        for i, j, k, value in entries:
            C[i, j, k] = value
        assert torch.equal(C, clebsch_gordan(l1, l2, l3, dtype=torch.float64))
    products = [
        f"{a},{b},{ir.l}"
        for a in range(4)
        for b in range(4)
        for ir in Irrep(a, 1) * Irrep(b, 1)
    ]
    assert coupling.keys() >= set(products)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_the_arithmetic_is_that_of_the_package(html: str) -> None:
    generator = torch.Generator().manual_seed(0)
    R = rand_matrix(improper=True, generator=generator, dtype=torch.float64)
    points = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    points = torch.nn.functional.normalize(points, dim=-1)
    x, y = (torch.randn(n, generator=generator, dtype=torch.float64) for n in (5, 7))
    asked = {"R": R, "points": points, "x": x, "y": y}
    found = re.search(r"<script>(.*?)</script>", html, re.S)
    assert found is not None
    numbers = json.dumps({name: value.tolist() for name, value in asked.items()})
    run = subprocess.run(
        ["node", "-e", found[1] + ASKED, "--", numbers],
        capture_output=True,
        check=True,
        text=True,
    )
    answer = json.loads(run.stdout)
    for l in range(7):
        D = torch.tensor(answer["D"][l], dtype=torch.float64)
        torch.testing.assert_close(D, wigner_D(l, R), rtol=0, atol=1e-12)
        polynomials = partial(
            spherical_harmonics, l, normalize=False, normalization="norm"
        )
        slopes = jacobian(lambda at, Y=polynomials: Y(at).sum(0), points)
        values = polynomials(points).unsqueeze(-1)
        expected = torch.cat([values, slopes.transpose(0, 1)], dim=-1)
        Y = torch.tensor(answer["Y"][l], dtype=torch.float64)
        torch.testing.assert_close(Y, expected, rtol=0, atol=1e-12)
    z = torch.cat([torch.tensor(part, dtype=torch.float64) for part in answer["z"]])
    expected = FullTensorProduct("2e", "3o").double()(x, y)
    torch.testing.assert_close(z, expected, rtol=0, atol=1e-12)
