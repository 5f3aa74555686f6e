"""MACE with its authors' weights gives the numbers of their formulas on e3nn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Module, Parameter, ParameterList

from pyg_equivariant.graph import radius_graph
from pyg_equivariant.interop import mace_from_reference

e3nn = pytest.importorskip("e3nn")
o3 = pytest.importorskip("e3nn.o3")
e3nn_nn = pytest.importorskip("e3nn.nn")

SPECIES = (8, 1, 6)
RADIUS, NEIGHBORS = 2.5, 3.7
# What e3nn 0.4.4 couples with the other sign, to degree 6.
FLIPPED = {(1, 2, 2), (1, 3, 3), (1, 4, 4), (1, 5, 5), (1, 6, 6)}
FLIPPED |= {(3, 4, 6), (4, 4, 5), (4, 5, 6), (5, 5, 5), (5, 6, 6)}


@pytest.fixture(autouse=True)
def _e3nn_in_float64() -> Iterator[None]:
    """Its constants follow torch's default dtype; and it takes its time to optimise."""
    dtype, options = torch.get_default_dtype(), e3nn.get_optimization_defaults()
    torch.set_default_dtype(torch.float64)
    e3nn.set_optimization_defaults(optimize_einsums=False, jit_script_fx=False)
    yield
    torch.set_default_dtype(dtype)
    e3nn.set_optimization_defaults(**options)


def sign(*degrees: int) -> int:
    return -1 if tuple(sorted(degrees)) in FLIPPED else 1


def couplings(irreps: Any, wanted: Any, degree: int) -> Tensor:
    """The authors' tensors, ``(component, d, ..., d, columns)``."""
    identity = torch.eye(irreps.dim)
    parts = [(ir, part) for (_, ir), part in zip(irreps, irreps.slices(), strict=True)]
    found = [(ir, identity[part]) for ir, part in parts]
    for _ in range(degree - 1):
        longer = []
        for left, tensor in found:
            for right, part in parts:
                for ir in left * right:
                    C = o3.wigner_3j(ir.l, left.l, right.l) * math.sqrt(ir.dim)
                    C = C * sign(ir.l, left.l, right.l)
                    new = torch.einsum("ijm,j...->i...m", C, tensor)
                    whole = new.new_zeros(*new.shape[:-1], irreps.dim)
                    whole[..., part] = new
                    longer.append((ir, whole))
        found = sorted(longer, key=lambda pair: (pair[0].l, pair[0].p))
    columns = [tensor for ir, tensor in found if ir == wanted]
    empty = torch.zeros(wanted.dim, *[irreps.dim] * degree, 1)
    return torch.stack(columns, dim=-1) if columns else empty


class Contraction(Module):
    """Polynomials that lead to one irrep."""

    def __init__(self, irreps: Any, wanted: Any, degree: int, channels: int) -> None:
        super().__init__()
        self.tensors = [couplings(irreps, wanted, n) for n in range(1, degree + 1)]
        *lower, largest = [
            Parameter(torch.randn(len(SPECIES), t.shape[-1], channels))
            for t in self.tensors
        ]
        self.weights_max = largest
        self.weights = ParameterList(reversed(lower))

    def forward(self, x: Tensor, species: Tensor) -> Tensor:
        """Of ``(node, channel, component)``, flat."""
        total: Any = 0.0
        weights = [*reversed(self.weights), self.weights_max]
        for tensor, weight in zip(self.tensors, weights, strict=True):
            part = torch.einsum("m...k,ikc->icm...", tensor, weight[species])
            for _ in range(tensor.dim() - 2):
                part = torch.einsum("ic...q,icq->ic...", part, x)
            total = total + part
        return total.flatten(1)


class Layer(Module):
    """An interaction and a product."""

    def __init__(self, before: Any, message: Any, after: Any, **options: Any) -> None:
        super().__init__()
        harmonics, degree = options["harmonics"], options["correlation"]
        self.residual = options["residual"]
        self.linear_up = o3.Linear(before, before)
        blocks, paths = [], []
        for i, (mul, a) in enumerate(before):
            for j, (_, b) in enumerate(harmonics):
                for ir in a * b:
                    if ir in message:
                        paths.append((i, j, len(blocks), "uvu", True))
                        blocks.append((mul, ir))
        middle, place, _ = o3.Irreps(blocks).sort()
        paths = sorted(
            ((i, j, place[k], *rest) for i, j, k, *rest in paths), key=lambda p: p[2]
        )
        outside = {"shared_weights": False, "internal_weights": False}
        self.tp = o3.TensorProduct(before, harmonics, middle, paths, **outside)
        signs = [
            sign(before[i].ir.l, harmonics[j].ir.l, middle[k].ir.l)
            for i, j, k, *_ in paths
            for _ in range(middle[k].mul)
        ]
        self.signs = torch.tensor(signs).double()
        sizes = [options["num_radial"], 7, 6, len(signs)]
        self.conv_tp_weights = e3nn_nn.FullyConnectedNet(
            sizes, torch.nn.functional.silu
        )
        self.linear = o3.Linear(middle.simplify(), message)
        ends = (before, after) if self.residual else (message, message)
        self.skip_tp = o3.FullyConnectedTensorProduct(
            ends[0], f"{len(SPECIES)}x0e", ends[1]
        )
        single = o3.Irreps([(1, ir) for _, ir in message])
        self.message = message
        channels = message[0].mul
        self.contractions = torch.nn.ModuleList(
            Contraction(single, ir, degree, channels) for _, ir in after
        )
        self.product_linear = o3.Linear(after, after)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        harmonics: Tensor,
        radial: Tensor,
        species: Tensor,
    ) -> Tensor:
        one_hot = torch.eye(len(SPECIES))[species]
        kept = self.skip_tp(x, one_hot) if self.residual else 0.0
        weight = self.conv_tp_weights(radial) * self.signs
        source, target = edge_index
        sent = self.tp(self.linear_up(x)[source], harmonics, weight)
        total = sent.new_zeros(len(x), sent.shape[1]).index_add(0, target, sent)
        total = self.linear(total) / NEIGHBORS
        if not self.residual:
            total = self.skip_tp(total, one_hot)
        parts = [
            total[:, part].unflatten(1, (mul, ir.dim))
            for (mul, ir), part in zip(self.message, self.message.slices(), strict=True)
        ]
        given = torch.cat(parts, dim=-1)
        products = [c(given, species) for c in self.contractions]
        return self.product_linear(torch.cat(products, dim=-1)) + kept

    def named(self, t: int) -> dict[str, Tensor]:
        """The weights as the authors call them."""
        product = f"products.{t}."
        names = {
            f"interactions.{t}.": ("linear_up", "conv_tp_weights", "linear", "skip_tp"),
        }
        out = {
            f"{stem}{name}.{key}": value
            for stem, parts in names.items()
            for name in parts
            for key, value in getattr(self, name).state_dict().items()
        }
        stem = f"{product}symmetric_contractions.contractions."
        state = self.contractions.state_dict()
        out |= {f"{stem}{key}": value for key, value in state.items()}
        out[f"{product}linear.weight"] = self.product_linear.weight
        return out


class Authors(Module):
    """The whole network, with references, scale and shift."""

    def __init__(
        self,
        hidden: str,
        max_ell: int,
        correlation: int,
        num_layers: int,
        residual_first: bool,
    ) -> None:
        super().__init__()
        irreps = o3.Irreps(hidden)
        channels = irreps.count("0e")
        scalars = o3.Irreps([(channels, (0, 1))])
        self.harmonics = o3.Irreps.spherical_harmonics(max_ell)
        natural = o3.Irreps([(channels, ir) for _, ir in self.harmonics])
        both = o3.Irreps(
            [(channels, (l, p)) for l in range(max_ell + 1) for p in (-1, 1)]
        )
        self.embedding = Parameter(torch.randn(len(SPECIES) * channels))
        self.layers = torch.nn.ModuleList(
            Layer(
                irreps if t else scalars,
                both if t and "0o" in irreps else natural,
                irreps if t < num_layers - 1 else scalars,
                harmonics=self.harmonics,
                correlation=correlation,
                num_radial=5,
                residual=residual_first or t > 0,
            )
            for t in range(num_layers)
        )
        self.readouts = torch.nn.ModuleList(
            o3.Linear(irreps, "1x0e") for _ in range(num_layers - 1)
        )
        self.linear_1 = o3.Linear(scalars, "5x0e")
        self.linear_2 = o3.Linear("5x0e", "1x0e")
        self.references = torch.randn(len(SPECIES))

    def forward(self, z: Tensor, pos: Tensor, edge_index: Tensor) -> Tensor:
        species = torch.tensor([SPECIES.index(int(each)) for each in z])
        vec = pos[edge_index[1]] - pos[edge_index[0]]
        r = vec.norm(dim=1, keepdim=True)
        n = torch.arange(1, 6)
        basis = math.sqrt(2 / RADIUS) * torch.sin(n * math.pi * r / RADIUS) / r
        u = r / RADIUS
        basis = basis * (1 - 21 * u**5 + 35 * u**6 - 15 * u**7)
        sh = o3.spherical_harmonics(self.harmonics, vec, True, "component")
        x = self.embedding.view(len(SPECIES), -1)[species] / math.sqrt(len(SPECIES))
        energy = torch.zeros(len(z), 1)
        self.features = []
        for t, layer in enumerate(self.layers):
            x = layer(x, edge_index, sh, basis, species)
            self.features.append(x)
            if t < len(self.readouts):
                energy = energy + self.readouts[t](x)
        act = e3nn.math.normalize2mom(torch.nn.functional.silu)
        energy = energy + self.linear_2(act(self.linear_1(x)))
        return 1.7 * energy.squeeze(1) - 0.3 + self.references[species]

    def weights(self) -> dict[str, Tensor]:
        """The authors' ``state_dict``."""
        last = len(self.layers) - 1
        out = {"node_embedding.linear.weight": self.embedding}
        for t, layer in enumerate(self.layers):
            out |= layer.named(t)
        for t, readout in enumerate(self.readouts):
            out[f"readouts.{t}.linear.weight"] = readout.weight
        for name in ("linear_1", "linear_2"):
            out[f"readouts.{last}.{name}.weight"] = getattr(self, name).weight
        stem = "radial_embedding."
        roots = torch.arange(1, 6) * math.pi / RADIUS
        out[f"{stem}bessel_fn.bessel_weights"] = roots
        out[f"{stem}cutoff_fn.p"] = torch.tensor([5])
        out["atomic_energies_fn.atomic_energies"] = self.references
        out["scale_shift.scale"] = torch.tensor([1.7])
        out["scale_shift.shift"] = torch.tensor([-0.3])
        out["r_max"] = torch.tensor(RADIUS)
        out["atomic_numbers"] = torch.tensor(SPECIES)
        return {name: value.detach() for name, value in out.items()}


CASES = {
    "default": ("4x0e+4x1o", 2, 3, 2, False),
    "degree 3, residual": ("2x0e+2x1o", 3, 3, 2, True),
    "degree 2 between": ("3x0e+3x1o+3x2e", 2, 2, 2, True),
    "three layers": ("2x0e+2x1o", 1, 2, 3, False),
    "one layer": ("4x0e", 2, 3, 1, False),
    "both parities": ("2x0e+2x0o+2x1o+2x1e", 1, 3, 3, False),
    "both parities, degree 2": ("2x0e+2x0o+2x1o+2x1e", 2, 2, 2, True),
}


@pytest.mark.filterwarnings("ignore:SymmetricContraction|Linear")
@pytest.mark.parametrize("name", CASES)
def test_is_the_authors_network(name: str, generator: torch.Generator) -> None:
    authors = Authors(*CASES[name])
    hidden, max_ell, correlation, num_layers, residual = CASES[name]
    kind = "Residual" if residual else ""
    model = mace_from_reference(
        authors.weights(),
        hidden_irreps=hidden,
        avg_num_neighbors=NEIGHBORS,
        max_ell=max_ell,
        correlation=correlation,
        num_interactions=num_layers,
        interaction_first=f"RealAgnostic{kind}InteractionBlock",
    )
    pos = 1.1 * torch.randn(9, 3, generator=generator)
    z = torch.tensor(SPECIES)[torch.randint(3, (9,), generator=generator)]
    pos[8] += 20
    pos.requires_grad_()
    edge_index, _ = radius_graph(pos, RADIUS)
    edge_index = edge_index[:, torch.randperm(edge_index.shape[1])[:20]]
    expected = authors(z, pos, edge_index)
    found = model.atomic_energies(z, model.graph(pos, None, edge_index)).squeeze(1)
    scale = expected.abs().max()
    assert (found - expected).abs().max() <= 1e-10 * scale
    features = model.represent(z, model.graph(pos, None, edge_index)).steerable
    sizes = [x.shape[1] for x in authors.features]
    for ours, theirs, conv in zip(
        features.split(sizes, dim=1), authors.features, model.convs, strict=True
    ):
        error = (conv.irreps_out.to_mul_ir(ours) - theirs).abs().max()
        assert error <= 1e-10 * theirs.abs().max()
    forces = [torch.autograd.grad(e.sum(), pos)[0] for e in (found, expected)]
    assert forces[1].abs().max() > 1e-3
    assert (forces[0] - forces[1]).abs().max() <= 1e-10 * forces[1].abs().max()
    if not residual:
        alone = authors.references[SPECIES.index(int(z[8]))] - 0.3
        assert abs(found[8] - alone) < 1e-12
