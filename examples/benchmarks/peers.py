"""Our networks and, with the same weights, the networks they are compared with.

A side gives the energies of a batch as a function of the positions. Peers that are not
installed are left out.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from molecules import Molecules
from timing import optional, skip
from torch import Tensor

from pyg_equivariant.interop import (
    egnn_from_reference,
    painn_from_schnetpack,
    schnet_from_pyg,
    segnn_from_reference,
)
from pyg_equivariant.nn import SEGNN, TFN

CUTOFF = 5.0
EGNN_CODE = "https://github.com/vgsatorras/egnn"
SEGNN_CODE = "https://github.com/RobDHess/Steerable-E3-GNN"


class Side(NamedTuple):
    """A network, and the energies it gives at positions."""

    module: torch.nn.Module
    energy: Callable[[Tensor], Tensor]


class Case(NamedTuple):
    """One network, ours and theirs."""

    name: str
    peer: str
    ours: Side
    theirs: Side


def our_side(model: torch.nn.Module, m: Molecules) -> Side:
    """Edges are copied: in training every batch brings edges never seen before."""

    def energy(pos: Tensor) -> Tensor:
        edges = m.edge_index.clone()
        return model(m.z, pos, m.batch, edges, batch_size=m.count).squeeze(-1)

    return Side(model, energy)


def cases(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    """All networks whose peers are at hand, small ones with ``options.quick``."""
    for name in options.networks:
        for make in PEERS[name]:
            yield from make(m, options)


def schnet(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    from torch_geometric.nn import SchNet

    width, layers = (8, 1) if options.quick else (128, 6)

    def graph(pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        source, target = m.edge_index
        return m.edge_index, (pos[source] - pos[target]).norm(dim=-1)

    peer = SchNet(width, width, layers, 50, CUTOFF, interaction_graph=graph)
    ours = our_side(schnet_from_pyg(peer.state_dict()), m)
    theirs = Side(peer, lambda pos: peer(m.z, pos, m.batch).squeeze(-1))
    yield Case("SchNet", "PyG", ours, theirs)


def schnetpack() -> Any:
    """SchNetPack, which imports names that newer releases of torch do not have."""
    loader: Any = importlib.import_module("torch.utils.data.dataloader")
    for name in {"T_co", "_collate_fn_t"} - vars(loader).keys():
        setattr(loader, name, typing.TypeVar(name, covariant=True))
    found = optional("schnetpack")
    if found is None:
        skip("SchNetPack", "pip install schnetpack")
    return found


def potential(spk: Any, representation: Any, m: Molecules, act: Any) -> Side:
    """A representation of SchNetPack and its head: sums of atomic energies."""
    atoms = representation.n_atom_basis
    output = spk.atomistic.Atomwise(atoms, activation=act, output_key="energy")
    module = torch.nn.ModuleDict({"representation": representation, "output": output})
    source, target = m.edge_index

    def energy(pos: Tensor) -> Tensor:
        inputs = {
            "_atomic_numbers": m.z,
            "_Rij": pos[source] - pos[target],
            "_idx_i": target,
            "_idx_j": source,
            "_idx_m": m.batch,
            "_n_atoms": torch.bincount(m.batch),
        }
        return output(representation(inputs))["energy"]

    return Side(module, energy)


def schnet_of_schnetpack(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    spk = schnetpack()
    if spk is None:
        return
    width, layers = (8, 1) if options.quick else (128, 6)
    representation = spk.representation.SchNet(
        width, layers, spk.nn.GaussianRBF(50, CUTOFF), spk.nn.CosineCutoff(CUTOFF)
    )
    theirs = potential(spk, representation, m, spk.nn.shifted_softplus)
    weights = as_named_by_pyg(theirs.module.state_dict(), layers)
    yield Case("SchNet", "SchNetPack", our_side(schnet_from_pyg(weights), m), theirs)


def as_named_by_pyg(weights: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The weights of SchNetPack's SchNet under the names of PyG's."""
    names = {
        "embedding.weight": "representation.embedding.weight",
        "distance_expansion.offset": "representation.radial_basis.offsets",
    }
    linears = {"lin1": "output.outnet.0", "lin2": "output.outnet.1"}
    for k in range(layers):
        new, old = f"interactions.{k}", f"representation.interactions.{k}"
        names[f"{new}.conv.lin1.weight"] = f"{old}.in2f.weight"
        for mlp in ("mlp", "conv.nn"):
            linears[f"{new}.{mlp}.0"] = f"{old}.filter_network.0"
            linears[f"{new}.{mlp}.2"] = f"{old}.filter_network.1"
        linears[f"{new}.conv.lin2"] = f"{old}.f2out.0"
        linears[f"{new}.lin"] = f"{old}.f2out.1"
    for new, old in linears.items():
        names |= {f"{new}.{kind}": f"{old}.{kind}" for kind in ("weight", "bias")}
    return {new: weights[old] for new, old in names.items()}


def painn(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    spk = schnetpack()
    if spk is None:
        return
    width, layers = (8, 1) if options.quick else (128, 3)
    representation = spk.representation.PaiNN(
        width, layers, spk.nn.GaussianRBF(20, CUTOFF), spk.nn.CosineCutoff(CUTOFF)
    )
    theirs = potential(spk, representation, m, torch.nn.functional.silu)
    weights = {
        name.replace("output.", "output_modules.0."): value
        for name, value in theirs.module.state_dict().items()
    }
    yield Case(
        "PaiNN", "SchNetPack", our_side(painn_from_schnetpack(weights), m), theirs
    )


@contextmanager
def code_of(repo: str, *packages: str) -> Iterator[None]:
    """Import from a clone, whose packages have the names of others, and forget them."""
    sys.path.insert(0, repo)
    for name in packages:  # without running what their __init__ imports
        package = types.ModuleType(name)
        package.__path__ = [str(Path(repo, name))]
        sys.modules[name] = package
    try:
        yield
    finally:
        sys.path.remove(repo)
        for name in [n for n in sys.modules if n.split(".")[0] in packages]:
            del sys.modules[name]


def egnn(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    """Their batches are padded to the largest molecule; edges join atoms as here."""
    if options.egnn_repo is None:
        skip("EGNN of its authors", f"git clone {EGNN_CODE}; --egnn-repo PATH")
        return
    with code_of(options.egnn_repo, "qm9", "models"):
        network = importlib.import_module("qm9.models").EGNN
    width, layers = (8, 1) if options.quick else (128, 7)
    species = (1, 6, 7, 8, 9)
    peer = network(15, 0, width, n_layers=layers, attention=True, node_attr=0)
    model = egnn_from_reference(peer.state_dict(), cutoff=CUTOFF, species=species)
    size = int(torch.bincount(m.batch).max())
    first = torch.searchsorted(m.batch, torch.arange(m.count))
    place = m.batch * size + torch.arange(len(m.z)) - first[m.batch]
    h = torch.zeros(m.count * size, 15).index_copy(0, place, model.species(m.z))
    node_mask = torch.zeros(m.count * size, 1).index_fill(0, place, 1.0)
    edges = list(place[m.edge_index.flip(0)])
    edge_mask = torch.ones(m.edge_index.shape[1], 1)

    def energy(pos: Tensor) -> Tensor:
        padded = pos.new_zeros(m.count * size, 3).index_copy(0, place, pos)
        return peer(h, padded, edges, None, node_mask, edge_mask, size)

    yield Case("EGNN", "its authors", our_side(model, m), Side(peer, energy))


def tfn(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    if optional("e3nn") is None:
        skip("e3nn", "pip install e3nn")
        return
    from e3nn_tfn import E3nnTFN

    width, layers = (4, 1) if options.quick else (32, 3)
    model = TFN(hidden_channels=width, num_layers=layers, cutoff=CUTOFF)
    peer = E3nnTFN(model)
    given = (m.batch, m.edge_index, m.count)
    theirs = Side(peer, lambda pos: peer(m.z, pos, *given).squeeze(-1))
    yield Case("TFN", "e3nn", our_side(model, m), theirs)


def mean_of_molecules(x: Tensor, batch: Tensor) -> Tensor:
    """What they expect of ``global_mean_pool``, of features of any rank."""
    from torch_geometric.utils import scatter

    return scatter(x, batch, dim=0, reduce="mean")


class SteerableGraph(types.SimpleNamespace):
    """What the authors' SEGNN reads of a graph."""

    def contains_isolated_nodes(self) -> bool:
        return False


def segnn(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    if options.segnn_repo is None or optional("e3nn") is None:
        skip(
            "SEGNN of its authors",
            f"pip install e3nn; git clone {SEGNN_CODE}; --segnn-repo PATH",
        )
        return
    import e3nn.o3 as o3

    width, layers = (16, 1) if options.quick else (128, 7)
    config = {
        "input_irreps": "5x0e",
        "hidden_irreps": str(SEGNN(width, num_layers=1).irreps_hidden),
        "output_irreps": "1x0e",
        "edge_attr_irreps": "1x0e+1x1o+1x2e+1x3o",
        "node_attr_irreps": "1x0e+1x1o+1x2e+1x3o",
        "additional_message_irreps": "1x0e",
    }
    irreps = {name: o3.Irreps(value) for name, value in config.items()}
    with code_of(options.segnn_repo, "models"):
        network = importlib.import_module("models.segnn.segnn").SEGNN
        norm: Any = importlib.import_module("models.segnn.instance_norm")
        norm.global_mean_pool = mean_of_molecules
        peer = network(**irreps, num_layers=layers, norm="instance")
    weights = peer.state_dict()
    reference = segnn_from_reference(weights, **config, cutoff=CUTOFF)
    model = SEGNN(width, num_layers=layers, cutoff=CUTOFF, e3nn_constants=True)
    model.load_state_dict(reference.state_dict())
    source, target = m.edge_index
    features = torch.nn.functional.one_hot(m.z, 10)[:, [1, 6, 7, 8, 9]].float()
    degree = torch.bincount(target, minlength=len(m.z)).clamp(min=1).unsqueeze(-1)

    def energy(pos: Tensor) -> Tensor:
        vec = pos[source] - pos[target]
        sh = o3.spherical_harmonics(irreps["edge_attr_irreps"], vec, True, "component")
        mean = sh.new_zeros(len(pos), sh.shape[1]).index_add(0, target, sh) / degree
        graph = SteerableGraph(
            x=features,
            pos=pos,
            edge_index=m.edge_index,
            edge_attr=sh,
            node_attr=mean,
            batch=m.batch,
            additional_message_features=vec.square().sum(-1, keepdim=True),
        )
        return peer(graph).squeeze(-1)

    yield Case("SEGNN", "its authors", our_side(model, m), Side(peer, energy))


PEERS: dict[str, list[Callable[[Molecules, argparse.Namespace], Iterator[Case]]]] = {
    "schnet": [schnet, schnet_of_schnetpack],
    "painn": [painn],
    "tfn": [tfn],
    "egnn": [egnn],
    "segnn": [segnn],
}
