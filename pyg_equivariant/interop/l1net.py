"""L1Net's layer, from the e3nn of its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.activation import SecondMomentActivation
from pyg_equivariant.nn.conv.l1net_conv import L1NetConv, sharp_shifted_softplus
from pyg_equivariant.nn.gate import Gate
from pyg_equivariant.nn.models.l1net import gate_of
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ._placement import Placement, build


def l1net_layer_from_reference(
    state_dict: Mapping[str, Tensor],
    *,
    irreps_in: IrrepsLike,
    irreps_out: IrrepsLike,
    avg_n_atoms: float,
    signs: Mapping[str, int] | None = None,
    radial_constant: float | None = None,
    scalar_constant: float | None = None,
    gate_constant: float | None = 1.84623,
) -> tuple[L1NetConv, Gate]:
    r"""A convolution and its gate with the weights of the code that L1Net pins.

    For ``KernelConv`` and ``GatedBlock`` of `e3nn <https://github.com/e3nn/e3nn>`_ at
    commit d60242f8, of March 2020, with which `"Relevance of Rotationally Equivariant
    Convolutions for Predicting Molecular Properties"
    <https://arxiv.org/abs/2008.08461>`_ was made. Features are in this library's order
    and axes. The layer reads harmonics of normalization ``"norm"`` and the radial
    functions of :class:`~pyg_equivariant.nn.L1Net`, whose factor
    :math:`\sqrt{\text{num\_radial}}` takes the place of a first linear map without a
    root.

    Args:
        state_dict: of ``KernelConv``: ``fc.weights.*``.
        irreps_in: of the input, all of them even.
        irreps_out: of the output of the gate, likewise, scalars first.
        avg_n_atoms: the reference's average number of atoms of a molecule.
        signs: of the couplings of degrees ``"l_out,l_in,l_filter"``, which that version
            drew at random, beside those of today (default: all 1).
        radial_constant: factor of the radial network's activation, which that version
            drew at random, too (default: that of unit second moment).
        scalar_constant: of the gate's softplus, likewise.
        gate_constant: of its sigmoid (default: 1.84623).

    Raises:
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the weights.

    Example:
        >>> sizes = [(6, 5), (4, 6)]
        >>> state_dict = {f"fc.weights.{k}": torch.rand(s) for k, s in enumerate(sizes)}
        >>> l1net_layer_from_reference(
        ...     state_dict, irreps_in="2x0e", irreps_out="2x0e", avg_n_atoms=9.0
        ... )[0]
        L1NetConv(2x0e -> 2x0e, irreps_sh=1x0e, edge_dim=5)
    """
    weights = Placement(state_dict, "L1Net's KernelConv")
    irreps_in, irreps_out = Irreps(irreps_in), Irreps(irreps_out)
    for irreps in (irreps_in, irreps_out):
        if any(ir.p != 1 for _, ir in irreps):
            raise ValueError(f"irreps of SO(3) are written with even parity: {irreps}")
    count = weights.count("fc.weights.")
    if not count:
        raise ValueError(f"{weights.source} has fc.weights.0, got {list(state_dict)}")
    shapes = [weights.shape(f"fc.weights.{k}", 2) for k in range(count)]
    like = weights.tensors["fc.weights.0"]
    gate = build(like, gate_of, irreps_out, scalar_constant, gate_constant)
    top = irreps_in.lmax + irreps_out.lmax
    conv = build(
        like,
        L1NetConv,
        irreps_in,
        Irreps([(1, (l, 1)) for l in range(top + 1)]),
        gate.irreps_in,
        shapes[0][1],
        tuple(shape[0] for shape in shapes[:-1]),
        float(avg_n_atoms),
        SecondMomentActivation(sharp_shifted_softplus, radial_constant),
    )
    place = _places(conv, irreps_out, signs or {})

    def last(weight: Tensor) -> Tensor:
        index, factor = place
        if weight.shape[0] != len(index):
            raise ValueError(
                f"between {irreps_in} and {irreps_out} with gates there are "
                f"{len(index)} weights, got {weight.shape[0]}"
            )
        out = torch.empty_like(weight)
        out[index] = weight * factor.to(weight).unsqueeze(-1)
        return out.T

    names: dict[str, Any] = {
        f"radial.weights.{k}": (f"fc.weights.{k}", torch.t) for k in range(count)
    }
    names |= {f"radial.weights.{count - 1}": (f"fc.weights.{count - 1}", last)}
    return weights.finish(conv, names), gate


def _places(
    conv: L1NetConv, irreps_out: Irreps, signs: Mapping[str, int]
) -> tuple[Tensor, Tensor]:
    """Where each of the reference's path weights stands among ours, and its sign.

    Theirs are ordered (block out, block in, channel out, channel in, filter).
    """
    product = conv.tp.product
    slices = {
        (path.i_in1, path.i_in2, path.i_out): part.start
        for path, part in zip(product.paths, product.weight_slices, strict=True)
    }
    starts = dict.fromkeys((ir for _, ir in product.irreps_out), 0)
    ours = {ir: i for i, (_, ir) in enumerate(product.irreps_out)}
    gates = sum(mul for mul, ir in irreps_out if ir.l)
    blocks = [*irreps_out, *Irreps([(gates, "0e")] if gates else [])]
    index, factor = [], []
    for mul_out, ir_out in blocks:
        o, width = ours[ir_out], product.irreps_out[ours[ir_out]].mul
        for i, (mul_in, ir_in) in enumerate(product.irreps_in1):
            degrees = range(abs(ir_in.l - ir_out.l), ir_in.l + ir_out.l + 1)
            for w in range(starts[ir_out], starts[ir_out] + mul_out):
                for u in range(mul_in):
                    for l in degrees:
                        index.append(slices[i, l, o] + u * width + w)
                        factor.append(signs.get(f"{ir_out.l},{ir_in.l},{l}", 1))
        starts[ir_out] += mul_out
    return torch.tensor(index), torch.tensor(factor)
