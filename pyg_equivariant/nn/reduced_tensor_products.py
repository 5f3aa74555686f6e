"""Products of features that trade places by a rule, reduced to irreps."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from pyg_equivariant.o3 import (
    Irrep,
    IrrepLike,
    Irreps,
    IrrepsLike,
    check_broadcast,
    check_device,
    index_symmetry,
    reduce_indices,
)

from .module import EquivariantModule, check_features


class ReducedTensorProducts(EquivariantModule):
    r"""The product of several features, symmetric by a formula, as irreps.

    .. math::
        z_a = \sum_{ij\ldots} Q_{a,ij\ldots}\, x_i\, y_j \cdots, \qquad
        Q Q^\top = \mathbf 1, \qquad
        Q_{a,ij\ldots} = \pm Q_{a,\pi(ij\ldots)}

    with all of :math:`Q` that the formula allows, so that nothing symmetric is lost and
    nothing comes twice. The counterpart of e3nn's module of that name, with its
    numbers; formulas as in :class:`pyg_equivariant.o3.CartesianTensor`, whose indices
    are vectors.

    The matrix :math:`Q` is dense: meant for some dozens of components. Of wide features
    :class:`~pyg_equivariant.nn.SymmetricContraction` takes powers channel by channel.

    Args:
        formula: permutations of the indices, joined by ``=``, each with a sign:
            ``"ij=ji"``, ``"ijk=-jik=-ikj"``. All that follows from them holds, too.
        filter_ir_out: irreps wanted in the output (default: all).
        filter_ir_mid: irreps that products of the first two, three, ... features may
            lead through (default: all).
        irreps: of every index by its letter, ``i="1o"``; indices that trade places
            have the same, given once.

    Attributes:
        irreps_in: irreps of every input, in the order of the letters.
        irreps_out: sorted by degree and parity.
        change_of_basis: :math:`Q`, ``(irreps_out.dim, irreps_in[0].dim, ...)``.

    Shapes:
        - **input:** one tensor of features :math:`(*, \text{dim})` for every index;
          :math:`*` broadcasts
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if the formula is no string, or an input is not floating-point or not
            of the module's dtype.
        ValueError: if the formula cannot be read, an index has no irreps or two, or an
            input does not fit.

    Example:
        >>> cross = ReducedTensorProducts("ij=-ji", i="1o")
        >>> cross
        ReducedTensorProducts('ij=-ji', 1x1o * 1x1o -> 1x1e)
        >>> x, y = torch.randn(2, 3)
        >>> torch.allclose(cross(x, y), torch.linalg.cross(x, y) / 2**0.5, atol=1e-6)
        True
    """

    change_of_basis: Tensor

    def __init__(
        self,
        formula: str,
        filter_ir_out: Iterable[IrrepLike] | None = None,
        filter_ir_mid: Iterable[IrrepLike] | None = None,
        **irreps: IrrepsLike,
    ) -> None:
        super().__init__()
        _, symmetry = index_symmetry(formula)
        self.formula = formula
        letters = formula.partition("=")[0].strip()
        self.irreps_in = _of_all_indices(letters, symmetry, irreps)
        keep, through = (
            None if irs is None else frozenset(map(Irrep, irs))
            for irs in (filter_ir_out, filter_ir_mid)
        )
        self.irreps_out, Q = reduce_indices(self.irreps_in, symmetry, keep, through)
        self.register_constant("change_of_basis", torch.from_numpy(Q))

    def forward(self, *xs: Tensor) -> Tensor:
        """The product of one tensor of features for every index."""
        if len(xs) != len(self.irreps_in):
            raise ValueError(
                f"{self.formula!r} has {len(self.irreps_in)} indices: expected a "
                f"tensor for each, got {len(xs)}"
            )
        Q = self.change_of_basis
        names = [f"x{i}" for i in range(1, len(xs) + 1)]
        for x, irreps, name in zip(xs, self.irreps_in, names, strict=True):
            check_features(x, irreps, name, like=Q)
            check_device(x, xs[0], name, "x1")
        batches = {n: x.shape[:-1] for n, x in zip(names, xs, strict=True)}
        check_broadcast(**batches)
        product = xs[0]
        for x in xs[1:]:
            product = (product.unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2)
        return product @ Q.flatten(1).mT

    def __repr__(self) -> str:
        product = " * ".join(map(repr, self.irreps_in))
        return (
            f"{type(self).__name__}({self.formula!r}, {product} -> {self.irreps_out})"
        )


def _of_all_indices(
    letters: str,
    symmetry: Iterable[tuple[int, tuple[int, ...]]],
    given: dict[str, IrrepsLike],
) -> tuple[Irreps, ...]:
    """Irreps of every index, from those of one among all that trade places."""
    if unknown := set(given) - set(letters):
        raise ValueError(
            f"irreps are given for {sorted(unknown)}, expected letters of {letters!r}"
        )
    found = {}
    for place, letter in enumerate(letters):
        partners = {letters[permutation[place]] for _, permutation in symmetry}
        choices = {Irreps(given[other]) for other in partners if other in given}
        if len(choices) != 1:
            got = "none" if not choices else " and ".join(map(repr, choices))
            raise ValueError(
                f"expected one choice of irreps for {'='.join(sorted(partners))}, got "
                f"{got}; write {letter}='1o'"
            )
        found[letter] = choices.pop()
    return tuple(found[letter] for letter in letters)
