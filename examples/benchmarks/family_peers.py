"""The rest of the family and, with the same weights, their authors' code.

As in ``peers.py``, a side gives numbers as a function of the positions, and what is not
at hand is left out. What the authors' code imports and pip no longer installs, or does
not need here, is stood in for by plain torch.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from family_dgl import Graph, dgl, intertwiner
from molecules import Molecules
from peers import CUTOFF, EGNN_CODE, Case, Side, code_of
from timing import optional, skip
from torch import Tensor
from torch.nn.functional import one_hot

from pyg_equivariant.graph import radius_graph
from pyg_equivariant.interop import (
    cormorant_from_reference,
    lieconv_from_reference,
    particles_from_reference,
    se3_transformer_from_reference,
)
from pyg_equivariant.nn import L1Net, L1NetConv
from pyg_equivariant.nn.conv.l1net_conv import sharp_shifted_softplus
from pyg_equivariant.o3 import rand_quaternion

SE3_CODE = "https://github.com/FabianFuchsML/se3-transformer-public"
CORMORANT_CODE = "https://github.com/risilab/cormorant"
LIECONV_CODE = "https://github.com/mfinzi/LieConv"
SPECIES = (1, 6, 7, 8, 9)
AUTHORS = "its authors"


def lacks(repo: str | None, what: str, code: str, option: str, needs: str = "") -> bool:
    """Whether a peer is left out, which one line says."""
    found = [name for name in needs.split() if optional(name) is None]
    if repo is None or found:
        pip = f"pip install {' '.join(found)}; " if found else ""
        skip(f"{what} of its authors", f"{pip}git clone {code}; --{option} PATH")
    return repo is None or bool(found)


@contextlib.contextmanager
def quiet(repo: str, *packages: str, **modules: Any) -> Iterator[None]:
    """Code of a clone, without what it prints, and with modules in place of others."""
    stand_ins = {name.replace("__", "."): value for name, value in modules.items()}
    with (
        mock.patch.dict(sys.modules, stand_ins),
        code_of(repo, *packages),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        yield


def scalars(m: Molecules) -> Tensor:
    """One-hot atomic numbers and, as a last column, these numbers."""
    kinds = one_hot(m.z, 10)[:, list(SPECIES)]
    return torch.cat([kinds, m.z.unsqueeze(-1)], dim=-1).float()


def se3_transformer(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    """With the basis differentiated for forces, which their training leaves out."""
    if lacks(options.se3_repo, "SE(3)-Transformer", SE3_CODE, "se3-repo", "scipy"):
        return
    module_of = importlib.import_module
    silent = types.SimpleNamespace(log_gradient_norm=lambda *_: None)
    names = ("experiments", "equivariant_attention", "utils")
    with quiet(options.se3_repo, *names, **dgl(), utils__utils_logging=silent):
        code = module_of("experiments.qm9.models")
        steerable = module_of("equivariant_attention.from_se3cnn.utils_steerable")
        steerable._basis_transformation_Q_J = intertwiner
        basis = module_of("equivariant_attention.modules").get_basis_and_r
        sizes = {"num_layers": 7, "num_channels": 32, "num_degrees": 4, "n_heads": 8}
        if options.quick:
            sizes = {"num_layers": 1, "num_channels": 4, "num_degrees": 2, "n_heads": 2}
        network = code.SE3Transformer
        peer = network(atom_feature_size=6, edge_dim=4, div=2, pooling="max", **sizes)
    code.get_basis_and_r = lambda graph, degree: basis(graph, degree, True)
    settings = {name: sizes[name] for name in ("num_degrees", "n_heads")}
    settings |= {"edge_dim": 4, "div": 2, "pooling": "max", "signs": {}}
    model = se3_transformer_from_reference(peer.state_dict(), "6x0e", **settings)
    for what, radius in (("bonds", 1.7), ("2 A", 2.0)):
        edges, _ = radius_graph(m.pos, radius, m.batch)
        name = f"SE(3)-Transformer, {what}"
        print(f"{name}: {edges.shape[1]} edges within {radius} angstrom")
        yield Case(name, AUTHORS, *se3_sides(m, edges, model, peer))


def se3_sides(
    m: Molecules, edges: Tensor, model: torch.nn.Module, peer: torch.nn.Module
) -> tuple[Side, Side]:
    """Both networks on these edges, of kinds that both ends agree on."""
    x, (source, target) = scalars(m), edges
    kinds = one_hot(m.z[edges].sum(0) % 4, 4).float()
    given = {"edge_attr": kinds, "batch_size": m.count}

    def ours(pos: Tensor) -> Tensor:
        return model(x, pos, m.batch, edges.clone(), **given).squeeze(-1)

    def theirs(pos: Tensor) -> Tensor:
        graph = Graph(edges, m.batch)
        graph.ndata |= {"f": x.unsqueeze(-1), "x": pos}
        graph.edata |= {"d": pos[target] - pos[source], "w": kinds}
        return peer(graph).squeeze(-1)

    return Side(model, ours), Side(peer, theirs)


class Padded:
    """A batch as a tensor of molecules, padded to the largest."""

    def __init__(self, m: Molecules) -> None:
        sizes = torch.bincount(m.batch)
        self.mask = torch.arange(int(sizes.max())) < sizes.unsqueeze(-1)
        self.place = self.mask.flatten().nonzero().squeeze(-1)

    def __call__(self, x: Tensor) -> Tensor:
        shape = *self.mask.shape, *x.shape[1:]
        zeros = x.new_zeros(self.mask.numel(), *x.shape[1:])
        return zeros.index_copy(0, self.place, x).view(shape)


def cormorant(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    """All pairs of atoms; derivatives by positions are not finite there."""
    if lacks(options.cormorant_repo, "Cormorant", CORMORANT_CODE, "cormorant-repo"):
        return
    levels, channels, degree = (2, [3], [1]) if options.quick else (4, [10], [3])
    cutoff = ["learn"], 1.73, 1.73, 0.2
    with quiet(f"{options.cormorant_repo}/src", "cormorant"):
        network = importlib.import_module("cormorant.models.cormorant_qm9").CormorantQM9
        given = degree, degree, levels, channels, len(SPECIES), *cutoff, "rand"
        given = *given, 10.0, 2, [3, 3], 9.0, False, "linear", "linear", 1
        peer = network(*given, device=torch.device("cpu"), dtype=torch.float32)
        later = {k: v for k, v in sys.modules.items() if k.startswith("cormorant.")}
    sys.modules |= later  # their code imports in every call
    model = cormorant_from_reference(peer.state_dict(), species=SPECIES).train()
    padded = Padded(m)
    mask = padded.mask
    data = {
        "one_hot": padded(scalars(m)[:, :-1]),
        "charges": padded(m.z.float()),
        "atom_mask": mask,
        "edge_mask": mask.unsqueeze(1) & mask.unsqueeze(2),
    }
    sizes = {"batch_size": m.count}

    def ours(pos: Tensor) -> Tensor:
        return model(m.z, pos, m.batch, **sizes).squeeze(-1)

    def theirs(pos: Tensor) -> Tensor:
        return peer(data | {"positions": padded(pos)}).squeeze(-1)

    yield Case("Cormorant", AUTHORS, Side(model, ours), Side(peer, theirs))


def lieconv(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    if lacks(options.lieconv_repo, "LieConv", LIECONV_CODE, "lieconv-repo"):
        return
    with quiet(options.lieconv_repo, "lie_conv"):
        code = importlib.import_module("lie_conv.lieConv")
        groups = importlib.import_module("lie_conv.lieGroups")
    widths = [16] if options.quick else options.widths
    for width in widths:
        yield lieconv_case(m, code, groups, groups.T(3), width, options)
    yield lieconv_case(m, code, groups, groups.SE3(), widths[0], options)


def lieconv_case(
    m: Molecules,
    code: Any,
    groups: Any,
    group: Any,
    width: int,
    options: argparse.Namespace,
) -> Case:
    """Lifts to SE(3) are drawn once, for both sides."""
    rigid = isinstance(group, groups.SE3)
    name = f"LieConv {'SE(3)' if rigid else 'T(3)'}, k = {width}"
    settings = {"liftsamples": 4 if rigid else 1, "fill": 0.5 if rigid else 1.0}
    settings["nbhd"] = 25 if rigid else 100
    sizes = {"k": width, "num_layers": 1 if options.quick else 6}
    peer = code.LieResNet(15, group=group, **sizes, **settings)
    model: Any = lieconv_from_reference(peer.state_dict(), **settings).train()
    powers = (m.z.unsqueeze(-1) / 9.0) ** torch.arange(3.0)
    x = (scalars(m)[:, :-1].unsqueeze(-1) * powers.unsqueeze(1)).flatten(1)
    padded = Padded(m)
    values, given = padded(x), {"batch_size": m.count}
    if rigid:
        given["quaternion"] = q = rand_quaternion(len(m.z), settings["liftsamples"])
        drawn = padded(q)
        drawn[~padded.mask] = torch.tensor([1.0, 0.0, 0.0, 0.0])
        known = {"randn": lambda *_, **__: drawn.clone()}
        groups.torch = types.SimpleNamespace(**vars(torch) | known)

    def ours(pos: Tensor) -> Tensor:
        return model(x, pos, m.batch, **given).squeeze(-1)

    def theirs(pos: Tensor) -> Tensor:
        return peer((padded(pos), values, padded.mask)).squeeze(-1)

    return Case(name, AUTHORS, Side(model, ours), Side(peer, theirs))


def particles(count: int) -> dict[str, Tensor]:
    """Systems of five charged particles, and the pairs in each, as the authors do."""
    pairs = torch.tensor(list(itertools.permutations(range(5), 2))).T
    first = 5 * torch.arange(count).view(-1, 1, 1)
    edges = (pairs + first).transpose(0, 1).flatten(1)
    charge = 2.0 * torch.randint(2, (5 * count, 1)) - 1
    return {
        "vel": torch.randn(5 * count, 3),
        "charge": charge,
        "edge_index": edges,
        "edge_attr": charge[edges].prod(0),
        "batch": torch.arange(count).repeat_interleave(5),
    }


def nbody(options: argparse.Namespace) -> Iterator[tuple[Case, Tensor]]:
    """The N-body table: networks of 64 channels and 4 layers; and positions."""
    if lacks(options.egnn_repo, "N-body networks", EGNN_CODE, "egnn-repo", "scipy"):
        return
    given = particles(options.systems)
    vel, charge = given["vel"], given["charge"]
    pos = torch.randn_like(vel)
    edges, product = given["edge_index"].flip(0), given["edge_attr"]
    networks = nbody_networks(options)

    def of_gnn(pos: Tensor) -> Tensor:
        return networks["MPNN"](torch.cat([pos, vel], dim=-1), edges, product)

    def of_field(pos: Tensor) -> Tensor:
        squares = (pos[edges[0]] - pos[edges[1]]).square().sum(1, keepdim=True)
        speed = vel.square().sum(1, keepdim=True).sqrt()
        attr = torch.cat([product, squares], dim=-1).detach()
        return networks["Radial Field"](speed, pos.detach(), edges, vel, attr)

    positions: dict[str, Callable[[Tensor], Tensor]]
    positions = {"MPNN": of_gnn, "Radial Field": of_field}
    for name, peer in networks.items():
        model: Any = particles_from_reference(peer.state_dict()).train()

        def ours(pos: Tensor, model: Any = model) -> Tensor:
            return model(pos, **given | {"edge_index": given["edge_index"].clone()})

        theirs = positions.get(name, lambda pos, peer=peer: peer(pos, vel, charge))
        case = Case(f"N-body {name}", AUTHORS, Side(model, ours), Side(peer, theirs))
        yield case, pos


def nbody_networks(options: argparse.Namespace) -> dict[str, torch.nn.Module]:
    """The authors' networks, as their script builds them."""
    width, layers = (8, 2) if options.quick else (64, 4)
    steerable = "n_body_system.se3_dynamics.equivariant_attention.from_se3cnn"
    with quiet(options.egnn_repo, "n_body_system", "models", **dgl()):
        code = importlib.import_module("n_body_system.model")
        se3 = importlib.import_module("n_body_system.se3_dynamics.dynamics")
        found = importlib.import_module(f"{steerable}.utils_steerable")
        found._basis_transformation_Q_J = intertwiner
        size: dict[str, Any] = {"n_layers": layers}
        networks = {
            "MPNN": code.GNN(6, width, recurrent=True, **size),
            "Radial Field": code.RF_vel(width, 2, **size),
        }
        for name, kind in (("TFN", "tfn"), ("SE(3)-Tr.", "se3_transformer")):
            size |= {"model": kind, "num_degrees": 2}
            networks[name] = se3.OurDynamics(5, 3, width // 2, **size)
    return networks


class E3nnL1NetConv(torch.nn.Module):
    """The layer of L1Net from e3nn: a matrix of channels for every edge and path."""

    def __init__(self, conv: L1NetConv) -> None:
        super().__init__()
        import e3nn.nn
        import e3nn.o3
        from e3nn_tfn import use_exact_constants

        product = conv.tp.product
        irreps = product.irreps_in1, product.irreps_in2, product.irreps_out
        self.tp = e3nn.o3.FullyConnectedTensorProduct(
            *map(str, irreps),
            irrep_normalization="norm",
            shared_weights=False,
            internal_weights=False,
        )
        self.harmonics = e3nn.o3.SphericalHarmonics(
            str(product.irreps_in2), True, "norm", irreps_in="1e"
        )
        channels = conv.radial.channels
        self.radial = e3nn.nn.FullyConnectedNet(channels, sharp_shifted_softplus)
        with torch.no_grad():
            for k, weight in enumerate(conv.radial.weights):
                getattr(self.radial, f"layer{k}").weight.copy_(weight)
        self.scale = conv.avg_num_neighbors**-0.5
        use_exact_constants(self)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_vec: Tensor, edge_attr: Tensor
    ) -> Tensor:
        weight = self.radial(edge_attr)
        sent = self.tp(x[edge_index[0]], self.harmonics(edge_vec), weight)
        out = sent.new_zeros(len(x), sent.shape[1])
        return out.index_add(0, edge_index[1], sent) * self.scale


def l1net(m: Molecules, options: argparse.Namespace) -> Iterator[Case]:
    """One layer between features of degrees 0 and 1, of numbers of every atom."""
    if optional("e3nn") is None:
        skip("e3nn", "pip install e3nn")
        return
    hidden = "4x0e+2x1e" if options.quick else "32x0e+10x1e"
    model = L1Net(irreps_hidden=hidden, cutoff=CUTOFF, num_layers=2)
    conv: Any = model.convs[1]
    peer = E3nnL1NetConv(conv)
    x = conv.irreps_in.randn(len(m.z), -1)
    x_of_e3nn = conv.irreps_in.to_mul_ir(x)
    source, target = m.edge_index

    def embedded(pos: Tensor) -> tuple[Tensor, Tensor]:
        edge_vec = pos[source] - pos[target]
        return edge_vec, model.edges.basis(edge_vec.norm(dim=-1))

    def ours(pos: Tensor) -> Tensor:
        edge_vec, edge_attr = embedded(pos)
        return conv(x, m.edge_index.clone(), model.harmonics(edge_vec), edge_attr)

    def theirs(pos: Tensor) -> Tensor:
        out = peer(x_of_e3nn, m.edge_index, *embedded(pos))
        return conv.irreps_out.from_mul_ir(out)

    yield Case("L1Net layer", "e3nn", Side(conv, ours), Side(peer, theirs))
