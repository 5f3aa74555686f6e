"""Symmetric powers of node features, with weights of the species."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.kernels import ContractionPath, SymmetricContractionKernel
from pyg_equivariant.o3 import Irreps, IrrepsLike

from .module import EquivariantModule, check_features, describe, warn_unreached

_CONSTANTS = "coefficients", "factors", "monomials"
_MOST = 4


class SymmetricContraction(EquivariantModule):
    r"""All equivariant polynomials of the features of a node, channel by channel.

    From `"MACE: Higher Order Equivariant Message Passing Neural Networks for Fast and
    Accurate Force Fields" <https://arxiv.org/abs/2206.07697>`_:

    .. math::
        y_{i,LMc} = \sum_{n=1}^{\nu} \sum_{k} w^{(n)}_{s_i,Lkc}
        \sum_{q_1 \dots q_n} S^{(n,Lk)}_{q_1 \dots q_n M}\,
        x_{i q_1 c} \cdots x_{i q_n c},

    where :math:`q` runs over the components of all irreps of the channel, and
    :math:`S` over a basis of the symmetric couplings to :math:`L`
    (:func:`~pyg_equivariant.o3.symmetric_couplings`). The authors' couplings are not
    symmetrized, and most of them sums of others: the functions are the same, the
    weights here fewer (see
    :func:`~pyg_equivariant.interop.symmetric_contraction_from_mace`).

    Args:
        irreps_in: irreps of the input, all of one multiplicity :math:`C`.
        irreps_out: irreps of the output, of the same. A block that no polynomial
            reaches is zero, and a warning names it.
        correlation: the largest degree :math:`\nu`, from 1 to 4.
        num_species: the number :math:`S` of species.

    Attributes:
        weight: ``(S, num_paths, C)``, output block after output block, degree after
            degree. Starts normal, divided by the number of couplings of that degree.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps\_in.dim})`, the species
          :math:`(|V|)` of every node, from 0 to :math:`S - 1`
        - **output:** features :math:`(|V|, \text{irreps\_out.dim})`

    Raises:
        TypeError: if an input is no tensor of the right kind.
        ValueError: if multiplicities differ, or the inputs do not fit.
        IndexError: if there is no such species.

    Example:
        >>> module = SymmetricContraction("8x0e+8x1o", "8x0e+8x1o", 3, num_species=2)
        >>> module
        SymmetricContraction(8x0e+8x1o -> 8x0e+8x1o, correlation=3, num_species=2)
        >>> module(torch.randn(5, 32), torch.tensor([0, 1, 1, 0, 0])).shape
        torch.Size([5, 32])
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_out: IrrepsLike,
        correlation: int,
        num_species: int,
    ) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps_in)
        self.irreps_out = Irreps(irreps_out)
        self.num_channels = _multiplicity(self.irreps_in, self.irreps_out)
        self.correlation = _number(correlation, "correlation", _MOST)
        self.num_species = _number(num_species, "num_species")
        self._kernel = SymmetricContractionKernel(
            self.irreps_in, self.irreps_out, correlation
        )
        for name, constant in zip(_CONSTANTS, self._kernel.constants, strict=True):
            self.register_constant(name, constant)
        paths = self._kernel.form.num_paths
        self.weight = Parameter(torch.empty(num_species, paths, self.num_channels))
        self.register_convention()
        reached = {path.i_out for path in self.paths if path.couplings}
        blocks = enumerate(self.irreps_out)
        warn_unreached(self, Irreps([b for o, b in blocks if o not in reached]))
        self.reset_parameters()

    @property
    def paths(self) -> tuple[ContractionPath, ...]:
        """Output blocks, degrees and couplings that the weights belong to."""
        return self._kernel.form.paths

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        torch.nn.init.normal_(self.weight)
        counts = [len(path.couplings) for path in self.paths]
        with torch.no_grad():
            for part in self.weight.split(counts, dim=1):
                part.div_(max(part.shape[1], 1))

    def forward(self, x: Tensor, species: Tensor) -> Tensor:
        """The polynomials of every node."""
        check_features(x, self.irreps_in, like=self.weight)
        constants = [getattr(self, name) for name in _CONSTANTS]
        out: Tensor = self._kernel(x, self.weight, species, constants)
        return out

    def __repr__(self) -> str:
        return describe(self, "irreps_in -> irreps_out", "correlation num_species")


def _multiplicity(irreps_in: Irreps, irreps_out: Irreps) -> int:
    found = {mul for mul, _ in (*irreps_in, *irreps_out)}
    if len(found) != 1 or 0 in found or not len(irreps_in) or not len(irreps_out):
        raise ValueError(
            "a symmetric contraction joins the irreps of each channel: expected equal "
            f"multiplicities everywhere, got {irreps_in} -> {irreps_out}"
        )
    return found.pop()


def _number(value: int, name: str, most: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is an int, got {value!r}")
    if value < 1 or (most is not None and value > most):
        limit = "1 or more" if most is None else f"from 1 to {most}"
        raise ValueError(f"{name} is {limit}, got {value}")
    return value
