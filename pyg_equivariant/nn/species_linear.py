"""Linear maps that every species has of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.kernels import SpeciesBlock, SpeciesForm, species_product
from pyg_equivariant.o3 import Irreps, IrrepsLike, check_real

from .linear import linear_plan
from .module import EquivariantModule, check_dtype, check_features


class SpeciesLinear(EquivariantModule):
    r"""Mixes the channels of every irrep, for each species in another way.

    .. math::
        y_{ikw} = \frac{1}{\sqrt{A\, n}} \sum_{a} \sum_u c_{s_i a}\, W^{(a)}_{uw}\,
        x_{iku},

    where :math:`s_i` is the species of node :math:`i`, :math:`c_s` are the :math:`A`
    attributes of a species, and :math:`u` runs over the :math:`n` channels of an irrep.
    By default the attributes are one-hot, so that every species has a matrix of its
    own; dense ones, such as an embedding, make the matrices of all species of a few.
    This is the self-connection of NequIP and MACE, e3nn's product of features with the
    attributes as ``0e``, for the price of one linear map: nothing is multiplied by the
    zeros of a one-hot vector, and no node has a matrix of its own.

    Args:
        irreps_in: irreps of the input.
        irreps_out: irreps of the output. A block that no input block reaches is
            zero.
        num_attr: the number :math:`A`: how many species there are, or attributes of
            each.

    Attributes:
        weight: ``(num_attr, weight_numel)``, every row flat as the weights of
            :class:`Linear`. Starts standard normal.

        weight_shapes: of the matrices in a row, one behind the other.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps\_in.dim})`, species
          :math:`(|V|)` from 0 on, attributes of the species :math:`(S, A)`
        - **output:** features :math:`(|V|, \text{irreps\_out.dim})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if a shape does not fit, or species are missing.
        IndexError: if there are no weights for a species.

    Example:
        >>> linear = SpeciesLinear("4x0e+2x1o", "8x0e+3x1o", num_attr=5)
        >>> linear
        SpeciesLinear(4x0e+2x1o -> 8x0e+3x1o, 5 attributes, 190 parameters)
        >>> linear(torch.randn(3, 10), torch.tensor([0, 4, 4])).shape
        torch.Size([3, 17])
    """

    scale: Tensor

    def __init__(
        self, irreps_in: IrrepsLike, irreps_out: IrrepsLike, num_attr: int
    ) -> None:
        super().__init__()
        if isinstance(num_attr, bool) or not isinstance(num_attr, int) or num_attr < 1:
            raise ValueError(f"num_attr is a positive int, got {num_attr!r}")
        self.irreps_in = Irreps(irreps_in)
        self.irreps_out = Irreps(irreps_out)
        self.num_attr = num_attr
        self.weight_shapes = linear_plan(self.irreps_in, self.irreps_out)[0]
        self._form, scale = _form(self.irreps_in, self.irreps_out)
        self.weight_numel = self._form.weight_numel
        self.register_constant("scale", scale / math.sqrt(num_attr))
        self.weight = Parameter(torch.empty(num_attr, self.weight_numel))
        self.register_convention()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        torch.nn.init.normal_(self.weight)

    def forward(
        self, x: Tensor, species: Tensor | None = None, attr: Tensor | None = None
    ) -> Tensor:
        """Map features of ``irreps_in`` to features of ``irreps_out``.

        Args:
            x: features.
            species: which species each node is; may be left out where all are one.
            attr: the attributes of each species (default: one-hot).
        """
        check_features(x, self.irreps_in, like=self.weight)
        weight = self.weight * self.scale
        if attr is not None:
            weight = self._checked(attr) @ weight
        if species is None:
            if len(weight) != 1:
                raise ValueError(
                    f"species are missing: this map knows {len(weight)} of them; pass "
                    "which one each node is"
                )
            species = torch.zeros_like(x[:, 0], dtype=torch.long)
        return species_product(x, weight, species, self._form)

    def _checked(self, attr: Tensor) -> Tensor:
        check_real(attr, "attr")
        check_dtype(attr, self.weight, "attr")
        if attr.dim() != 2 or attr.shape[1] != self.num_attr:
            raise ValueError(
                f"expected attr (S, {self.num_attr}), a row for every species, got "
                f"{tuple(attr.shape)}"
            )
        return attr

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}, "
            f"{self.num_attr} attributes, {self.weight.numel()} parameters)"
        )


def _form(irreps_in: Irreps, irreps_out: Irreps) -> tuple[SpeciesForm, Tensor]:
    """What is mixed with what, and the factor of every weight."""
    shapes, outputs = linear_plan(irreps_in, irreps_out)
    starts = [0]
    for rows, columns in shapes:
        starts.append(starts[-1] + rows * columns)
    scale = torch.ones(starts[-1], dtype=torch.float64, device="cpu")
    blocks = []
    for part, output in zip(irreps_out.slices(), outputs, strict=True):
        for i, k in zip(output.sources, output.weights, strict=True):
            x = irreps_in.slices()[i].start
            dim = output.shape[0]
            blocks.append(SpeciesBlock(x, part.start, starts[k], dim, *shapes[k]))
            scale[starts[k] : starts[k + 1]] = output.scale
    sizes = irreps_in.dim, irreps_out.dim, starts[-1]
    return SpeciesForm(*sizes, tuple(blocks)), scale
