"""SEGNN at its published sizes, its ablations, and where the reference errs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.graph import complete_graph
from pyg_equivariant.nn import spherical_harmonics
from pyg_equivariant.nn.models import SEGNN, balanced_irreps
from pyg_equivariant.testing import assert_equivariant

NBODY: dict[str, Any] = {
    "lmax": 1,
    "lmax_attr": 1,
    "num_layers": 4,
    "cutoff": None,
    "norm": None,
    "normalization": "integral",
    "distance": "length",
    "edge_dim": 1,
    "irreps_in": "2x1o+1x0e",
    "head": "vector",
}
ABLATION = {"num_update_layers": 0, "gate": "aggregate", "norm": "instance"}


@pytest.mark.parametrize(
    ("channels", "lmax_attr", "lmax", "copies"),
    [
        (128, 3, 2, 36),
        (64, 1, 1, 32),
        (80, 1, 1, 40),
        (128, 2, 1, 58),
        (128, 2, 2, 39),
        (128, 3, 3, 27),
    ],
)
def test_hidden_irreps_are_those_of_the_reference(
    channels: int, lmax_attr: int, lmax: int, copies: int
) -> None:
    attributes = "+".join(f"{l}{'eo'[l % 2]}" for l in range(lmax_attr + 1))
    irreps = balanced_irreps(channels, lmax, attributes)
    assert [mul for mul, _ in irreps] == [copies] * (lmax + 1)


def test_says_what_it_is() -> None:
    assert str(SEGNN(64, **NBODY)) == (
        "SEGNN(32x0e+32x1o, irreps_sh=1x0e+1x1o, num_layers=4, cutoff=None)"
    )


@pytest.mark.parametrize(
    "ablation", [{}, ABLATION, {**ABLATION, "num_message_layers": 1}]
)
def test_moves_charged_particles(ablation: dict[str, Any]) -> None:
    """From the centre of all particles, not of the components of each one.

    The reference's input subtracts ``pos.mean(1)``, over x, y and z.
    """
    model = SEGNN(8, **{**NBODY, "num_layers": 2, **ablation}).double()
    batch = torch.tensor([0] * 5 + [1] * 5)
    edge_index = complete_graph(10, batch)
    charge = torch.randint(0, 2, (10,)).double() * 2 - 1
    product = (charge[edge_index[0]] * charge[edge_index[1]]).unsqueeze(-1)
    pos, vel = torch.randn(2, 10, 3, dtype=torch.float64)

    def move(pos: torch.Tensor, vel: torch.Tensor, axis: int = 0) -> torch.Tensor:
        center = torch.stack([pos[batch == g].mean(0) for g in range(2)])[batch]
        if axis == 1:
            center = pos.mean(1, keepdim=True)
        vectors = torch.stack([pos - center, vel], dim=-1).flatten(1)  # 2x1o
        x = torch.cat([vectors, vel.norm(dim=-1, keepdim=True)], dim=-1)
        attr = spherical_harmonics(model.irreps_sh, vel, normalization="integral")
        displacement = model(
            x, pos, batch, edge_index, edge_attr=product, node_attr=attr
        )
        return pos + displacement

    assert_equivariant(move, ["pos", "1o"], ["pos"], [pos, vel])
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(
            lambda pos, vel: move(pos, vel, 1), ["pos", "1o"], ["pos"], [pos, vel]
        )


def test_attributes_of_nodes_are_means_over_edges(
    build: Any, graphs: dict[str, Data]
) -> None:
    data, model = graphs["asymmetric"], build("SEGNN")
    graph = model.graph(data.pos, edge_index=data.edge_index)
    edges = model.edges.embed(graph)
    sh, attr = edges.edge_sh, edges.node_attr()
    for i in range(6):
        own = sh[data.edge_index[1] == i]
        expected = own.mean(0) if len(own) else torch.zeros(9).double()
        expected[0] = 1  # of every node, isolated or not, as in the reference
        torch.testing.assert_close(attr[i], expected, rtol=1e-13, atol=1e-13)
    more = edges.node_attr(torch.ones_like(attr))
    torch.testing.assert_close(more[:, 1:], attr[:, 1:] + 1, rtol=1e-13, atol=1e-13)
    assert torch.equal(more[:, 0], attr[:, 0])


def test_what_no_path_reaches_is_zero_not_nan(graphs: dict[str, Data]) -> None:
    """Features of l=2 steered by vectors alone: at first out of reach."""
    data = graphs["asymmetric"]
    with pytest.warns(UserWarning, match="no path leads to .*2e"):
        model = SEGNN(
            lmax_attr=1,
            irreps_hidden="4x0e+2x1o+2x2e",
            num_layers=2,
            cutoff=2.5,
            species=tuple(range(1, 10)),
        )
    assert model.double()(data.z, data.pos, data.batch).isfinite().all()


def test_the_invariant_of_an_edge_is_its_length_or_the_square(
    build: Any, graphs: dict[str, Data]
) -> None:
    data = graphs["planar"]
    squared, length = build("SEGNN"), build("SEGNN", distance="length")
    length.load_state_dict(squared.state_dict())
    with_square = squared(data.z, data.pos)
    assert not torch.allclose(with_square, length(data.z, data.pos))
    edges = complete_graph(2)
    unit = torch.tensor([[0.0, 0, 0], [0, 0, 1]], dtype=torch.float64)
    z = torch.tensor([1, 6])
    torch.testing.assert_close(
        squared(z, unit, edge_index=edges), length(z, unit, edge_index=edges)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norm": "batch"}, "norm is 'instance' or None"),
        ({"distance": "inverse"}, "'squared' or 'length'"),
        ({"smooth": True, "cutoff": None}, "smooth=True needs a cutoff"),
        ({"gate": "none"}, "'message' or 'aggregate'"),
        ({"normalization": "unit"}, "normalization"),
    ],
)
def test_options_without_meaning_are_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SEGNN(8, num_layers=1, **arguments)
