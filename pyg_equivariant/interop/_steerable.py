"""Steerable layers of SEGNN's authors, on e3nn."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import Linear, Module

from pyg_equivariant import o3
from pyg_equivariant.nn.steerable_linear import SteerableLinear
from pyg_equivariant.o3 import Irreps

from ._placement import Change, Placement, regrouped


class SteerablePlacement(Placement):
    """The tensors of a reference whose layers are ``O3TensorProduct``.

    Args:
        state_dict: names and tensors of the reference.
        source: what the reference is called in messages.
        path_normalization: how the version of e3nn that the weights were trained with
            scales paths: ``"element"`` from 0.4 on, ``"path"`` before.
        given: irreps that the reference was given. Those that it makes of them, inputs
            of layers and of gates, it simplifies.

    Raises:
        ValueError: if ``path_normalization`` is neither.
    """

    def __init__(
        self,
        state_dict: Mapping[str, Tensor],
        source: str,
        path_normalization: str,
        given: Collection[Irreps],
    ) -> None:
        super().__init__(state_dict, source)
        if path_normalization not in ("element", "path"):
            raise ValueError(
                "path_normalization is 'element' or 'path', got "
                f"{path_normalization!r}; weights trained with e3nn 0.3 have 'path'"
            )
        self.path_normalization = path_normalization
        self.given = given
        constants = re.compile(
            r"(.*\.)?(tp\.output_mask|_compiled_main.*|gate\.mul\..*)"
        )
        self.ignore(name for name in self.tensors if constants.fullmatch(name))

    def place(
        self, name: str, part: Tensor | Module, change: Change | None = None
    ) -> None:
        """Copy an ``O3TensorProduct`` too, into a steerable or a linear layer."""
        stem = f"{name}." if name else ""
        if isinstance(part, SteerableLinear):
            irreps = part.irreps_in, part.irreps_attr, part.irreps_out
            theirs = [x if x in self.given else x.simplify() for x in irreps]
            change = regrouped(self._product(*theirs), part.tp.product)
            self.place(f"{stem}tp.weight", part.weight, change)
            self._place_biases(f"{stem}biases", part.bias, theirs[-1])
        elif isinstance(part, Linear):
            shape = part.in_features, part.out_features
            self.place(f"{stem}tp.weight", part.weight, partial(_matrix, shape))
            self.place(f"{stem}biases", part.bias)
        else:
            super().place(name, part, change)

    def _place_biases(
        self, name: str, parameter: Tensor | None, irreps: Irreps
    ) -> None:
        """Copy the biases of scalars, of which only even ones have a place."""
        blocks = [(mul, ir.p) for mul, ir in irreps if ir.l == 0]
        sizes = [mul for mul, _ in blocks]
        if not sum(sizes):
            return
        biases = self.take(name)
        if biases is not None and biases.shape == (sum(sizes),):
            parts = list(zip(biases.split(sizes), blocks, strict=True))
            if any(part.any() for part, (_, p) in parts if p == -1):
                raise ValueError(
                    f"{name} adds numbers to 0o outputs, which breaks the "
                    "symmetry under reflections; this library cannot reproduce that"
                )
            biases = torch.cat([part for part, (_, p) in parts if p == 1])
        if parameter is not None:
            self.fill(parameter, biases, name)

    def _product(
        self, irreps_in: Irreps, irreps_attr: Irreps, irreps_out: Irreps
    ) -> o3.TensorProductPaths:
        """The product of the reference, without its fan-in, which it divides out."""
        irreps = irreps_in, irreps_attr, irreps_out
        product = o3.TensorProductPaths.fully_connected(
            *irreps, path_normalization="none"
        )
        if self.path_normalization == "element":
            return product
        paths = []
        for path in product.paths:
            (_, ir1), (_, ir2), (_, ir) = product.blocks(path)
            if (ir1.l + ir2.l + ir.l) % 2:
                raise ValueError(
                    f"e3nn 0.3 couples {ir1} * {ir2} -> {ir} with other signs; "
                    "path_normalization='path' knows irreps such as 0e, 1o, 2e only"
                )
            paths.append(path._replace(path_weight=product.fan_in[path.i_out]))
        return o3.TensorProductPaths(*irreps, tuple(paths), path_normalization="path")


def _matrix(shape: tuple[int, int], weight: Tensor) -> Tensor:
    """The matrix of a linear layer, from the flat weights of a product."""
    return weight.view(shape).T if weight.numel() == math.prod(shape) else weight


def check_gate(irreps: Irreps) -> None:
    """Refuse irreps that an ``O3TensorProductSwishGate`` confuses.

    Raises:
        ValueError: if that gate would not be equivariant, or not be ours.
    """
    scalars, gated = irreps[:1], irreps[1:]
    if not scalars.is_scalar() or any(ir.l == 0 for _, ir in gated):
        raise ValueError(
            f"the authors' gate wants one block of 0e and then l > 0, got {irreps}"
        )
    whole = irreps.simplify()
    if whole != whole.regroup():
        raise ValueError(
            f"the authors' gate confuses irreps that are not sorted, got {irreps}; "
            f"sorted they are {irreps.regroup()}"
        )
