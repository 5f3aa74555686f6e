from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torch_geometric.transforms as T
from torch_geometric.data import Batch, Data, InMemoryDataset
from torch_geometric.loader import DataLoader

import pyg_equivariant.transforms
from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn.models import SEGNN
from pyg_equivariant.nn.radial import BesselBasis
from pyg_equivariant.transforms import (
    AddEdgeVectors,
    AddNodeAttributes,
    AddRadialBasis,
    AddRadiusGraph,
    AddSphericalHarmonics,
    RandomOrthogonal,
    SelectTarget,
)

BASIS = BesselBasis(4, 3.0)


def pipeline(turned: bool = True) -> T.Compose:
    return T.Compose(
        [
            *([RandomOrthogonal({"spin": "1e"})] if turned else []),
            AddRadiusGraph(3.0),
            AddEdgeVectors(),
            AddRadialBasis(BASIS),
            AddSphericalHarmonics(lmax=2),
            AddNodeAttributes(2, {"vel": "1o", "spin": "1e"}),
        ]
    )


class Crystals(InMemoryDataset):
    def __init__(self, root: Path, graphs: list[Data], **kwargs: Any) -> None:
        self.graphs = graphs
        super().__init__(str(root), **kwargs)
        self.load(self.processed_paths[0])

    @property
    def processed_file_names(self) -> str:
        return "crystals.pt"

    def process(self) -> None:
        assert self.pre_transform is not None
        self.save([self.pre_transform(d) for d in self.graphs], self.processed_paths[0])


def assert_same(one: Data, other: Data) -> None:
    names = set(one.keys()) & set(other.keys())
    assert {"edge_index", "edge_shift", "edge_sh", "node_attr", "cell"} <= names
    for name in names:
        torch.testing.assert_close(one[name], other[name], atol=1e-10, rtol=0)


def test_a_batch_is_its_graphs_joined(crystals: list[Data]) -> None:
    transform = pipeline(turned=False)
    singly = Batch.from_data_list([transform(data) for data in crystals])
    together = transform(Batch.from_data_list(crystals))
    assert_same(singly, together)
    for graph, data in zip(singly.to_data_list(), crystals, strict=True):
        assert_same(graph, transform(data))


def test_nothing_turns_but_what_should(crystals: list[Data]) -> None:
    torch.manual_seed(3)
    first, second = pipeline()(crystals[1]), pipeline()(crystals[1])
    for name in ("edge_index", "edge_shift", "edge_attr", "edge_length", "energy"):
        torch.testing.assert_close(first[name], second[name], atol=1e-10, rtol=0)
    assert not torch.allclose(first.edge_sh, second.edge_sh)


def test_the_input_is_never_changed(crystals: list[Data]) -> None:
    data = crystals[0]
    before = copy.deepcopy(data)
    out = pipeline()(data)
    assert data.keys() == before.keys()
    assert all(torch.equal(data[name], before[name]) for name in before.to_dict())
    # Nor that of a second run over what the first has added
    stored = copy.deepcopy(out)
    attributes = pipeline().transforms[-1].irreps_node_attr
    for transform in (
        RandomOrthogonal({"node_attr": attributes}),
        *pipeline(turned=False).transforms,
    ):
        transform(out)
        assert out.keys() == stored.keys()
        assert all(torch.equal(out[name], stored[name]) for name in stored.to_dict())


def test_as_pre_transform_and_with_two_workers(
    tmp_path: Path, crystals: list[Data]
) -> None:
    transform = pipeline(turned=False)
    kept = Crystals(tmp_path / "kept", crystals, pre_transform=transform)
    again = Crystals(tmp_path / "kept", [], pre_transform=transform)  # from the file
    anew = Crystals(
        tmp_path / "anew", crystals, pre_transform=T.Compose([]), transform=transform
    )
    expected = Batch.from_data_list([transform(data) for data in crystals])
    for dataset in (kept, again, anew):
        for workers in (0, 2):
            loader = DataLoader(dataset, batch_size=3, num_workers=workers)
            (batch,) = list(loader)
            assert_same(batch, expected)


def test_workers_draw_different_matrices(molecules: list[Data]) -> None:
    graphs = [molecules[2]] * 4
    dataset = [data.clone() for data in graphs]

    class Turned(torch.utils.data.Dataset[Data]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Data:
            return RandomOrthogonal()(dataset[index])

    drawn = [data.pos for data in DataLoader(Turned(), batch_size=1, num_workers=2)]
    differences = torch.pdist(torch.stack(drawn).flatten(1))
    assert len(drawn) == 4
    assert differences.min() > 1e-3


@pytest.mark.parametrize("transform", pipeline().transforms, ids=str)
def test_every_transform_copies_and_pickles(transform: Any) -> None:
    assert str(copy.deepcopy(transform)) == str(transform)
    assert str(pickle.loads(pickle.dumps(transform))) == str(transform)


def test_no_name_is_taken_from_pyg() -> None:
    ours = {name for name in pyg_equivariant.transforms.__all__ if name[0].isupper()}
    assert len(ours) == 8
    assert not ours & set(T.__all__)
    names = set(torch.utils.data.IterDataPipe.functions)
    assert {"add_radius_graph", "add_edge_vectors", "add_radial_basis"} <= names
    assert {"add_spherical_harmonics", "add_node_attributes"} <= names
    assert {"random_orthogonal", "select_target", "radius_graph"} <= names


@pytest.mark.parametrize(
    "transform",
    [SelectTarget(0), *pipeline().transforms],
    ids=lambda t: type(t).__name__,
)
def test_each_step_takes_graphs_alone(transform: Any) -> None:
    name = type(transform).__name__
    with pytest.raises(TypeError, match=f"{name} needs a torch_geometric Data.*dict"):
        transform({"pos": torch.zeros(2, 3)})


def test_the_functional_names_work(molecules: list[Data]) -> None:
    from torch_geometric.data.datapipes import DatasetAdapter

    pipe = DatasetAdapter(molecules).add_radius_graph(cutoff=3.0).add_edge_vectors()
    expected = AddEdgeVectors()(AddRadiusGraph(3.0)(molecules[0]))
    assert torch.equal(next(iter(pipe)).edge_vec, expected.edge_vec)


@pytest.mark.parametrize("network", [n.model for n in NETWORKS.values()])
@pytest.mark.parametrize("kind", ["molecules", "crystals"])
def test_networks_take_transformed_or_bare_data(
    network: Any, kind: str, request: pytest.FixtureRequest
) -> None:
    graphs = request.getfixturevalue(kind)
    for data in graphs:
        data.z = data.z.clamp(5, 8) + 1
    model = network(num_layers=2, cutoff=3.0).double()
    batch = Batch.from_data_list([AddRadiusGraph(3.0)(data) for data in graphs])
    periodic = {name: batch[name] for name in ("cell", "pbc") if name in batch}
    bare = model(batch.z, batch.pos, batch.batch, **periodic)
    if "edge_shift" in batch:
        periodic["edge_shift"] = batch.edge_shift
        assert batch.edge_shift.any()
    given = model(batch.z, batch.pos, batch.batch, batch.edge_index, **periodic)
    torch.testing.assert_close(given, bare, atol=1e-10, rtol=0)


def test_segnn_takes_physical_quantities_as_node_attributes(
    molecules: list[Data],
) -> None:
    physical = AddNodeAttributes(2, ["vel"], edges=False, unit_scalar=False)
    data = AddSphericalHarmonics(lmax=2)(AddRadiusGraph(3.0)(molecules[2]))
    model = SEGNN(lmax_attr=2, cutoff=3.0)
    edges = model.edges.embed(model.graph(data.pos, edge_index=data.edge_index))
    attr = edges.node_attr(physical(data).node_attr)
    expected = AddNodeAttributes(2, ["vel"])(data).node_attr
    torch.testing.assert_close(attr, expected, atol=1e-10, rtol=0)
