"""NequIP with its authors' weights gives the numbers of their formulas on e3nn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Embedding, Module, Parameter

from pyg_equivariant.graph import radius_graph
from pyg_equivariant.interop import nequip_from_reference
from pyg_equivariant.nn import ForceField

e3nn = pytest.importorskip("e3nn")
o3 = pytest.importorskip("e3nn.o3")
e3nn_nn = pytest.importorskip("e3nn.nn")

SPECIES = (8, 1, 6)
RADIUS = 2.5


@pytest.fixture(autouse=True)
def _e3nn_in_float64() -> Iterator[None]:
    """Its constants follow torch's default dtype; and it takes its time to optimise."""
    dtype, options = torch.get_default_dtype(), e3nn.get_optimization_defaults()
    torch.set_default_dtype(torch.float64)
    e3nn.set_optimization_defaults(optimize_einsums=False, jit_script_fx=False)
    yield
    torch.set_default_dtype(dtype)
    e3nn.set_optimization_defaults(**options)


class Named(Module):
    """Modules whose names hold points."""

    def put(self, name: str, module: Module) -> Module:
        first, _, rest = name.partition(".")
        if not rest:
            self.add_module(first, module)
            return module
        if not hasattr(self, first):
            self.add_module(first, Named())
        return getattr(self, first).put(rest, module)


class Matrix(Module):
    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.weight = Parameter(torch.randn(rows, columns))


class Scalars(Named):
    """A perceptron without biases: SiLU, times the root of 2 over the fan-in."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.matrices = [
            self.put(f"mlp.{2 * k}", Matrix(*pair))
            for k, pair in enumerate(pairwise(sizes))
        ]

    def forward(self, x: Tensor) -> Tensor:
        for k, matrix in enumerate(self.matrices):
            x = torch.nn.functional.silu(x) * math.sqrt(2) if k else x
            x = x @ matrix.weight / math.sqrt(len(matrix.weight))
        return x


class Layer(Named):
    """Mixing, products with harmonics, mixing; a self-connection; a gate."""

    def __init__(self, irreps_in, irreps_sh, hidden, attrs, radial, old, first) -> None:
        super().__init__()
        reached = {ir for _, a in irreps_in for _, b in irreps_sh for ir in a * b}
        hidden = o3.Irreps([block for block in hidden if block.ir in reached])
        scalars = o3.Irreps([block for block in hidden if block.ir.l == 0])
        gated = o3.Irreps([block for block in hidden if block.ir.l > 0])
        gates = o3.Irreps([(gated.num_irreps, "0e")] if gated else [])
        acts = {1: torch.nn.functional.silu, -1: torch.tanh}
        of_scalars = [acts[ir.p] for _, ir in scalars]
        of_gates = [acts[1]] * len(gates)
        self.gate = e3nn_nn.Gate(scalars, of_scalars, gates, of_gates, gated)
        middle, paths = [], []
        for i, (mul, a) in enumerate(irreps_in):
            for j, (_, b) in enumerate(irreps_sh):
                for ir in a * b:
                    if ir in self.gate.irreps_in:
                        paths.append((i, j, len(middle), "uvu", True))
                        middle.append((mul, ir))
        irreps, place, _ = o3.Irreps(middle).sort()
        paths = [(i, j, place[k], mode, has) for i, j, k, mode, has in paths]
        options = {"shared_weights": False, "internal_weights": False}
        self.tp = o3.TensorProduct(irreps_in, irreps_sh, irreps, paths, **options)
        self.linear_1 = o3.Linear(irreps_in, irreps_in)
        self.linear_2 = o3.Linear(irreps.simplify(), self.gate.irreps_in)
        sizes = [*radial, self.tp.weight_numel]
        if old:
            silu = torch.nn.functional.silu
            self.fc = self.radial = e3nn_nn.FullyConnectedNet(sizes, silu)
        else:
            self.edge_mlp = self.radial = Scalars(sizes)
        self.sc = None
        if old or not first:
            given = irreps_in, f"{attrs}x0e", self.gate.irreps_in
            self.sc = o3.FullyConnectedTensorProduct(*given)

    def forward(self, x, edge_index, sh, radial, attr) -> Tensor:
        sent = self.linear_1(x)[edge_index[0]] / math.sqrt(5.5)
        messages = self.tp(sent, sh, self.radial(radial))
        total = messages.new_zeros(len(x), messages.shape[1])
        out = self.linear_2(total.index_add(0, edge_index[1], messages))
        return self.gate(out if self.sc is None else out + self.sc(x, attr))


class Reference(Named):
    """The network, in both forms, with the names of its authors."""

    def __init__(self, features, lmax, parity, layers, radial, readout, old) -> None:
        super().__init__()
        muls = [features] * (lmax + 1) if isinstance(features, int) else features
        signs = (1, -1) if parity else (1,)
        if old:
            self.sh = o3.Irreps.spherical_harmonics(lmax, p=-1 if parity else 1)
            hidden = [(muls[l], (l, p)) for p in signs for l in range(lmax + 1)]
        else:
            self.sh = o3.Irreps.spherical_harmonics(lmax)
            hidden = [
                (muls[l], (l, p))
                for l in range(lmax + 1)
                for p in (signs if parity else ((-1) ** l,))
            ]
        self.old, count = old, len(SPECIES)
        if old:
            embed = o3.Linear(f"{count}x0e", f"{muls[0]}x0e")
            self.embed = self.put("chemical_embedding.linear", embed)
        else:
            embed = Embedding(count, muls[0])
            self.embed = self.put("type_embed.embed_module", embed)
        irreps, self.layers = o3.Irreps([(muls[0], "0e")]), []
        for k in range(layers):
            last = k == layers - 1 and not old
            wanted = o3.Irreps([(muls[0], "0e")] if last else hidden)
            attrs = count if old else muls[0]
            given = irreps, self.sh, wanted, attrs, (4, *radial), old, k == 0
            layer = self.put(f"layer{k}_convnet.conv", Layer(*given))
            self.layers.append(layer)
            irreps = layer.gate.irreps_out
        if old:
            half = f"{max(muls[0] // 2, 1)}x0e"
            hidden_linear = o3.Linear(irreps, half)
            self.readout = torch.nn.Sequential(hidden_linear, o3.Linear(half, "0e"))
            names = "conv_to_output_hidden", "output_hidden_to_scalar"
            for name, linear in zip(names, self.readout, strict=True):
                self.put(f"{name}.linear", linear)
        else:
            self.readout = Scalars([muls[0], *readout, 1])
            self.put("per_atom_energy_readout.mlp_module", self.readout)

    def forward(self, types: Tensor, pos: Tensor, edge_index: Tensor) -> Tensor:
        source, target = edge_index
        vec = pos[source] - pos[target]
        r = vec.norm(dim=-1, keepdim=True) / RADIUS
        sh = o3.spherical_harmonics(self.sh, vec, True, "component")
        envelope = 1 - 28 * r**6 + 48 * r**7 - 21 * r**8
        n = torch.arange(1, 5) * math.pi
        radial = 2 / RADIUS**2 * torch.sin(n * r) / r * envelope
        one_hot = torch.nn.functional.one_hot(types, len(SPECIES)).to(pos)
        x = self.embed(one_hot if self.old else types)
        attr = one_hot if self.old else x
        for layer in self.layers:
            x = layer(x, edge_index, sh, radial, attr)
        return self.readout(x).sum()

    def state(self) -> dict[str, Tensor]:
        """Under the names of the authors."""
        out = {
            name: value
            for name, value in self.state_dict().items()
            if value.numel() and not name.startswith(("embed.", "readout."))
        }
        out = {k: v for k, v in out.items() if "conv.radial." not in k}
        n = torch.arange(1.0, 5.0)
        if self.old:
            return out | {"radial_basis.basis.bessel_weights": n * math.pi}
        return out | {"bessel_encode.bessel_weights": n.view(1, -1)}


# features, lmax, parity, layers, radial widths, readout widths
SETTINGS: list[tuple[Any, ...]] = [
    (3, 1, True, 1, (6,), ()),
    (3, 2, True, 4, (6, 5), ()),
    (4, 3, True, 2, (), (5,)),
    ((4, 3, 2), 2, False, 3, (6,), (5, 4)),
    (5, 0, True, 2, (6,), ()),
    ((3, 2), 1, True, 3, (4, 4, 4), ()),
]


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("settings", SETTINGS)
def test_energies_and_forces(settings: tuple[Any, ...], old: bool) -> None:
    network = Reference(*settings, old)
    features, lmax, parity, layers, *_ = settings
    model = nequip_from_reference(
        network.state(),
        r_max=RADIUS,
        l_max=lmax,
        species=SPECIES,
        avg_num_neighbors=5.5,
        parity=parity,
        num_features=features,
        num_layers=layers,
    )
    types, pos = torch.tensor([0, 1, 2, 2, 1, 0, 1]), 2 * torch.rand(7, 3)
    edge_index, _ = radius_graph(pos, RADIUS)
    pos.requires_grad_()
    expected = network(types, pos, edge_index)
    (gradient,) = torch.autograd.grad(expected, pos)
    z = torch.tensor(SPECIES)[types]
    found = ForceField(model)(z, pos.detach(), edge_index=edge_index)
    scale = gradient.abs().max()
    assert scale > 1e-6
    assert (found.energy - expected).abs().max() <= 1e-10 * expected.abs()
    assert (found.forces + gradient).abs().max() <= 1e-10 * scale
