"""A network says truly whether its energies are smooth and extensive, and warns."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

from pyg_equivariant.networks import NETWORKS, Network
from pyg_equivariant.nn import SEGNN, ForceField, PaiNN
from pyg_equivariant.nn.models import MolecularModel
from pyg_equivariant.nn.models.heads import ScalarHead

CUTOFF = 2.5
CONFIGURATIONS = [
    pytest.param(network, {**variant, **smooth, **extensive}, id="-".join(names))
    for network in NETWORKS.values()
    for name, variant in {"": {}, **network.variants}.items()
    for smooth in ({}, network.smooth)
    for extensive in ({"head": "mean"}, {"head": "sum"}, network.extensive)
    for names in [
        [network.name, name, *map(str, smooth), *map(str, extensive.values())]
    ]
]


def build(network: Network, seed: int = 0, **arguments: Any) -> MolecularModel:
    torch.manual_seed(seed)
    model = network.build_small(**{"cutoff": CUTOFF, **arguments}).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def jump(model: MolecularModel) -> float:
    """By how much energy or forces change as an atom comes within the cutoff."""
    z = torch.tensor([8, 1, 6, 1])
    places = [[0.0, 0, 0], [1, 0, 0], [-CUTOFF, 0.3, 0], [0.2, 1, 0.6]]
    pos = torch.tensor(places).double()
    pos[2] *= CUTOFF / pos[2].norm()
    near, far = pos.clone(), pos.clone()
    near[2] *= 1 - 1e-9
    far[2] *= 1 + 1e-9
    found = []
    for where in (near, far):
        where.requires_grad_()
        energy = model(z, where)
        (gradient,) = torch.autograd.grad(energy.sum(), where)
        found.append(torch.cat([energy.flatten(), gradient.flatten()]))
    return float((found[0] - found[1]).detach().abs().max())


@torch.no_grad()
def excess(model: MolecularModel) -> float:
    """The energy of two molecules far apart beyond the energies of each."""
    one, other = torch.tensor([8, 1, 1]), torch.tensor([6, 8])
    a = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0.2]]).double()
    b = torch.tensor([[50.0, 0, 0], [51, 0.3, 0.4]]).double()
    both = model(torch.cat([one, other]), torch.cat([a, b]))
    return float((both - model(one, a) - model(other, b)).abs().max())


@pytest.mark.parametrize(("network", "arguments"), CONFIGURATIONS)
def test_says_what_is_measured(network: Network, arguments: dict[str, Any]) -> None:
    model = build(network, **arguments)
    # some networks of random weights are constant
    jumps = (jump(build(network, seed, **arguments)) for seed in range(3))
    assert model.is_smooth == (max(jumps) < 1e-7)
    assert model.is_extensive == (excess(model) < 1e-10)


def test_a_mean_of_each_graph_is_not_extensive() -> None:
    model = PaiNN(hidden_channels=8, mean=3.0)
    assert not model.is_extensive
    assert excess(model.double()) > 2.9
    model.mean.zero_()
    assert model.is_extensive


def test_all_pairs_are_smooth_and_not_extensive() -> None:
    model = build(NETWORKS["egnn"], cutoff=None, head="extensive")
    assert model.is_smooth
    assert not model.is_extensive
    assert excess(model) > 1e-6


def test_a_head_with_a_network_after_the_sum_is_not_extensive() -> None:
    last = torch.nn.Linear(2, 1)
    assert not ScalarHead(torch.nn.Linear(8, 2), last).extensive
    assert ScalarHead(torch.nn.Linear(8, 2)).extensive
    assert not ScalarHead(torch.nn.Linear(8, 2), reduce="mean").extensive


def test_forces_of_energies_that_jump_come_with_the_cure() -> None:
    small = {"hidden_channels": 8, "num_layers": 1, "cutoff": 5.0}
    with pytest.warns(UserWarning, match="energies of this SEGNN jump where") as found:
        ForceField(SEGNN(**small))
    assert found[0].filename == __file__
    cure = str(found[0].message).rpartition("forces with ")[2]
    assert cure == "smooth=True, norm=None, head='extensive'"
    cured = SEGNN(**small, smooth=True, norm=None, head="extensive")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ForceField(cured)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_registry_cures_every_network(name: str) -> None:
    network = NETWORKS[name]
    arguments = {"cutoff": CUTOFF, **network.smooth, **network.extensive}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ForceField(network.build_small(**arguments))


def test_a_cutoff_and_references_are_the_cure_where_they_are_missing() -> None:
    with pytest.warns(UserWarning, match="with a cutoff, head='extensive'"):
        ForceField(build(NETWORKS["egnn"], cutoff=None))
    with pytest.warns(UserWarning, match="with atomref in place of mean"):
        ForceField(PaiNN(hidden_channels=8, mean=1.0))


def test_a_function_of_the_callers_own_is_taken_as_it_is() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ForceField(lambda z, pos, batch=None: pos.sum().view(1, 1))


@pytest.mark.parametrize("other", [{}, {"irreps_out": "1x0e", "head": "sum"}])
@pytest.mark.parametrize("atomref", [torch.arange(100).double(), 3.5])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_energies_of_atoms_add_up_to_the_prediction(
    network: Network, atomref: Any, other: dict[str, Any]
) -> None:
    units = {"scale": 2.0, "atomref": atomref, **network.extensive, **other}
    model = build(network, **network.smooth, **units)
    z, pos = torch.tensor([8, 1, 6, 1]), 2 * torch.rand(4, 3).double()
    batch = torch.tensor([0, 0, 1, 1])
    graph = model.graph(pos, batch)
    energies = model.atomic_energies(z, graph)
    assert energies.shape == (4, 1)
    total = torch.zeros(2, 1).double().index_add(0, batch, energies)
    torch.testing.assert_close(total, model(z, pos, batch))


def test_energies_of_atoms_keep_the_digits_of_references() -> None:
    atomref = torch.full((100,), -12345.678901234567).double()
    model = PaiNN(8, 1, head="extensive", atomref=atomref).float().eval()
    plain = PaiNN(8, 1, head="extensive").float().eval()
    plain.load_state_dict(model.state_dict(), strict=False)
    z, pos = torch.tensor([8, 1]), torch.rand(2, 3)
    exact = model.atomic_energies(z, model.graph(pos)) - atomref[z].unsqueeze(-1)
    assert exact.dtype == torch.float64
    expected = plain.atomic_energies(z, plain.graph(pos))
    torch.testing.assert_close(exact, expected, rtol=0, atol=1e-11)
    # weights that came later have the digits of the file alone
    state = model.state_dict() | {"atomref": torch.ones(100)}
    model.load_state_dict(state)
    found = model.atomic_energies(z, model.graph(pos)) - 1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("options", [{"head": "mean"}, {"mean": 1.0}, {"head": None}])
def test_what_is_no_sum_has_no_energies_of_atoms(options: dict[str, Any]) -> None:
    model = PaiNN(**{"hidden_channels": 8, "num_layers": 1, **options})
    assert not model.has_atomic_energies
    graph = model.graph(torch.rand(2, 3))
    with pytest.raises(TypeError, match="no sum over atoms"):
        model.atomic_energies(torch.tensor([8, 1]), graph)
