"""DimeNet++ of PyG and SphereNet of DIG, driven with given edges, beside ours.

    python examples/benchmarks/directional.py --threads 1 --dig-repo DIG

Neither runs on what pip installs: PyG's triplets need torch-sparse, DIG's torch-scatter
besides. Both get what they need of these from plain torch here. The steps are those of
``networks.py``; times are process time, which other load on the machine does not count
into. Energies and forces are compared first, in float64: in float32 the closed forms of
the peers' bases lose digits. SphereNet has the 3 degrees of the published runs, and a
torsion of a neighbor against itself of 360 degrees on both sides.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import time
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import torch
from molecules import Molecules, molecules
from networks import STEPS, energy_and_forces
from peers import CUTOFF, Case, Side, our_side
from timing import head, in_turns, optional, parser, rows, rule, same, skip, start
from torch import Tensor
from torch_geometric.utils import scatter

from pyg_equivariant.graph import triplets
from pyg_equivariant.interop import dimenet_from_pyg, spherenet_from_dig

DIG_CODE = "https://github.com/divelab/DIG"


def dimenet(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    if optional("scipy") is None:
        skip("DimeNet++ of PyG", "pip install scipy")
        return
    from torch_geometric.nn.models import dimenet as code

    def given(pos: Tensor, **_: Any) -> Tensor:
        return m.edge_index

    def listed(edge_index: Tensor, num_nodes: int) -> tuple[Tensor, ...]:
        source, target = edge_index
        kj, ji = triplets(edge_index.clone())
        ends = target[ji], source[ji], source[kj]
        return target, source, *ends, kj, ji

    sizes = (8, 1, 1, 4, 3, 8, 3, 2) if options.quick else (128, 1, 4, 64, 8, 256, 7, 6)
    peer = code.DimeNetPlusPlus(*sizes, output_initializer="glorot_orthogonal")

    def energy(pos: Tensor) -> Tensor:
        with mock.patch.multiple(code, radius_graph=given, triplets=listed):
            return peer(m.z, pos, m.batch).squeeze(-1)

    ours = our_side(dimenet_from_pyg(peer.state_dict(), cutoff=CUTOFF).train(), m)
    yield Case("DimeNet++", "PyG", ours, Side(peer, energy))


def spherenet(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    if options.dig_repo is None or optional("scipy") is None:
        skip("SphereNet", f"git clone {DIG_CODE}; --dig-repo PATH; pip install scipy")
        return
    code, geometry = dig(options.dig_repo)
    code.radius_graph = lambda pos, **_: m.edge_index
    sizes = {"cutoff": CUTOFF, "num_spherical": 2 if options.quick else 3}
    if options.quick:
        sizes |= {"hidden_channels": 8, "out_emb_channels": 8, "num_layers": 1}
    peer = code.SphereNet(energy_and_force=False, **sizes)
    geometry.torch.cross = unfused_cross

    def energy(pos: Tensor) -> Tensor:
        data = types.SimpleNamespace(z=m.z, pos=pos, batch=m.batch)
        return peer(data).squeeze(-1)

    model = spherenet_from_dig(peer.state_dict(), cutoff=CUTOFF).train()
    yield Case("SphereNet", "DIG", our_side(model, m), Side(peer, energy))


def unfused_cross(a: Tensor, b: Tensor) -> Tensor:
    """Exactly zero of a vector with itself, which no fused multiplication promises."""
    x, y = a[:, [1, 2, 0]] * b[:, [2, 0, 1]], a[:, [2, 0, 1]] * b[:, [1, 2, 0]]
    return x - y


class Adjacency:
    """What DIG asks of a ``torch_sparse.SparseTensor``."""

    def __init__(
        self, row: Tensor, col: Tensor, value: Tensor, sparse_sizes: tuple[int, int]
    ) -> None:
        order = row.argsort(stable=True)
        self.columns, self.values = col[order], value[order]
        self.count = torch.bincount(row, minlength=sparse_sizes[0])
        self.begin = self.count.cumsum(0) - self.count

    def __getitem__(self, rows: Tensor) -> types.SimpleNamespace:
        count = self.count[rows]
        row = torch.repeat_interleave(count)
        begin = self.begin[rows] - (count.cumsum(0) - count)
        place = torch.arange(len(row)) + begin[row]
        columns, values = self.columns[place], self.values[place]
        storage = types.SimpleNamespace(
            row=lambda: row, col=lambda: columns, value=lambda: values
        )
        sums = types.SimpleNamespace(sum=lambda dim: count)
        return types.SimpleNamespace(storage=storage, set_value=lambda _: sums)


def scattered(
    src: Tensor,
    index: Tensor,
    dim: int = 0,
    dim_size: int | None = None,
    reduce: str = "sum",
) -> Tensor:
    """``torch_scatter.scatter``."""
    return scatter(src, index, dim, dim_size, reduce)


def dig(repo: str) -> tuple[Any, Any]:
    """The modules of SphereNet, without the packages around them."""
    names = ("dig", "dig.threedgraph", "dig.threedgraph.method")
    stand_ins: dict[str, Any] = {name: types.ModuleType(name) for name in names}
    for name in names:
        stand_ins[name].__path__ = ["/".join([repo, *name.split(".")])]
    stand_ins["torch_scatter"] = types.SimpleNamespace(scatter=scattered)
    stand_ins["torch_sparse"] = types.SimpleNamespace(SparseTensor=Adjacency)
    with mock.patch.dict(sys.modules, stand_ins):
        code = importlib.import_module("dig.threedgraph.method.spherenet.spherenet")
        geometry = importlib.import_module("dig.threedgraph.utils.geometric_computing")
        features = importlib.import_module("dig.threedgraph.method.spherenet.features")
    # what older releases of NumPy had, and what is changed of torch
    features.np = types.SimpleNamespace(**vars(np), math=math)
    geometry.torch = types.SimpleNamespace(**vars(torch))
    return code, geometry


def spent(function: Callable[[], object]) -> float:
    """Milliseconds of process time."""
    before = time.process_time()
    function()
    return 1e3 * (time.process_time() - before)


def check(case: Case, pos: Tensor) -> None:
    """Stop unless both sides compute the same, in float64."""
    found = []
    for side in (case.ours, case.theirs):
        side.module.double()
        found.append(energy_and_forces(side, pos.double()))
        side.module.float()
    energies, forces = zip(*found, strict=True)
    same(f"energies of {case.name}", energies[:1], energies[1:], 1e-6)
    same(f"forces of {case.name}", forces[:1], forces[1:], 1e-5)


def main(argv: list[str] | None = None) -> None:
    options_of = parser(__doc__)
    options_of.add_argument("--molecules", type=int, nargs="+", default=[32])
    options_of.add_argument(
        "--root", help="of torch_geometric.datasets.QM9 (default: random molecules)"
    )
    options_of.add_argument("--dig-repo", help=f"a clone of {DIG_CODE}")
    options = options_of.parse_args(argv)
    if options.quick:
        options.molecules, options.seconds = [2], 0.0
    start(options, "torch_geometric")
    for count in options.molecules:
        m = molecules(count, options.root)
        print(f"{m} within 5 angstrom, {triplets(m.edge_index).shape[1]} triplets")
        head()
        for make in (dimenet, spherenet):
            for case in make(m, options):
                check(case, m.pos)
                sides = {"ours": case.ours, case.peer: case.theirs}
                for what, step in STEPS.items():
                    functions = {
                        name: partial(spent, partial(step, side, m.pos))
                        for name, side in sides.items()
                    }
                    rows(f"{case.name}, {what}", in_turns(functions, options.seconds))
        rule()


if __name__ == "__main__":
    main(sys.argv[1:])
