"""Forces and stress from any energy model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack

from pyg_equivariant.graph import check_batch, check_cell
from pyg_equivariant.o3 import check_tensor, widen

from ..module import describe
from ..pool import number_of_graphs
from .molecular import MolecularModel


class EnergyForces(NamedTuple):
    """What :class:`ForceField` predicts."""

    energy: Tensor
    """(num_graphs, 1)"""
    forces: Tensor
    """``(|V|, 3)``"""
    stress: Tensor | None
    """(num_graphs, 3, 3), or None if it was not asked for"""


class ForceField(torch.nn.Module):
    r"""Differentiates an energy with respect to positions and strain.

    .. math::
        \vec F_i = -\frac{\partial E}{\partial \vec r_i}, \qquad
        \boldsymbol\sigma = \frac{1}{V}\,
        \frac{\partial E}{\partial \boldsymbol\epsilon}, \qquad
        \vec r \to \vec r\,(\mathbf{1} + \boldsymbol\epsilon), \quad
        \mathbf{A} \to \mathbf{A}\,(\mathbf{1} + \boldsymbol\epsilon)

    with a symmetric strain :math:`\boldsymbol\epsilon` of each graph and the volume
    :math:`V = |\det \mathbf{A}|` of its cell (a graph whose cell is zero, a molecule in
    a batch of crystals, has no stress: zero). In training mode forces and stress can be
    differentiated again, so a loss of all three trains the model. Forces conserve
    energy, and a graph without edges has zero forces.

    Args:
        model: any network of :mod:`pyg_equivariant.nn`, or any module or function of
            your own, that returns one energy per graph: it is called as
            ``model(z, pos, batch, ...)`` with those of the other arguments by name that
            came. Edge vectors have to follow from ``pos`` (and ``cell``) by
            differentiable steps, as those of :class:`~pyg_equivariant.nn.EdgeEmbedding`
            do; edge lengths computed beforehand would give zero forces.
        compute_stress: predict the stress too; calls then need ``cell``
            (default: ``False``).

    Shapes:
        - **input:** as the model, see :class:`MolecularModel`
        - **output:** energies :math:`(B, 1)`, forces :math:`(|V|, 3)` in energy per
          length, stress :math:`(B, 3, 3)` in energy per volume, or ``None``

    Warns:
        UserWarning: if the energies of a network jump where atoms come within its
            cutoff, or those of parts far apart do not add up, which dynamics notices;
            the message says what arguments cure it.

    Raises:
        ValueError: if the model predicts no energy, or stress is asked for and there is
            no cell.

    Example:
        >>> from pyg_equivariant.nn.models.schnet import SchNet
        >>> model = ForceField(SchNet(hidden_channels=16, num_layers=2))
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> energy, forces, stress = model(z, pos)
        >>> energy.shape, forces.shape, stress
        (torch.Size([1, 1]), torch.Size([3, 3]), None)
    """

    def __init__(
        self, model: Callable[..., Tensor], compute_stress: bool = False
    ) -> None:
        super().__init__()
        if not callable(model):
            raise TypeError(f"model is a module or a function, got {model!r}")
        head = getattr(model, "head", model)
        if head is None or not getattr(head, "invariant", True):
            raise ValueError(f"forces need a model of an energy, got head={head}")
        _warn_of_energies(model)
        self.model = model
        self.compute_stress = compute_stress

    def forward(
        self,
        z: Tensor,
        pos: Tensor,
        batch: Tensor | None = None,
        edge_index: Tensor | None = None,
        edge_shift: Tensor | None = None,
        cell: Tensor | None = None,
        pbc: Tensor | None = None,
        batch_size: int | None = None,
        **inputs: Any,
    ) -> EnergyForces:
        """Predict energy, forces and stress."""
        self._check(z, pos, batch, cell, batch_size)
        edges = {"edge_index": edge_index, "edge_shift": edge_shift, "cell": cell}
        inputs |= edges | {"pbc": pbc, "batch_size": batch_size}
        with torch.inference_mode(False), torch.enable_grad():
            given = {
                name: _differentiable(x) for name, x in inputs.items() if x is not None
            }
            z, pos, batch = map(_differentiable, (z, pos, batch))
            number = number_of_graphs(batch, batch_size)
            cells = pos.new_zeros(0, 3, 3)
            if self.compute_stress:
                cells = _cell_of_each(given["cell"], number).to(pos.dtype)

            def total(pos: Tensor, strain: Tensor) -> tuple[Tensor, Tensor]:
                moved, strained = _deform(pos, batch, cells, strain)
                if self.compute_stress:
                    given["cell"] = strained
                energy = self.model(z, moved, batch, **given)
                _check_energy(energy, number)
                # the sum reaches pos even where no edge does
                return energy.sum() + 0 * (pos.sum() + strain.sum()), energy

            gradients, energy = _gradients(total, pos, cells, self.training)
        forces = -gradients[0]
        if not self.compute_stress:
            return EnergyForces(energy, forces, None)
        volume = torch.linalg.det(widen(cells)).abs().view(-1, 1, 1)
        stress = gradients[1] / torch.where(volume > 0, volume, 1.0) * (volume > 0)
        return EnergyForces(energy, forces, stress.to(forces.dtype))

    def _check(
        self,
        z: Tensor,
        pos: Tensor,
        batch: Tensor | None,
        cell: Tensor | None,
        batch_size: int | None,
    ) -> None:
        if self.compute_stress and cell is None:
            raise ValueError("the stress of a system needs its cell, got cell=None")
        check_tensor(z, "z")
        check_tensor(pos, "pos")
        if not pos.is_floating_point():
            raise TypeError(f"expected floating-point positions, got {pos.dtype}")
        if pos.dim() != 2 or pos.shape[-1] != 3:
            raise ValueError(f"expected pos (|V|, 3), got shape {tuple(pos.shape)}")
        if batch is not None:
            check_batch(batch, pos, "batch", batch_size)
        if cell is not None:
            check_cell(cell, pos)

    def __repr__(self) -> str:
        return describe(self, "model", "compute_stress")


def _warn_of_energies(model: Callable[..., Tensor]) -> None:
    """Say what of a network's energies dynamics would notice."""
    if not isinstance(model, MolecularModel):
        return
    said, cure = [], []
    if not model.is_smooth:
        said.append("jump where atoms cross the cutoff")
        cure.append("smooth=True")
    if not model.is_extensive:
        said.append("of parts far apart do not add up")
        cure.extend(_for_extensive(model))
    if said:
        warnings.warn(
            f"energies of this {type(model).__name__} {', and '.join(said)}: build a "
            f"network for forces with {', '.join(cure)}",
            stacklevel=3,
        )


def _for_extensive(model: MolecularModel) -> list[str]:
    """The arguments that make energies add up, where they are others."""
    cure = []
    if model.cutoff is None:
        cure.append("a cutoff")
    if model.arguments.get("norm") is not None:
        cure.append("norm=None")
    if model.head is None or not model.head.extensive:
        cure.append("head='extensive'")
    if bool(model.mean.any()):
        cure.append("atomref in place of mean")
    return cure


def _differentiable(x: Any) -> Any:
    """Tensors made in inference mode cannot be saved for a derivative; copies can."""
    return x.clone() if isinstance(x, Tensor) and x.is_inference() else x


def _gradients(
    total: Callable[..., tuple[Tensor, Tensor]],
    pos: Tensor,
    cells: Tensor,
    create_graph: bool,
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Derivatives of a total by positions and a strain of zero, and the energy."""
    strain = torch.zeros_like(cells)
    if peek_interpreter_stack() is not None:  # torch.func derives what it looks on
        derive = torch.func.grad(total, argnums=(0, 1), has_aux=True)
        gradients, energy = derive(pos, strain)
        return gradients, energy
    # Forward mode differentiates again, and a copy keeps its tangent.
    create_graph = create_graph or torch.autograd.forward_ad._current_level >= 0
    pos = pos if pos.requires_grad else pos.clone().requires_grad_()
    value, energy = total(pos, strain.requires_grad_())
    gradients = torch.autograd.grad(value, (pos, strain), create_graph=create_graph)
    return gradients, energy if create_graph else energy.detach()


def _check_energy(energy: Tensor, number: int) -> None:
    if energy.shape != (number, 1):
        raise ValueError(
            "forces need one energy per graph, but the model predicts shape "
            f"{tuple(energy.shape)} for {number} graphs"
        )


def _cell_of_each(cell: Tensor, number: int) -> Tensor:
    cells = cell.reshape(-1, 3, 3)
    if len(cells) not in (1, number):
        raise ValueError(f"cell holds {len(cells)} graphs, expected {number} or one")
    return cells.expand(number, 3, 3)


def _deform(
    pos: Tensor, batch: Tensor | None, cells: Tensor, strain: Tensor
) -> tuple[Tensor, Tensor]:
    """Positions and cells under a symmetric strain of each graph."""
    if not len(cells):
        return pos, cells
    symmetric = (strain + strain.transpose(-1, -2)) / 2
    own = symmetric if batch is None else symmetric.index_select(0, batch)
    moved = pos + (pos.unsqueeze(-2) @ own).squeeze(-2)
    return moved, cells + cells @ symmetric
