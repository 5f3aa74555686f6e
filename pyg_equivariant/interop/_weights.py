"""Flat weights of tensor products, between descriptions of the same map."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.o3 import Irreps


def regroup_weights(
    weight: Tensor, source: o3.TensorProductPaths, target: o3.TensorProductPaths
) -> Tensor:
    r"""Weights for another description of the same bilinear map.

    Two descriptions may list their paths in another order, sort their blocks, or merge
    blocks of one irrep (``2x1o+3x1o`` against ``5x1o``), as e3nn's ``simplify()`` does.
    The flat weights then are the same numbers in another order, scaled where the
    normalizations differ. The :math:`k`-th channel of an irrep is the :math:`k`-th
    channel of that irrep in both.

    An instruction of `e3nn <https://github.com/e3nn/e3nn>`_ is a path of
    :class:`pyg_equivariant.o3.TensorProductPaths`, so ``source`` can be e3nn's product:
    the weights of NequIP's or MACE's convolutions, for one, which list paths by output.

    Args:
        weight: flat weights ``(..., source.weight_numel)``, shared or one set for each
            sample.
        source: the product that the weights belong to.
        target: the product that they are for.

    Returns:
        Flat weights ``(..., target.weight_numel)``.

    Raises:
        ValueError: if the two products do not join the same channels, or the weights do
            not fit ``source``.

    Example:
        >>> irreps = "1x1o+1x1o", "1x0e", "2x1o"
        >>> apart = o3.TensorProductPaths.fully_connected(*irreps)
        >>> merged = o3.TensorProductPaths.fully_connected("2x1o", "1x0e", "2x1o")
        >>> regroup_weights(torch.tensor([1.0, 2.0, 3.0, 4.0]), merged, apart)
        tensor([1., 2., 3., 4.])
        >>> last_first = o3.TensorProductPaths(*irreps, paths=apart.paths[::-1])
        >>> regroup_weights(torch.tensor([1.0, 2.0, 3.0, 4.0]), apart, last_first)
        tensor([3., 4., 1., 2.])
    """
    if weight.shape[-1:] != (source.weight_numel,):
        raise ValueError(
            f"{source.irreps_in1} * {source.irreps_in2} -> {source.irreps_out} has "
            f"{source.weight_numel} weights, got a tensor of shape "
            f"{tuple(weight.shape)}"
        )
    for name in ("irreps_in1", "irreps_in2", "irreps_out"):
        a, b = getattr(source, name), getattr(target, name)
        if a.regroup() != b.regroup():
            raise ValueError(f"{name} are not the same irreps: {a} and {b}")
    keys, scales, places = _terms(source)
    target_keys, target_scales, target_places = _terms(target)
    same = torch.equal(keys, target_keys)
    if same:
        factor = torch.where(scales == target_scales, 1.0, scales / target_scales)
        free = places < 0
        same = bool(
            factor.isfinite().all() and (factor[free] - 1).abs().le(1e-12).all()
        )
    if not same:
        raise ValueError(
            "the two products do not join the same channels with weights:\n"
            f"{source}\n{target}"
        )
    order, target_order = places[~free], target_places[~free]
    out = torch.empty_like(weight)
    moved = weight[..., order.to(weight.device)] * factor[~free].to(weight)
    out[..., target_order.to(weight.device)] = moved
    return out


def _terms(product: o3.TensorProductPaths) -> tuple[Tensor, Tensor, Tensor]:
    """Every term ``c w x_u y_v`` of the sums over channels, by the channels it joins.

    Returns:
        A number for the three channels and for whether there is a weight, ascending;
        the coefficient ``c``; the place of the weight, -1 if there is none.
    """
    sizes = product.irreps_in2.num_irreps, product.irreps_out.num_irreps
    channels1 = _channels(product.irreps_in1)
    channels2 = _channels(product.irreps_in2)
    channels3 = _channels(product.irreps_out)
    keys, scales, places = [], [], []
    for path, coefficient, part in zip(
        product.paths, product.coefficients, product.weight_slices, strict=True
    ):
        u = channels1[path.i_in1].view(-1, 1, 1)
        v = channels2[path.i_in2].view(1, -1, 1)
        w = channels3[path.i_out].view(1, 1, -1)
        if path.connection == "uvu":
            w = w.view(-1, 1, 1)
        elif path.connection == "uuu":
            v, w = v.view(-1, 1, 1), w.view(-1, 1, 1)
        key = 2 * ((u * sizes[0] + v) * sizes[1] + w).flatten() + path.has_weight
        keys.append(key)
        scales.append(torch.full(key.shape, coefficient, dtype=torch.float64))
        if path.has_weight:
            places.append(torch.arange(part.start, part.stop))
        else:
            places.append(torch.full(key.shape, -1))
    if not keys:
        none = torch.zeros(0, dtype=torch.long)
        return none, none.double(), none
    key, order = torch.cat(keys).sort(stable=True)
    return key, torch.cat(scales)[order], torch.cat(places)[order]


def _channels(irreps: Irreps) -> list[Tensor]:
    """For every block, where its channels stand among all, sorted by irrep."""
    out = [torch.zeros(0, dtype=torch.long)] * len(irreps)
    start = 0
    for i in irreps.sort().inv:
        out[i] = torch.arange(start, start + irreps[i].mul)
        start += irreps[i].mul
    return out
