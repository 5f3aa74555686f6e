"""TEMPORARY face, until the new kernels are merged."""

from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.o3 import TensorProductPaths

from .compiled.observed import transformed
from .convolution.fused import Convolution as _Convolution
from .convolution.incidence import incidence
from .convolution.neighbor_sum import neighbor_sum as _neighbor_sum
from .dense.matmul import matmul
from .dense.pointwise import shifted_softplus, silu
from .harmonics.evaluate import SphericalHarmonics, spherical_harmonics
from .plain.blocked import BlockedTensorProduct
from .plain.reference import tensor_product
from .steered.gathered import GatheredMap


class Convolution(_Convolution):
    def __init__(self, product: TensorProductPaths) -> None:
        super().__init__(product)
        self.plain = BlockedTensorProduct(product)

    def __call__(self, x, y, weight, edge_index, num_targets, backend="auto"):  # type: ignore
        used = (x, y) if weight is None else (x, y, weight)
        if backend != "auto" or (self.is_fast_for(*used) and not transformed()):
            return super().__call__(x, y, weight, edge_index, num_targets, backend)
        j, i = edge_index
        m = self.plain(x[j], y, weight, [c.to(x) for c in self.plain.constants])
        return m.new_zeros(num_targets, m.shape[1]).index_add(0, i, m)


def neighbor_sum(messages, edge_index, num_targets, weight=None):  # type: ignore
    if transformed():
        m = messages if weight is None else messages * weight.unsqueeze(-1)
        return m.new_zeros(num_targets, m.shape[1]).index_add(0, edge_index[1], m)
    graph = incidence(edge_index, num_targets)
    return _neighbor_sum(messages, graph.arrivals, num_targets, weight)


class NodeFirst(GatheredMap):
    def __init__(self, product, num_blocks):  # type: ignore
        super().__init__(product, num_blocks)
        self.plain = BlockedTensorProduct(product)

    def __call__(self, x_i, x_j, e, y, weight, edge_index):  # type: ignore
        if self.is_fast_for(x_i, x_j, y) and not transformed():
            ends = incidence(edge_index, x_j.shape[0]).ends
            return super().__call__(x_i, x_j, e, y, weight, ends)
        j, i = edge_index
        parts = [x_i[i], x_j[j]] + ([] if e is None else [e])
        x = torch.cat(parts, -1)
        return self.plain(x, y, weight, [c.to(x) for c in self.plain.constants])


def edge_pairs(edge_index: Tensor) -> Any:
    from ..graph._edge_pairs import edge_pairs

    if (
        torch.compiler.is_compiling()
        or transformed()
        or edge_index.device.type != "cpu"
    ):
        return None
    return edge_pairs(edge_index)
