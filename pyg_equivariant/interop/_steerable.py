"""Steerable layers of SEGNN's authors, on e3nn."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.nn.steerable_linear import SteerableLinear
from pyg_equivariant.o3 import Irreps

from ._placement import Placement


class SteerablePlacement(Placement):
    """The tensors of a reference whose layers are ``O3TensorProduct``.

    Args:
        state_dict: names and tensors of the reference.
        source: what the reference is called in messages.
        path_normalization: how the version of e3nn that the weights were trained with
            scales paths: ``"element"`` from 0.4 on, ``"path"`` before.

    Raises:
        ValueError: if ``path_normalization`` is neither.
    """

    def __init__(
        self,
        state_dict: Mapping[str, Tensor],
        source: str,
        path_normalization: str = "element",
    ) -> None:
        super().__init__(state_dict, source)
        if path_normalization not in ("element", "path"):
            raise ValueError(
                "path_normalization is 'element' or 'path', got "
                f"{path_normalization!r}; weights trained with e3nn 0.3 have 'path'"
            )
        self.path_normalization = path_normalization
        for name in self.tensors:
            if _is_internal(f".{name}"):
                self.ignore([name])

    def steerable(
        self,
        name: str,
        module: SteerableLinear,
        irreps_in: Irreps,
        irreps_attr: Irreps,
        irreps_out: Irreps,
    ) -> None:
        """Copy an ``O3TensorProduct`` of these irreps, at ``name``."""
        source = self._product(irreps_in, irreps_attr, irreps_out)
        self.regrouped(f"{name}tp.weight", module.weight, source, module.tp.product)
        sizes = [mul if ir.l == 0 else 0 for mul, ir in irreps_out]
        if not sum(sizes):
            return
        biases = self.take(f"{name}biases")
        if biases is not None and biases.shape == (sum(sizes),):
            blocks = list(zip(biases.split(sizes), irreps_out, strict=True))
            odd = [bias for bias, (_, ir) in blocks if ir.p == -1]
            if any(bias.any() for bias in odd):
                raise ValueError(
                    f"{name}biases adds numbers to 0o outputs, which breaks the "
                    "symmetry under reflections; this library cannot reproduce that"
                )
            biases = torch.cat([bias for bias, (_, ir) in blocks if ir.p == 1])
        if module.bias is not None:
            self.fill(module.bias, biases, f"{name}biases")

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


def gate_irreps(irreps: Irreps) -> Irreps:
    """What enters the gate of an ``O3TensorProductSwishGate`` of these irreps.

    Raises:
        ValueError: if that gate would not be equivariant, or not be ours.
    """
    scalars, gated = irreps[:1], irreps[1:]
    if not scalars.is_scalar() or any(ir.l == 0 for _, ir in gated):
        raise ValueError(
            f"the authors' gate wants one block of 0e and then l > 0, got {irreps}"
        )
    gates = Irreps([(gated.num_irreps, "0e")])
    whole = (scalars + gates + gated).simplify()
    if whole != whole.regroup():
        raise ValueError(
            f"the authors' gate confuses irreps that are not sorted, got {irreps}; "
            f"sorted they are {irreps.regroup()}"
        )
    return whole


def _is_internal(name: str) -> bool:
    """Whether this is one of e3nn's own constants."""
    return (
        name.endswith(".tp.output_mask")
        or "._compiled_main" in name
        or ".gate.mul." in name
    )
