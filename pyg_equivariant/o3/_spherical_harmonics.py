"""Real spherical harmonics, with finite derivatives at every vector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import torch
from torch import Tensor

from ._checks import check_tensor
from ._irreps import Irrep, Irreps, IrrepsLike, MulIrrep
from ._solid_harmonics import Blocks, evaluate_blocks, table_values
from ._vector import safe_normalize

HarmonicsLike: TypeAlias = "int | Iterable[int] | IrrepsLike"


def spherical_harmonics_reference(
    irreps_or_l: HarmonicsLike,
    vectors: Tensor,
    normalize: bool = True,
    normalization: str = "component",
) -> Tensor:
    r"""Real spherical harmonics :math:`Y_l(\mathbf r)` of Cartesian vectors.

    The specification, in plain torch; :func:`pyg_equivariant.nn.spherical_harmonics` is
    the same, much faster.

    With :math:`\mathbf r = (x, y, z)`, the axis of :math:`P_l` along :math:`y`, and
    :math:`m = -l, \dots, l` from the first component to the last,

    .. math::
        Y_l^{\pm m}(\mathbf r) = N_{lm}\; r^{l-m}\,
            \frac{\mathrm d^m P_l}{\mathrm d t^m}\!\left(\frac{y}{r}\right)
            \begin{cases} \operatorname{Re}\,(z + ix)^m & (+m) \\
                          \operatorname{Im}\,(z + ix)^m & (-m), \end{cases}

    so that :math:`Y_1 \propto (x, y, z)`. Basis and signs are those of e3nn. On the
    unit sphere :math:`|Y_l|^2` is :math:`2l+1` (``"component"``), 1 (``"norm"``) or
    :math:`(2l+1)/4\pi` (``"integral"``).

    **At zero**, where a vector has no direction, :math:`Y_0` is the constant that it is
    everywhere and :math:`Y_l = 0` for :math:`l \ge 1`. With ``normalize=True`` the
    first and second derivatives are zero there too, and :func:`safe_norm` says what
    counts as zero. With ``normalize=False`` these are homogeneous polynomials, smooth
    everywhere.

    Args:
        irreps_or_l: a degree, an iterable of degrees, or irreps such as
            ``"1x0e+1x1o+1x2e"``. ``"4x1o"`` repeats the harmonic in 4 channels.
        vectors: floating-point tensor; half precision is computed in float32.
        normalize: evaluate on :math:`\mathbf r/|\mathbf r|` (default: ``True``), or the
            polynomials on :math:`\mathbf r` as it is.
        normalization: ``"component"`` (default), ``"norm"`` or ``"integral"``.

    Shapes:
        - **input:** vectors :math:`(*, 3)`
        - **output:** harmonics :math:`(*, \text{dim})`, in the dtype of the input

    Raises:
        TypeError: if ``vectors`` is not floating-point, or a degree not an ``int``.
        ValueError: if the last dimension is not 3, ``normalization`` is unknown, or the
            irreps are not those of harmonics: degree :math:`l` has parity
            :math:`(-1)^l`, or all are even (the harmonics of a pseudovector).

    Example:
        >>> vectors = torch.tensor([0.0, 3.0, 4.0])
        >>> spherical_harmonics_reference(1, vectors, normalization="norm")
        tensor([0.0000, 0.6000, 0.8000])
        >>> spherical_harmonics_reference("1x0e+1x1o+1x2e", torch.randn(10, 3)).shape
        torch.Size([10, 9])
    """
    _, irreps = harmonics_irreps(irreps_or_l)
    blocks = tuple((mul, ir.l) for mul, ir in irreps if mul)
    return harmonics_reference(vectors, blocks, normalize, normalization)


def harmonics_reference(
    vectors: Tensor,
    blocks: Blocks,
    normalize: bool = True,
    normalization: str = "component",
    table: Tensor | None = None,
) -> Tensor:
    """:func:`spherical_harmonics_reference`, irreps and constants at hand.

    Args:
        vectors: as there.
        blocks: multiplicity and degree of every block.
        normalize: as there.
        normalization: as there.
        table: the :func:`harmonics_table` in the dtype of the evaluation, on the device
            of ``vectors``; any other is not used.

    Example:
        >>> harmonics_reference(torch.randn(10, 3), ((1, 0), (4, 1))).shape
        torch.Size([10, 13])
    """
    dtype = _working_dtype(vectors)
    if table is None or table.dtype != dtype or table.device != vectors.device:
        # Made on the CPU and copied without waiting for the device.
        table = harmonics_table(blocks, normalization, dtype)
        table = table.to(vectors.device, non_blocking=True)
    batch = vectors.shape[:-1]
    if not blocks:
        return vectors.new_zeros(*batch, 0)
    # Vectors innermost: all operations run over contiguous memory.
    columns = vectors.to(dtype).reshape(-1, 3).t().contiguous()
    if normalize:
        columns = safe_normalize(columns, dim=0)
    harmonics = evaluate_blocks(columns, blocks, table)
    return harmonics.reshape(*batch, harmonics.shape[-1]).to(vectors.dtype)


def harmonics_table(
    blocks: Blocks, normalization: str, dtype: torch.dtype = torch.float64
) -> Tensor:
    """The constants of :func:`harmonics_reference`, on the CPU.

    Example:
        >>> harmonics_table(((1, 1),), "norm")
        tensor([1., 1., 1.], dtype=torch.float64)
    """
    values = table_values(blocks, normalization)
    return torch.tensor(values, dtype=dtype, device="cpu")


def _working_dtype(vectors: Tensor) -> torch.dtype:
    """At least float32; refuse what cannot be vectors."""
    check_tensor(vectors, "vectors")
    if not vectors.is_floating_point():
        raise TypeError(
            f"expected floating-point vectors, got {vectors.dtype}; convert them with "
            ".float()"
        )
    if vectors.dim() == 0 or vectors.shape[-1] != 3:
        raise ValueError(
            "expected vectors of 3 components on the last dimension, got a tensor of "
            f"shape {tuple(vectors.shape)}"
        )
    return torch.promote_types(vectors.dtype, torch.float32)


def harmonics_irreps(
    irreps_or_l: HarmonicsLike, irreps_in: IrrepsLike | None = None
) -> tuple[Irreps, Irreps]:
    """The irreps of a vector (``irreps_in``, if they are given) and of its harmonics.

    Raises:
        TypeError: if a degree is not an ``int``.
        ValueError: if these are not irreps of harmonics of ``irreps_in``.

    Example:
        >>> harmonics_irreps([0, 1, 2])
        (1x1o, 1x0e+1x1o+1x2e)
    """
    vector = None if irreps_in is None else _vector_irreps(irreps_in)
    irreps = _listed_irreps(irreps_or_l, -1 if vector is None else vector[0].ir.p)
    if vector is None:
        axial = any(ir.l % 2 == 1 and ir.p == 1 for _, ir in irreps)
        vector = Irreps("1e" if axial else "1o")
    p = vector[0].ir.p
    for mul, ir in irreps:
        if ir.p != p**ir.l:
            raise ValueError(
                f"got {mul}x{ir} in {irreps}, but the harmonics of degree {ir.l} of a "
                f"vector {vector} are {Irrep(ir.l, p**ir.l)}: those of a polar vector "
                "(1o) have parity (-1)^l, those of a pseudovector (1e) are all even"
            )
    return vector, irreps


def _vector_irreps(irreps_in: IrrepsLike) -> Irreps:
    irreps = Irreps(irreps_in)
    if irreps not in (Irreps("1o"), Irreps("1e")):
        raise ValueError(
            f"harmonics are those of one vector: expected irreps_in '1o' or '1e', got "
            f"'{irreps}'"
        )
    return irreps


def _listed_irreps(irreps_or_l: HarmonicsLike, p: int) -> Irreps:
    """Irreps as they are given, or those of the given degrees."""
    if isinstance(irreps_or_l, int):
        irreps_or_l = [irreps_or_l]
    if not isinstance(irreps_or_l, Iterable) or isinstance(
        irreps_or_l, (str, Irrep, MulIrrep, Irreps)
    ):
        return Irreps(irreps_or_l)
    items = list(irreps_or_l)
    if any(isinstance(item, bool) for item in items):
        raise TypeError(f"a degree is an int, got {irreps_or_l!r}")
    return Irreps([(1, Irrep(i, p**i)) if isinstance(i, int) else i for i in items])
