"""Dipoles, polarizabilities and other moments, from scalars and vectors of atoms."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import (
    check_device,
    check_real,
    check_tensor,
    safe_norm,
    widen,
)

from ..activation import ActivationLike
from ..mlp import MLP
from ..pool import Atoms
from ._species import check_species
from .features import Features
from .gated_block import GatedEquivariantBlock
from .heads import Head


class AtomicMoments(Head):
    """Base: a scalar, and a vector where the network has vectors, at every atom.

    See :class:`DipoleHead` for arguments.
    """

    def __init__(
        self, channels: int, vec_channels: int, act: ActivationLike = "silu"
    ) -> None:
        super().__init__()
        hidden = max(channels // 2, 1)
        if vec_channels:
            vec_hidden = max(vec_channels // 2, 1)
            self.blocks = torch.nn.ModuleList(
                [
                    GatedEquivariantBlock(
                        (channels, vec_channels), (hidden, vec_hidden), act, True
                    ),
                    GatedEquivariantBlock((hidden, vec_hidden), (1, 1), act),
                ]
            )
            self.scalar = None
        else:
            self.blocks = torch.nn.ModuleList()
            self.scalar = MLP([channels, hidden, 1], act, init="xavier")

    def moments(self, features: Features) -> tuple[Tensor, Tensor]:
        """Scalars ``(|V|, 1)`` and vectors ``(|V|, 3)``, zero without vectors."""
        _check_atoms(features)
        if self.scalar is not None:
            return self.scalar(features.x), torch.zeros_like(features.pos)
        x, vec = features.x, features.vec
        if vec is None:
            raise ValueError("this head was built for vectors, but there are none")
        for block in self.blocks:
            x, vec = block(x, vec)
        return x, vec.squeeze(-1)


def _check_atoms(features: Features) -> None:
    check_real(features.x, "x")
    check_real(features.pos, "pos")
    check_device(features.pos, features.x, "pos", "x")
    if features.pos.shape != (*features.x.shape[:1], 3):
        raise ValueError(
            f"expected pos (|V|, 3) and x (|V|, *), got pos "
            f"{tuple(features.pos.shape)} and x {tuple(features.x.shape)}"
        )


def _check_charges(z: Tensor, pos: Tensor) -> None:
    check_tensor(z, "z")
    if z.shape[:1] != pos.shape[:1]:
        raise ValueError(
            f"expected one row of z for each of {pos.shape[0]} positions, got shape "
            f"{tuple(z.shape)}"
        )
    check_device(z, pos, "z", "pos")
    if z.is_complex() or z.dtype == torch.bool:
        raise TypeError(f"z holds atomic numbers or features of atoms, got {z.dtype}")
    if not z.is_floating_point() and z.dim() != 1:
        raise ValueError(f"expected atomic numbers z (|V|,), got {tuple(z.shape)}")


def centered(pos: Tensor, atoms: Atoms, weight: Tensor | None = None) -> Tensor:
    """Positions from the centre of the weights, by default the nuclear charges.

    These are the origin of the multipoles in QM9. Atoms without a number weigh 1.
    """
    if weight is None:
        _check_charges(atoms.z, pos)
        has_numbers = not atoms.z.is_floating_point()
        weight = atoms.z.to(pos.dtype) if has_numbers else torch.ones_like(pos[:, 0])
    weight = widen(weight).unsqueeze(-1)
    total = atoms.pool(torch.cat([weight * pos, weight], dim=-1))
    center = total[:, :3] / total[:, 3:].clamp(min=1e-12)
    return (pos - atoms.spread(center)).to(pos.dtype)


class DipoleHead(AtomicMoments):
    r"""The dipole moment, from charges and atomic dipoles.

    .. math::
        \vec\mu = \sum_i q_i\, \vec r_i + \vec\mu_i, \qquad \sum_i q_i = 0

    The predicted charges are corrected to a neutral molecule, so that the origin does
    not matter (`SchNetPack <https://github.com/atomistic-machine-learning/schnetpack>`_
    does the same). Networks without vectors have :math:`\vec\mu_i = 0`.

    Args:
        channels: number of scalars of an atom.
        vec_channels: number of vectors of an atom, 0 for a network without.
        act: activation inside.
        magnitude: predict :math:`|\vec\mu|`, ``(num_graphs, 1)``, instead of the vector
            ``(num_graphs, 3)``.
        masses: one mass per atomic number. Charges then stay as they are, and positions
            count from the centre of mass, as in :class:`torch_geometric.nn.SchNet`
            (default: ``None``).
    """

    masses: Tensor | None

    def __init__(
        self,
        channels: int,
        vec_channels: int = 0,
        act: ActivationLike = "silu",
        magnitude: bool = False,
        masses: Tensor | None = None,
    ) -> None:
        super().__init__(channels, vec_channels, act)
        self.magnitude = magnitude
        self.invariant = magnitude
        if masses is not None:
            masses = torch.as_tensor(masses, dtype=torch.get_default_dtype()).clone()
        self.register_buffer("masses", masses)

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Predict the dipole moment of every graph."""
        q, mu = self.moments(features)
        pos = features.atoms
        if self.masses is None:
            q = q - atoms.spread(atoms.pool(q, "mean"))
        else:
            _check_charges(atoms.z, pos)
            check_species(atoms.z, len(self.masses), "masses")
            pos = centered(pos, atoms, self.masses[atoms.z.long()])
        dipole = atoms.pool(q * pos + mu)
        return safe_norm(dipole, keepdim=True) if self.magnitude else dipole


class PolarizabilityHead(AtomicMoments):
    r"""The polarizability tensor, from atomic scalars and vectors.

    .. math::
        \boldsymbol\alpha = \sum_i \alpha_i \mathbf{1}
        + \vec\nu_i \otimes \vec r_i + \vec r_i \otimes \vec\nu_i

    as in `"Equivariant message passing for the prediction of tensorial properties and
    molecular spectra" <https://arxiv.org/abs/2102.03150>`_, with positions from the
    centre of nuclear charge.

    Args:
        channels, vec_channels, act: as in :class:`DipoleHead`; without vectors, only
            the isotropic part is learned.
        isotropic: predict a third of the trace, ``(num_graphs, 1)``, instead of the
            tensor ``(num_graphs, 3, 3)``.
    """

    def __init__(
        self,
        channels: int,
        vec_channels: int = 0,
        act: ActivationLike = "silu",
        isotropic: bool = False,
    ) -> None:
        super().__init__(channels, vec_channels, act)
        self.isotropic = isotropic
        self.invariant = isotropic

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Predict the polarizability of every graph."""
        alpha, nu = self.moments(features)
        r = centered(features.atoms, atoms)
        outer = nu.unsqueeze(-1) * r.unsqueeze(-2)
        identity = torch.eye(3, dtype=r.dtype, device=r.device)
        atomic = alpha.unsqueeze(-1) * identity + outer + outer.transpose(-1, -2)
        tensor = atoms.pool(atomic)
        if not self.isotropic:
            return tensor
        return tensor.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True)


class SpatialExtentHead(AtomicMoments):
    r"""The electronic spatial extent.

    .. math::
        \langle R^2 \rangle = \sum_i q_i\, |\vec r_i|^2

    With positions from the centre of nuclear charge, the origin of QM9's values.

    Args:
        channels, vec_channels, act: as in :class:`DipoleHead`; vectors are not used.
    """

    def __init__(
        self, channels: int, vec_channels: int = 0, act: ActivationLike = "silu"
    ) -> None:
        super().__init__(channels, 0, act)

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Predict ``(num_graphs, 1)``."""
        q, _ = self.moments(features)
        r = centered(features.atoms, atoms)
        return atoms.pool(q * r.square().sum(-1, keepdim=True))


class VectorHead(AtomicMoments):
    """One vector ``(|V|, 3)`` at every atom, such as a displacement.

    Args:
        channels, vec_channels, act: as in :class:`DipoleHead`, with vectors.
    """

    invariant = False

    def __init__(
        self, channels: int, vec_channels: int, act: ActivationLike = "silu"
    ) -> None:
        if vec_channels == 0:
            raise ValueError("this network has no vectors to predict vectors from")
        super().__init__(channels, vec_channels, act)

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Predict a vector for every atom."""
        return self.moments(features)[1]


class PositionHead(Head):
    """The positions ``(|V|, 3)`` to which the network has moved the atoms."""

    invariant = False
    translates = True

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Return the positions."""
        if features.start is None:
            raise ValueError("this network does not move the atoms")
        return features.pos
