"""From the features of atoms to the properties of molecules."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn.inits import reset

from ..pool import Atoms
from .features import Features


class Head(torch.nn.Module):
    """Base of the heads.

    Attributes:
        reduce: how atomic scalars become the prediction: ``"sum"``, ``"mean"``,
            ``"node"`` (not at all), or ``None`` if it is no sum of atomic scalars.
        invariant: whether the prediction stays the same under rotations.
        translates: whether it moves with the origin, as positions do.
        extensive: whether it is a sum over atoms with nothing after it, so that parts
            of a system add up.
    """

    reduce: str | None = None
    invariant: bool = True
    translates: bool = False
    extensive: bool = False

    def forward(
        self,
        features: Features,
        z: Tensor,
        batch: Tensor | None = None,
        batch_size: int = 1,
    ) -> Tensor:
        """The prediction."""
        return self.predict(features, Atoms(z, batch, batch_size))

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """The prediction: what a head defines, if not ``forward``."""
        raise TypeError(
            f"{type(self).__name__} defines neither forward() nor predict()"
        )

    def per_atom(self, features: Features, atoms: Atoms) -> Tensor:
        """What each atom adds to the prediction of an extensive head, ``(|V|, out)``.

        Raises:
            TypeError: if the prediction is no sum over atoms.
        """
        raise TypeError(
            f"{type(self).__name__} predicts no sum over atoms with nothing after it, "
            "as head='extensive' does"
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in self.children():
            reset(module)


class ScalarHead(Head):
    r"""Scalars of molecules or atoms.

    .. math::
        y = \text{post}\Big(\operatorname{reduce}_i \text{pre}(\mathbf{x}_i)\Big)

    Args:
        pre: network on the scalars of every atom.
        post: network on every molecule, or ``None``.
        reduce: ``"sum"`` for extensive, ``"mean"`` for intensive properties, ``"node"``
            for a value at every atom.

    Example:
        >>> ScalarHead(torch.nn.Linear(8, 1), reduce="mean").reduce
        'mean'
    """

    def __init__(
        self,
        pre: torch.nn.Module,
        post: torch.nn.Module | None = None,
        reduce: str = "sum",
    ) -> None:
        super().__init__()
        if reduce not in ("sum", "mean", "node"):
            raise ValueError(f"reduce is 'sum', 'mean' or 'node', got {reduce!r}")
        self.pre = pre
        self.post = post
        self.reduce = reduce
        self.extensive = reduce == "sum" and post is None

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Predict ``(num_graphs, out)``, or ``(|V|, out)``."""
        out: Tensor = self.pre(features.x)
        dtype = out.dtype
        if self.reduce in ("sum", "mean"):
            out = atoms.pool(out, self.reduce)
        return out if self.post is None else self.post(out.to(dtype))

    def per_atom(self, features: Features, atoms: Atoms) -> Tensor:
        """The terms of the sum, if nothing comes after it."""
        if not self.extensive:
            return super().per_atom(features, atoms)
        return self.pre(features.x)


class ExtensiveHead(Head):
    r"""The sum of what another head gives for every atom, and nothing after it.

    .. math::
        y = \sum_i y_i

    Molecules far apart, and repeated cells of a crystal, then add up exactly.

    Args:
        atomic: a head with ``reduce="node"``.

    Example:
        >>> ExtensiveHead(ScalarHead(torch.nn.Linear(8, 1), reduce="node")).reduce
        'sum'
    """

    reduce = "sum"
    extensive = True

    def __init__(self, atomic: Head) -> None:
        super().__init__()
        if atomic.reduce != "node":
            raise ValueError(
                f"expected a head with reduce='node', got {atomic.reduce!r}"
            )
        self.atomic = atomic

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Predict ``(num_graphs, out)``."""
        return atoms.pool(self.per_atom(features, atoms))

    def per_atom(self, features: Features, atoms: Atoms) -> Tensor:
        """The terms of the sum."""
        return self.atomic(features, *atoms)
