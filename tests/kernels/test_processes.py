"""Kernels in processes that are not like others: forked, or without a compiler."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pyg_equivariant.kernels.environment import CACHE
from pyg_equivariant.networks import NETWORKS

FORKED = """
import os, signal, sys, torch
from pyg_equivariant.kernels import shifted_softplus
from pyg_equivariant.kernels.c.memory import num_threads
from pyg_equivariant.networks import NETWORKS

torch.set_num_threads(2)
z, batch = torch.ones(2000, dtype=torch.long), torch.arange(200).repeat_interleave(10)
model = NETWORKS[sys.argv[1]].build_small().requires_grad_(False)
pos = torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))

def forces():
    at = pos.clone().requires_grad_()
    return torch.autograd.grad(model(z, at, batch).sum(), at)[0]

before = forces()
shifted_softplus(torch.ones(1 << 20))  # on both threads
assert num_threads() == 2
child = os.fork()
if child == 0:
    signal.alarm(60)  # an end, if it waits for threads that are not there
    torch.set_num_threads(1)  # as the workers of a DataLoader do
    same = torch.equal(forces(), before)
    x = torch.ones(1 << 20)
    torch.set_num_threads(2)  # others do not, and call what torch does on one thread
    shifted_softplus(x)
    os._exit(0 if same and num_threads() == 1 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
WITHOUT = """
import sys, torch, warnings
from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import BesselBasis, EdgeEmbedding

network = NETWORKS[sys.argv[1]]
pos = torch.randn(100, 3, requires_grad=True)
z = torch.ones(100, dtype=torch.long)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    if sys.argv[2] == "layer":
        conv = network.layers["small"](5, 9.0)
        irreps_sh = getattr(conv, "irreps_sh", "0e+1o")
        embed = EdgeEmbedding(9.0, basis=BesselBasis(5, 9.0), irreps_sh=irreps_sh)
        edges = embed(pos)
        rows = 100 if network.name != "allegro" else edges.edge_index.shape[1]
        conv.on_edges(torch.ones(rows, conv.irreps_in.dim), edges)
    else:
        network.build_small()(z, pos).sum().backward()
told = [str(w.message) for w in seen if "no C compiler was found" in str(w.message)]
assert len(told) == 1, [str(w.message) for w in seen]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", ["segnn", "painn"])
def test_a_forked_process_does_not_wait_for_threads_that_are_gone(name: str) -> None:
    subprocess.run([sys.executable, "-c", FORKED, name], check=True, timeout=120)


@pytest.mark.parametrize(
    ("name", "what"),
    [(name, "network") for name in NETWORKS]
    + [(name, "layer") for name, network in NETWORKS.items() if network.layers],
)
def test_a_missing_compiler_is_said_once_by_every_layer_and_network(
    name: str, what: str, tmp_path: os.PathLike[str]
) -> None:
    told = {**os.environ, "PATH": "", "CC": "", CACHE: str(tmp_path)}
    command = [sys.executable, "-c", WITHOUT, name, what]
    ran = subprocess.run(command, env=told, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
