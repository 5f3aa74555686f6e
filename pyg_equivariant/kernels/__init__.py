"""How tensor products and harmonics are computed: references and faster versions."""

from .activation.operator import shifted_softplus, silu
from .c.cache import clear_kernels
from .convolution.neighbor_sum import neighbor_sum
from .convolution.operator import Convolution
from .dispatch import is_plain_call
from .edge_product.operator import EdgeProduct
from .edges import check_edge_index, check_nodes, edge_pairs
from .fully_connected.node_first import NodeFirst
from .fully_connected.operator import TensorProductKernel
from .gate.operator import gate
from .gate.reference import GateBlock, GateForm
from .matmul.operator import matmul
from .report import can_compile, count_kernels, kernel_report
from .species.operator import species_product
from .species.reference import SpeciesBlock, SpeciesForm
from .spherical_harmonics.operator import evaluate_harmonics, spherical_harmonics
from .spread import spread_rows
from .symmetric_contraction.form import ContractionPath
from .symmetric_contraction.operator import SymmetricContractionKernel

__all__ = [
    "TensorProductKernel",
    "Convolution",
    "EdgeProduct",
    "NodeFirst",
    "SymmetricContractionKernel",
    "ContractionPath",
    "neighbor_sum",
    "edge_pairs",
    "spread_rows",
    "spherical_harmonics",
    "evaluate_harmonics",
    "GateForm",
    "GateBlock",
    "gate",
    "silu",
    "shifted_softplus",
    "matmul",
    "SpeciesForm",
    "SpeciesBlock",
    "species_product",
    "can_compile",
    "kernel_report",
    "count_kernels",
    "clear_kernels",
    "check_edge_index",
    "check_nodes",
    "is_plain_call",
]
