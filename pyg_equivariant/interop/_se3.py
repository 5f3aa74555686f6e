"""What the code of the SE(3)-Transformer calls the weights of its layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pyg_equivariant.nn.attentive_self_interaction import AttentiveSelfInteraction
from pyg_equivariant.nn.conv.se3_conv import SE3Conv
from pyg_equivariant.nn.conv.se3_transformer_conv import SE3TransformerConv
from pyg_equivariant.nn.linear import Linear
from pyg_equivariant.nn.norm_activation import NormActivation
from pyg_equivariant.nn.norm_mlp import NormMLP
from pyg_equivariant.nn.radial_tensor_product import RadialTensorProduct
from pyg_equivariant.o3 import Irreps

from ._placement import Placement

Signs = Mapping[str, int]


class SE3Placement(Placement):
    """The tensors of the authors' code, or of a fork of it.

    Args:
        state_dict: names and tensors.
        signs: for every ``"l_in,l_out,J"`` the sign of its intertwiner beside
            :func:`~pyg_equivariant.o3.clebsch_gordan`.
        source: what the reference is called in messages.

    Raises:
        ValueError: if a sign is not 1 or -1.
    """

    def __init__(
        self, state_dict: Mapping[str, Tensor], signs: Signs, source: str
    ) -> None:
        super().__init__(state_dict, source)
        for degrees, sign in signs.items():
            if sign not in (1, -1):
                raise ValueError(f"signs are 1 or -1, got {sign!r} for {degrees!r}")
        self.signs = signs

    def conv(self, stem: str, conv: SE3Conv) -> None:
        """A ``GConvSE3``; stems end with a dot, or are empty."""
        self._kernels(lambda _: stem, conv.product)
        if conv.mix is not None:
            self._linear(stem + "kernel_self.", conv.mix)

    def attention(self, stem: str, conv: SE3TransformerConv) -> None:
        """A ``GSE3Res``, or the ``GMAB`` of the fork without a skip connection."""
        values = len(conv.irreps_value)
        parts = f"{stem}GMAB.v.", f"{stem}GMAB.k."
        self._kernels(lambda o: parts[o >= values], conv.product)
        self._linear(f"{stem}GMAB.q.transform.", conv.query)
        mix = conv.mix
        if isinstance(mix, Linear):
            self._linear(f"{stem}project.transform.", mix)
        elif isinstance(mix, AttentiveSelfInteraction):
            for (_, ir), network in zip(mix.irreps_out, mix.networks, strict=True):
                for k in (0, 2):
                    layer = network.get_submodule(str(k))
                    self.place(f"{stem}project.transform.{ir.l}.{k}", layer)

    def norm(self, stem: str, norm: NormMLP | NormActivation) -> None:
        """A ``GNormSE3`` or a ``GNormBias``."""
        if isinstance(norm, NormMLP):
            for (_, ir), network in zip(norm.irreps_in, norm.networks, strict=True):
                for k, layer in network.named_children():
                    inner = ".bn" if isinstance(layer, torch.nn.LayerNorm) else ""
                    self.place(f"{stem}transform.{ir.l}.{k}{inner}", layer)
            return
        found = [self.take(f"{stem}bias.{ir.l}") for _, ir in norm.irreps_in]
        if norm.bias is not None:
            self.fill(norm.bias, _joined(found, lambda b: b.flatten()), f"{stem}bias")

    def _linear(self, stem: str, linear: Linear) -> None:
        """Matrices of every degree, out of which ours has a root of their fan-in."""
        found: dict[int, Tensor | None] = {}
        for _, ir in linear.irreps_out:
            if ir.l not in found:
                found[ir.l] = self.take(f"{stem}{ir.l}")
        taken = dict.fromkeys(found, 0)
        blocks: list[Tensor | None] = []
        for mul, ir in linear.irreps_in:
            if ir.l not in found:
                continue
            matrix = found[ir.l]
            start, taken[ir.l] = taken[ir.l], taken[ir.l] + mul
            if matrix is None:
                blocks.append(None)
                continue
            part = matrix.flatten(0, -2)[:, start : taken[ir.l]].T
            blocks.append(part * math.sqrt(linear.irreps_in.count(ir)))
        weight = _joined(blocks, lambda b: b.flatten())
        self.fill(linear.weight, weight, f"{stem}*")

    def _kernels(
        self, stem: Callable[[int], str], product: RadialTensorProduct
    ) -> None:
        """The radial networks of all pairs of degrees, side by side."""
        layers: dict[str, list[Tensor | None]] = {}
        for pair in product.pairs:
            l_in = product.irreps_in[pair.i_in].ir.l
            l_out = product.irreps_out[pair.i_out].ir.l
            net = f"{stem(pair.i_out)}kernel_unary.({l_in},{l_out}).rp.net."
            for part in _PARTS:
                layers.setdefault(part, []).append(self.take(net + part))
            js = [product.irreps_sh[k].ir.l for k in pair.harmonics]
            signs = [self.signs.get(f"{l_in},{l_out},{j}", 1) for j in js]
            sizes = [
                product.irreps_out[pair.i_out].mul,
                product.irreps_in[pair.i_in].mul,
            ]
            for part in ("6.weight", "6.bias"):
                layers[part][-1] = _ordered(layers[part][-1], [*sizes, len(js)], signs)
        radial = product.radial
        for own, part, join in (
            (radial.weight_in, "0.weight", lambda t: torch.cat(t).T),
            (radial.bias_in, "0.bias", torch.cat),
            (radial.weight_hidden, "3.weight", lambda t: torch.stack(t).mT),
            (radial.bias_hidden, "3.bias", torch.stack),
            (radial.weight_out, "6.weight", lambda t: torch.cat(t).T),
            (radial.bias_out, "6.bias", torch.cat),
        ):
            value = [t for t in layers[part] if t is not None]
            complete = join(value) if len(value) == len(product.pairs) else None
            self.fill(own, complete, f"{stem(0)}kernel_unary.*.rp.net.{part}")
        for own, part in ((radial.norm_weight, "weight"), (radial.norm_bias, "bias")):
            both = layers[f"1.bn.{part}"], layers[f"4.bn.{part}"]
            flat = [t for layer in both for t in layer]
            complete = _joined(flat, lambda t: t)
            if complete is not None:
                complete = complete.view(2, len(product.pairs), -1)
            self.fill(own, complete, f"{stem(0)}kernel_unary.*.rp.net.*.bn.{part}")


_PARTS = (
    *("0.weight", "0.bias", "1.bn.weight", "1.bn.bias", "3.weight", "3.bias"),
    *("4.bn.weight", "4.bn.bias", "6.weight", "6.bias"),
)


def _joined(
    found: list[Tensor | None], change: Callable[[Tensor], Tensor]
) -> Tensor | None:
    """All side by side, or ``None`` if one is missing."""
    tensors = [change(t) for t in found if t is not None]
    return torch.cat(tensors) if len(tensors) == len(found) and tensors else None


def _ordered(value: Tensor | None, sizes: list[int], signs: list[int]) -> Tensor | None:
    """Rows (out, in, J) as (J, in, out), with their signs."""
    if value is None or value.shape[0] != math.prod(sizes):
        return value
    rows = value.unflatten(0, sizes).transpose(0, 2)
    sign = torch.tensor(signs).to(value).view(-1, *[1] * (rows.dim() - 1))
    return (rows * sign).flatten(0, 2)


def harmonics(irreps_in: Irreps, irreps_out: Irreps) -> Irreps:
    """All harmonics between the degrees of two irreps, for rotations alone."""
    lmax = irreps_in.lmax + irreps_out.lmax
    return Irreps.spherical_harmonics(lmax, p=1)
