"""Wigner matrices: how irreps transform under rotations and reflections."""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import check_broadcast, check_device
from ._irreps import Irrep, Irreps
from ._orthogonal import check_orthogonal
from ._wigner_matrices import harmonic_matrices, with_parity


def wigner_D(irrep_or_l: Irrep | str | int, R: Tensor) -> Tensor:
    r"""Matrices :math:`D(R)` by which an irrep transforms under a rotation ``R``.

    They come from the entries of ``R`` itself, degree by degree, with the coefficients
    :math:`C` of :func:`clebsch_gordan`, :math:`(l-1) \times 1 \to l`:

    .. math::
        D^0 = 1, \qquad
        D^l_{kn} = (2l+1) \sum_{iji'j'} C_{ijk}\, D^{l-1}_{ii'}\, R_{jj'}\, C_{i'j'n}

    So :math:`D^1 = R`, every entry is a polynomial in those of ``R``, and derivatives
    exist everywhere. Under an inversion these :math:`D^l` have the parity of spherical
    harmonics, :math:`(-1)^l`; an irrep of the other parity has :math:`\det(R) D^l(R)`.

    Args:
        irrep_or_l: an irrep, as :class:`Irrep` or string; or a degree, for the irrep of
            the spherical harmonics of that degree.
        R: rotations, proper or improper, of shape ``(..., 3, 3)``.

    Returns:
        Orthogonal matrices of shape ``(..., 2 * l + 1, 2 * l + 1)``.

    Raises:
        TypeError: if ``R`` is not floating-point.
        ValueError: if a matrix is not 3 by 3 or not orthogonal (looked at in eager mode
            only), or if there is no such irrep.

    Example:
        >>> R = torch.diag(torch.tensor([1.0, 1.0, -1.0]))  # mirror
        >>> wigner_D("1o", R).diagonal(), wigner_D("1e", R).diagonal()
        (tensor([ 1.,  1., -1.]), tensor([-1., -1.,  1.]))
    """
    if isinstance(irrep_or_l, int):
        ir = Irrep(irrep_or_l, (-1) ** (irrep_or_l % 2))
    else:
        ir = Irrep(irrep_or_l)
    check_orthogonal(R)
    return with_parity(ir.l, ir.p, harmonic_matrices(ir.l, R)[-1], R)


def rotate(irreps: Irreps | str, x: Tensor, R: Tensor) -> Tensor:
    """Rotate features ``x`` by the rotations ``R``, each irrep by its own :math:`D(R)`.

    Args:
        irreps: what the features are.
        x: features in the layout ``ir_mul``, of shape ``(..., irreps.dim)``.
        R: rotations, proper or improper, of shape ``(3, 3)``, or ``(..., 3, 3)`` with
            leading dimensions that broadcast with those of ``x``.

    Returns:
        The rotated features, in the dtype of ``x``.

    Raises:
        TypeError: if ``x`` or ``R`` is not floating-point.
        ValueError: if the shape of ``x`` or ``R`` does not fit, or a matrix is not
            orthogonal (looked at in eager mode only).

    Example:
        >>> inversion = -torch.eye(3)
        >>> rotate("2x0e + 1x0o + 1x1o", torch.ones(6), inversion)
        tensor([ 1.,  1., -1., -1., -1., -1.])
    """
    irreps = Irreps(irreps).remove_zero_multiplicities()
    blocks = irreps.split(x)
    if not x.is_floating_point():
        raise TypeError(f"got x of dtype {x.dtype}, expected a floating-point dtype")
    check_orthogonal(R)
    check_device(R, x, "R", "x")
    check_broadcast(x=x.shape[:-1], R=R.shape[:-2])
    if not blocks:
        return x.expand(*torch.broadcast_shapes(x.shape[:-1], R.shape[:-2]), 0)
    harmonic = harmonic_matrices(irreps.lmax, R)
    matrices = [
        with_parity(ir.l, ir.p, harmonic[ir.l], R).to(x.dtype) for _, ir in irreps
    ]
    return irreps.join([D @ block for D, block in zip(matrices, blocks, strict=True)])
