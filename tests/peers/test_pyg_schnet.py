"""SchNet with PyG's weights gives PyG's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import SchNet

from pyg_equivariant.interop.schnet import schnet_from_pyg


@pytest.fixture(params=[torch.float32, torch.float64], ids=["widened", "double"])
def built_in(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    """The default dtype while the reference is built; then it is made float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def _graph(generator: torch.Generator, cutoff: float) -> dict[str, Tensor]:
    batch = torch.arange(11).div(6, rounding_mode="floor")
    pos = torch.rand(11, 3, generator=generator, dtype=torch.float64) * cutoff * 0.55
    i, j = torch.nonzero(batch[:, None] == batch, as_tuple=True)
    edge_index = torch.stack([i, j])[:, (i != j) & (j != 3) & (i != 3) & (i > j - 3)]
    z = torch.randint(0, 10, (11,), generator=generator)
    return {"z": z, "pos": pos, "batch": batch, "edge_index": edge_index}


class _GivenEdges(torch.nn.Module):
    def __init__(self, edge_index: Tensor) -> None:
        super().__init__()
        self.edge_index = edge_index

    def forward(self, pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        source, target = self.edge_index
        return self.edge_index, (pos[source] - pos[target]).norm(dim=-1)


def _compare(reference: SchNet, graph: dict[str, Tensor], **kwargs: Any) -> None:
    model = schnet_from_pyg(reference.state_dict(), **kwargs)
    pos = graph["pos"].requires_grad_()
    reference.interaction_graph = _GivenEdges(graph["edge_index"])
    theirs = reference(graph["z"], pos, graph["batch"])
    ours = model(**graph)
    pairs = [(ours, theirs)]
    for wanted in range(2):  # first and second derivatives
        scalars = [y.square().sum() for y in pairs[wanted]]
        pairs.append(
            tuple(torch.autograd.grad(y, pos, create_graph=True)[0] for y in scalars)
        )
    for a, b in pairs:
        assert a.shape == b.shape
        assert (a - b).abs().max() <= 1e-10 * b.abs().max()


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ({"num_gaussians": 10}, {}),
        ({"num_gaussians": 2, "num_interactions": 1}, {"readout": "mean"}),
        ({"num_gaussians": 50}, {"mean": -3.7, "std": 2.3}),
        ({"hidden_channels": 5}, {"mean": -3.7, "std": 2.3, "readout": "mean"}),
        ({"num_filters": 1}, {"dipole": True}),
        ({"num_filters": 20}, {"readout": "sum"}),
    ],
)
@pytest.mark.parametrize("cutoff", [5.0, 5.1])
def test_random_weights(
    sizes: dict[str, int],
    options: dict[str, Any],
    cutoff: float,
    built_in: torch.dtype,
    generator: torch.Generator,
) -> None:
    if options.get("dipole"):
        pytest.importorskip("ase")
    sizes = {"hidden_channels": 8, "num_filters": 6, "num_interactions": 2} | sizes
    reference = SchNet(**sizes, **options, cutoff=cutoff).double()
    _compare(reference, _graph(generator, cutoff), cutoff=cutoff, **sizes, **options)


@pytest.mark.parametrize("readout", ["add", "mean"])
@pytest.mark.parametrize("standardized", [True, False])
def test_atom_references(
    readout: str, standardized: bool, generator: torch.Generator
) -> None:
    options: dict[str, Any] = {"readout": readout}
    if standardized:
        options |= {"mean": 0.7, "std": 1.9}
    atomref = torch.randn(100, 1, generator=generator)
    reference = SchNet(8, 8, 1, 20, 4.0, atomref=atomref, **options).double()
    with torch.no_grad():  # they are trained
        reference.atomref.weight.add_(0.5)
    _compare(reference, _graph(generator, 4.0), **options)


def test_dipole_and_unit_of_a_pretrained_model(generator: torch.Generator) -> None:
    pytest.importorskip("ase")
    atomref = torch.randn(100, 1, generator=generator)
    reference = SchNet(8, 8, 1, 20, 4.0, dipole=True, atomref=atomref).double()
    reference.scale = 1 / 0.2081943
    _compare(reference, _graph(generator, 4.0), scale=reference.scale)
    plain = SchNet(8, 8, 1, 20, 4.0, mean=0.7, std=1.9, atomref=atomref).double()
    plain.scale = 27.2
    _compare(plain, _graph(generator, 4.0), scale=27.2, mean=0.7, std=1.9)


def test_published_size() -> None:
    reference = SchNet()
    model = schnet_from_pyg(reference.state_dict())
    count = sum(p.numel() for p in model.parameters())
    assert count == sum(p.numel() for p in reference.parameters()) == 455_809
    assert (model.cutoff, model.num_radial) == (10.0, 50)
