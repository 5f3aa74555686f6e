from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import hessian

from pyg_equivariant.graph import edge_vectors, radius_graph
from pyg_equivariant.o3 import safe_norm


def crystal(
    generator: torch.Generator, graphs: int
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor | None]]:
    """Positions, cells, batch and edges of several small triclinic crystals."""
    cell = 3 * torch.eye(3) + torch.rand(graphs, 3, 3, generator=generator)
    pos = 4 * torch.rand(4 * graphs, 3, generator=generator)
    batch = torch.arange(graphs).repeat_interleave(4)
    cell, pos = cell.double(), pos.double()
    return pos, cell, batch, radius_graph(pos, 3.0, batch, cell)


@pytest.mark.parametrize("graphs", [1, 3])
def test_source_minus_target_plus_translation(
    generator: torch.Generator, graphs: int
) -> None:
    pos, cell, batch, (edge_index, shift) = crystal(generator, graphs)
    assert shift is not None
    vectors = edge_vectors(pos, edge_index, shift, cell, batch)
    assert len(vectors) > 30 * graphs
    for (j, i), s, vector in zip(edge_index.t(), shift, vectors, strict=True):
        expected = pos[j] + s.double() @ cell[batch[i]] - pos[i]
        torch.testing.assert_close(vector, expected, atol=1e-12, rtol=0)


def test_one_cell_has_four_spellings(generator: torch.Generator) -> None:
    pos, cell, batch, (edge_index, shift) = crystal(generator, 1)
    expected = edge_vectors(pos, edge_index, shift, cell[0])
    for box, graph in ((cell, None), (cell, batch), (cell[0], batch)):
        assert torch.equal(edge_vectors(pos, edge_index, shift, box, graph), expected)


def test_an_edge_and_its_reverse_are_exactly_opposite(
    generator: torch.Generator,
) -> None:
    pos, cell, batch, (edge_index, shift) = crystal(generator, 2)
    assert shift is not None
    for dtype in (torch.float32, torch.float64):
        box = cell.to(dtype)
        there = edge_vectors(pos.to(dtype), edge_index, shift, box, batch)
        back = edge_vectors(pos.to(dtype), edge_index.flip(0), -shift, box, batch)
        assert torch.equal(there, -back)
        assert there.dtype == dtype


def test_the_precision_is_that_of_the_positions() -> None:
    pos, edge_index = torch.rand(2, 3), torch.tensor([[0], [1]])
    shift = torch.ones(1, 3, dtype=torch.long)
    vectors = edge_vectors(pos, edge_index, shift, torch.eye(3).double())
    assert vectors.dtype == torch.float32


def test_edges_between_two_sets_of_nodes() -> None:
    source = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    target = torch.tensor([[0.5, 0.0, 0.0]])
    vectors = edge_vectors((source, target), torch.tensor([[0, 1], [0, 0]]))
    assert vectors.tolist() == [[0.5, 2.0, 3.0], [-0.5, 0.0, 0.0]]


def test_derivatives_in_positions_and_cell(generator: torch.Generator) -> None:
    pos, cell, batch, (edge_index, shift) = crystal(generator, 2)
    pos.requires_grad_()
    cell.requires_grad_()

    def energy(pos: Tensor, cell: Tensor) -> Tensor:
        vectors = edge_vectors(pos, edge_index, shift, cell, batch)
        return safe_norm(vectors).exp().neg().sum()

    assert torch.autograd.gradcheck(energy, (pos, cell))
    assert torch.autograd.gradgradcheck(energy, (pos, cell))


def test_forces_on_coincident_atoms_are_finite() -> None:
    pos = torch.tensor([[0.0, 0, 0], [0, 0, 0], [0, 1, 0]], requires_grad=True)
    edge_index, _ = radius_graph(pos, 2.0)
    assert edge_index.size(1) == 6
    length = safe_norm(edge_vectors(pos, edge_index))
    forces = -torch.autograd.grad((-length).exp().sum(), pos, create_graph=True)[0]
    hessian = torch.autograd.grad(forces.square().sum(), pos)[0]
    assert forces.isfinite().all()
    assert hessian.isfinite().all()
    assert forces.abs().max() > 0.1
    torch.testing.assert_close(forces[0], forces[1])


def test_compiles_in_one_graph() -> None:
    compiled = torch.compile(edge_vectors, fullgraph=True, backend="eager")
    pos, edge_index = torch.rand(3, 3), torch.tensor([[0, 1], [1, 2]])
    shift, cell = torch.ones(2, 3, dtype=torch.long), torch.rand(2, 3, 3)
    batch = torch.tensor([0, 1, 1])
    torch.testing.assert_close(
        compiled(pos, edge_index, shift, cell, batch),
        edge_vectors(pos, edge_index, shift, cell, batch),
    )


def test_edges_without_images_are_refused_in_compiled_code_too() -> None:
    """There nobody looks at the cell, unless a part falls back to plain calls."""
    torch.compiler.reset()
    pos, edge_index = torch.rand(3, 3), torch.tensor([[0, 1], [1, 2]])
    compiled = torch.compile(edge_vectors, backend="eager")
    with pytest.raises(ValueError, match="cell came without edge_shift"):
        compiled(pos, edge_index, cell=torch.eye(3))
    zeros = compiled(pos, edge_index, cell=torch.zeros(3, 3))
    assert torch.equal(zeros, edge_vectors(pos, edge_index))
    torch.compiler.reset()
    compiled = torch.compile(edge_vectors, fullgraph=True, backend="eager")
    # torch 2.8 leaves the text of the error out
    said = "came without edge_shift|Observed exception"
    with pytest.raises(torch._dynamo.exc.Unsupported, match=said):
        compiled(pos, edge_index, cell=torch.eye(3))


def test_bad_input_is_one_clear_line() -> None:
    pos, edge_index = torch.rand(2, 3), torch.tensor([[0], [1]])
    shift = torch.ones(1, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="there is no cell"):
        edge_vectors(pos, edge_index, shift)
    for cell in (torch.eye(3), torch.rand(2, 3, 3)):
        with pytest.raises(ValueError, match="cell came without edge_shift"):
            edge_vectors(pos, edge_index, cell=cell)
    with pytest.raises(ValueError, match="2 cells and no batch"):
        edge_vectors(pos, edge_index, shift, torch.rand(2, 3, 3))
    with pytest.raises(ValueError, match=r"cell must have shape .* got \(3,\)"):
        edge_vectors(pos, edge_index, shift, torch.rand(3))


def test_hessians_of_several_cells_by_forward_mode(generator: torch.Generator) -> None:
    pos, cell, batch, edges = crystal(generator, 2)

    def function(cell: Tensor) -> Tensor:
        return edge_vectors(pos, *edges, cell, batch).square().sum(-1).sin().sum()

    options = {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}
    expected = hessian(function, cell)
    torch.testing.assert_close(hessian(function, cell, **options), expected)


def test_a_cell_of_zeros_repeats_nothing() -> None:
    pos, edge_index = torch.rand(2, 3), torch.tensor([[0], [1]])
    expected = edge_vectors(pos, edge_index)
    assert torch.equal(
        edge_vectors(pos, edge_index, cell=torch.zeros(1, 3, 3)), expected
    )
