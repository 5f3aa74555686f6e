"""Every network takes features of any irreps at atoms and edges, and keeps symmetry."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.export import Dim
from torch_geometric.data import Data

from pyg_equivariant.nn import SEGNN, ForceField
from pyg_equivariant.nn.models import MolecularModel
from pyg_equivariant.o3 import Irreps, rotate
from pyg_equivariant.testing import assert_permutation_equivariant

NODE, EDGE = Irreps("2x0e+1x1o+2x1e+1x0o+1x2e"), Irreps("1x0e+2x1o+1x2e")
BESIDE: dict[str, Any] = {"irreps_x": NODE, "irreps_edge": EDGE}
INSTEAD: dict[str, Any] = {"irreps_in": NODE, "irreps_edge": EDGE}
Rotations = Callable[[str], Tensor]
GIVEN = {"beside": BESIDE, "instead": INSTEAD}
Build = Callable[..., MolecularModel]


def inputs_of(data: Data, given: dict[str, Any]) -> dict[str, Tensor]:
    """Random features of atoms and edges, in place of species if so."""
    generator = torch.Generator().manual_seed(len(data.z))
    options: dict[str, Any] = {"generator": generator, "dtype": torch.float64}
    features = NODE.randn(len(data.z), -1, **options)
    inputs = {"z": data.z, "x": features, "pos": data.pos, "batch": data.batch}
    if "irreps_in" in given:
        inputs |= {"z": inputs.pop("x")}
    edge_attr = EDGE.randn(data.edge_index.shape[1], -1, **options)
    return {**inputs, "edge_index": data.edge_index, "edge_attr": edge_attr}


def turned(inputs: dict[str, Any], R: Tensor, shift: Tensor | float) -> dict[str, Any]:
    """The same from another side."""
    out = {**inputs, "pos": inputs["pos"] @ R.T + shift}
    name = "x" if "x" in inputs else "z"
    out[name] = rotate(NODE, inputs[name], R)
    out["edge_attr"] = rotate(EDGE, inputs["edge_attr"], R)
    return out


@pytest.fixture(params=list(GIVEN))
def given(request: pytest.FixtureRequest) -> dict[str, Any]:
    return GIVEN[request.param]


@pytest.mark.parametrize("graph", ["two_molecules", "no_edges", "single_node", "empty"])
def test_predictions_do_not_depend_on_the_axes(
    smooth: Any,
    graphs: dict[str, Data],
    given: dict[str, Any],
    graph: str,
    rotations: Rotations,
) -> None:
    model, inputs = smooth(**given).eval(), inputs_of(graphs[graph], given)
    energy = model(**inputs)
    assert energy.isfinite().all()
    for R in rotations(smooth.network.group):
        found = model(**turned(inputs, R, 3.0))
        torch.testing.assert_close(found, energy, rtol=1e-10, atol=1e-10)


def test_every_irrep_is_read(
    smooth: Build, graphs: dict[str, Data], given: dict[str, Any]
) -> None:
    model, inputs = smooth(**given).eval(), inputs_of(graphs["two_molecules"], given)
    names = {"x" if "x" in inputs else "z": NODE, "edge_attr": EDGE}
    for name, irreps in names.items():
        inputs[name] = inputs[name].requires_grad_()
        energy = model(**inputs)
        (gradient,) = torch.autograd.grad(energy.sum(), inputs[name])
        for block, part in zip(irreps, irreps.split(gradient), strict=True):
            assert part.abs().amax(dim=(0, 1)).gt(1e-8).all(), block


def test_the_order_of_atoms_and_edges_does_not_matter(
    build: Build, name: str, graphs: dict[str, Data], given: dict[str, Any]
) -> None:
    inputs = inputs_of(graphs["two_molecules"], given)
    model, names = build(name, head="node", **given), list(inputs)
    kinds = {"edge_index": "edge_index", "edge_attr": "edge"}
    assert_permutation_equivariant(
        lambda *values: model(**dict(zip(names, values, strict=True))),
        list(inputs.values()),
        [kinds.get(name, "node") for name in names],
        "node",
    )


def test_batches_equal_singles(
    smooth: Build, graphs: dict[str, Data], given: dict[str, Any]
) -> None:
    model = smooth(**given).eval()
    data = graphs["two_molecules"]
    inputs = inputs_of(data, given)
    whole = model(**inputs)
    for k in range(2):
        atoms = data.batch == k
        edges = atoms[data.edge_index[0]]
        part = {
            name: value[edges if name == "edge_attr" else atoms]
            for name, value in inputs.items()
            if name not in ("edge_index", "batch")
        }
        start = int(atoms.nonzero()[0])
        part["edge_index"] = inputs["edge_index"][:, edges] - start
        torch.testing.assert_close(model(**part), whole[k : k + 1])


def test_works_in_float32_and_under_autocast(
    build: Build, name: str, graphs: dict[str, Data], given: dict[str, Any]
) -> None:
    inputs = inputs_of(graphs["two_molecules"], given)
    model = build(name, **given)
    expected = model(**inputs).float()
    model = copy.deepcopy(model).float()
    narrow = {k: v.float() if v.is_floating_point() else v for k, v in inputs.items()}
    torch.testing.assert_close(model(**narrow), expected, rtol=1e-3, atol=1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(**narrow).isfinite().all()


def test_forces_come_with_features(
    smooth: Any, graphs: dict[str, Data], given: dict[str, Any], rotations: Rotations
) -> None:
    model = ForceField(smooth(local=True, **given)).eval()
    inputs = inputs_of(graphs["two_molecules"], given)
    forces = model(**inputs).forces
    (R, _) = rotations(smooth.network.group)
    found = model(**turned(inputs, R, 0.0)).forces
    torch.testing.assert_close(found, forces @ R.T, rtol=1e-9, atol=1e-9)
    assert forces.abs().max() > 1e-3


def test_the_response_to_a_field_exists_without_one(
    smooth: Any, graphs: dict[str, Data], rotations: Rotations
) -> None:
    """Polarizabilities are second derivatives by a field, at zero."""
    model, data = smooth(irreps_x="1x1o", num_layers=1).eval(), graphs["planar"]

    def response(pos: Tensor) -> Tensor:
        def energy(field: Tensor) -> Tensor:
            return model(data.z, pos, x=field.expand(len(pos), 3)).sum()

        return torch.autograd.functional.hessian(energy, pos.new_zeros(3))

    expected = response(data.pos)
    assert expected.diagonal().abs().min() > 1e-6
    for R in rotations(smooth.network.group):
        found = response(data.pos @ R.T)
        torch.testing.assert_close(found, R @ expected @ R.T, rtol=1e-8, atol=1e-9)


class _Named(torch.nn.Module):
    """A network with all of its inputs by name, for the exporter."""

    def __init__(self, model: MolecularModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        z: Tensor,
        x: Tensor,
        pos: Tensor,
        batch: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
    ) -> Tensor:
        given = {"x": x, "edge_attr": edge_attr, "batch_size": 2}
        return self.model(z, pos, batch, edge_index, **given)


@pytest.mark.slow
def test_exports_with_any_number_of_atoms_and_edges(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    small = {"lmax_attr": 1} if name == "SEGNN" else {}
    model = build(name, num_layers=1, **small, **BESIDE, irreps_out="1x1e+1x2e").eval()
    inputs = inputs_of(graphs["two_molecules"], BESIDE)
    atoms, edges = Dim("atoms"), Dim("edges")
    shapes = {key: {0: atoms} for key in ("z", "x", "pos", "batch")}
    shapes |= {"edge_index": {1: edges}, "edge_attr": {0: edges}}
    program = torch.export.export(
        _Named(model), tuple(inputs.values()), dynamic_shapes=shapes
    ).module()
    other = inputs_of(graphs["planar"], BESIDE)
    other["batch"] = torch.tensor([0, 0, 1, 1])
    found = program(*other.values())
    torch.testing.assert_close(found, model(**other, batch_size=2))


@pytest.mark.slow
def test_compiles_whole_and_once_for_all_batches(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    from torch._dynamo.testing import CompileCounterWithBackend

    torch.compiler.reset()
    small = {"lmax_attr": 1} if name == "SEGNN" else {}
    model = build(name, num_layers=1, **small, **BESIDE, irreps_out="ij=ji")
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=counter)
    frames = []
    for graph in ("two_molecules", "asymmetric", "planar"):
        inputs: dict[str, Any] = inputs_of(graphs[graph], BESIDE)
        inputs["batch"] = inputs["pos"][:, 0].ge(0).long()
        inputs["batch_size"] = 2
        torch.testing.assert_close(compiled(**inputs), model(**inputs))
        frames.append(counter.frame_count)
    assert frames[0] == frames[-1] > 0


def test_what_was_not_announced_is_refused(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    data = graphs["two_molecules"]
    bare, both, alone = build(name), build(name, **BESIDE), build(name, **INSTEAD)
    inputs = inputs_of(data, BESIDE)
    with pytest.raises(ValueError, match=r"x came.* without irreps_x"):
        bare(data.z, data.pos, data.batch, x=inputs["x"])
    edge_index, edge_attr = inputs["edge_index"], inputs["edge_attr"]
    with pytest.raises(ValueError, match=r"edge_attr came.* without irreps_edge"):
        bare(data.z, data.pos, edge_index=edge_index, edge_attr=edge_attr)
    for missing in ("x", "edge_attr"):
        with pytest.raises(ValueError, match=f"{missing} is missing: expected"):
            both(**{**inputs, missing: None})
        with pytest.raises(
            ValueError, match=rf"{missing} of shape .* one row for each"
        ):
            both(**{**inputs, missing: inputs[missing][1:]})
    with pytest.raises(ValueError, match="build it with irreps_x, not irreps_in"):
        alone(**{**inputs, "z": inputs["x"]})
    with pytest.raises(TypeError, match=r"z holds features of .*int64"):
        alone(data.z, data.pos, edge_index=edge_index, edge_attr=edge_attr)
    with pytest.raises(ValueError, match="give one, which may hold all"):
        build(name, irreps_in="1x0e", irreps_x="1x0e")
    with pytest.raises(ValueError, match="irreps_x holds no features"):
        build(name, irreps_x="0x0e")


def test_features_of_edges_that_are_found_are_refused(
    smooth: Build, graphs: dict[str, Data]
) -> None:
    """Nobody knows their order."""
    data = graphs["two_molecules"]
    model = smooth(local=True, irreps_edge="1x0e")
    edge_index = model.graph(data.pos, data.batch).edge_index
    edge_attr = torch.randn(edge_index.shape[1], 1, dtype=torch.float64)
    inputs = {"batch": data.batch, "edge_attr": edge_attr}
    for call in (model, ForceField(model)):
        with pytest.raises(ValueError, match=r"edge_attr .* but edge_index is None"):
            call(data.z, data.pos, **inputs)
    model(data.z, data.pos, **inputs, edge_index=edge_index)


@pytest.mark.parametrize("name", ["EGNN", "SEGNN"], indirect=True)
def test_scalars_of_edges_have_one_of_two_names(build: Build, name: str) -> None:
    with pytest.raises(ValueError, match="edge_dim=2 is 2x0e, got irreps 1x1o"):
        build(name, edge_dim=2, irreps_edge="1x1o")
    shapes = [
        {key: value.shape for key, value in build(name, **option).state_dict().items()}
        for option in ({"edge_dim": 2}, {"irreps_edge": "2x0e"})
    ]
    assert shapes[0] == shapes[1]


def test_physical_attributes_of_any_irreps_steer(
    graphs: dict[str, Data], rotations: Rotations
) -> None:
    small: dict[str, Any] = {"hidden_channels": 8, "num_layers": 1, "lmax": 1}
    small |= {"lmax_attr": 1, "cutoff": 2.5, "species": tuple(range(1, 10))}
    data, irreps = graphs["two_molecules"], Irreps("2x1e+1x0o")
    model = SEGNN(**small, irreps_node_attr=irreps, irreps_out="1x1e").double()
    attr = irreps.randn(len(data.z), -1, dtype=torch.float64)

    def call(pos: Tensor, attr: Tensor) -> Tensor:
        return model(data.z, pos, data.batch, node_attr=attr)

    out = call(data.pos, attr)
    assert (out - call(data.pos, 2 * attr)).abs().max() > 1e-4
    for R in rotations("O(3)"):
        found = call(data.pos @ R.T, rotate(irreps, attr, R))
        torch.testing.assert_close(found, rotate("1x1e", out, R))
    with pytest.raises(ValueError, match=r"features of 2x1e\+1x0o: expected 7"):
        call(data.pos, attr[:, :3])
    with pytest.raises(ValueError, match="node_attr is missing"):
        model(data.z, data.pos)


def test_a_pseudovector_where_harmonics_belong_is_told_the_way(
    graphs: dict[str, Data],
) -> None:
    data = graphs["two_molecules"]
    model = SEGNN(8, lmax=1, lmax_attr=1, num_layers=1, species=tuple(range(1, 10)))
    spin = torch.randn(len(data.z), 3)
    with pytest.raises(ValueError, match=r"1x0e\+1x1o as .*irreps_node_attr='1x1e'"):
        model(data.z, data.pos.float(), node_attr=spin)
