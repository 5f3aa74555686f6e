"""MACE's symmetric contraction, from its authors' code and back."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pyg_equivariant.nn.symmetric_contraction import SymmetricContraction
from pyg_equivariant.o3 import Irrep, Irreps, IrrepsLike

from ._mace_couplings import authors_tensor, projection, projection_of
from ._placement import Placement, build
from .e3nn import as_irreps

_SAME = 1e-5  # couplings may have been stored in float32


def symmetric_contraction_from_mace(
    state_dict: Mapping[str, Tensor], irreps_in: IrrepsLike, irreps_out: IrrepsLike
) -> SymmetricContraction:
    r"""A :class:`~pyg_equivariant.nn.SymmetricContraction` from MACE's.

    Of the code of `"MACE: Higher Order Equivariant Message Passing Neural Networks for
    Fast and Accurate Force Fields" <https://arxiv.org/abs/2206.07697>`_ in `its
    repository <https://github.com/ACEsuit/mace>`_. The authors' couplings are
    redundant, ours a basis: many of their weights become one of ours, with the signs of
    e3nn 0.4.4, which MACE pins. Features are in this library's order, ``ir_mul``.

    Args:
        state_dict: of the authors' ``SymmetricContraction``. Coupling tensors among
            it, ``U_matrix_*``, tell which couplings its weights belong to; without
            them, those of the authors' own code.
        irreps_in: the module's, ours or e3nn's.
        irreps_out: the module's.

    Raises:
        ValueError: naming what could not be placed or is missing, and where the
            couplings are those of another version of e3nn, or reduced ones
            (``use_reduced_cg``) that are not among it.

    Example:
        >>> import torch
        >>> name = "contractions.0.weights"
        >>> state_dict = {f"{name}_max": torch.randn(2, 2, 4)}  # of degree 2
        >>> state_dict[f"{name}.0"] = torch.randn(2, 1, 4)
        >>> symmetric_contraction_from_mace(state_dict, "4x0e+4x1o", "4x0e")
        SymmetricContraction(4x0e+4x1o -> 4x0e, correlation=2, num_species=2)
    """
    weights = Placement(state_dict, "MACE's SymmetricContraction")
    irreps = as_irreps(irreps_in), as_irreps(irreps_out)
    correlation, num_species = contraction_sizes(weights, "")
    first = weights.tensors["contractions.0.weights_max"]
    module = build(first, SymmetricContraction, *irreps, correlation, num_species)
    place_contraction(weights, "", module)
    return weights.finish(module, {})


def symmetric_contraction_to_mace(module: SymmetricContraction) -> dict[str, Tensor]:
    """The weights of a :class:`~pyg_equivariant.nn.SymmetricContraction` for MACE's.

    The authors' module has more weights than there are functions: these are the
    smallest that are the same function. Load them with ``strict=False``, for its
    coupling tensors are not among them.

    Example:
        >>> module = SymmetricContraction("4x0e+4x1o", "4x0e", 2, num_species=3)
        >>> {k: tuple(v.shape) for k, v in symmetric_contraction_to_mace(module).items()}
        {'contractions.0.weights.0': (3, 1, 4), 'contractions.0.weights_max': (3, 2, 4)}
    """  # noqa: E501
    out = {}
    paths = module.paths
    parts = module.weight.detach().split([len(p.couplings) for p in paths], dim=1)
    for path, part in zip(paths, parts, strict=True):
        _, ir = module.irreps_out[path.i_out]
        inverse = torch.linalg.pinv(projection(module.irreps_in, ir, path.correlation))
        if not len(inverse):
            inverse = inverse.new_zeros(1, part.shape[1])  # what stands for no path
        name = _name(path.i_out, path.correlation, module.correlation)
        out[name] = inverse.to(part) @ part
    return out


def contraction_sizes(weights: Placement, stem: str) -> tuple[int, int]:
    """The largest degree of a contraction, and its number of species."""
    num_species, _, _ = weights.shape(f"{stem}contractions.0.weights_max", 3)
    return 1 + weights.count(f"{stem}contractions.0.weights."), num_species


def place_contraction(
    weights: Placement, stem: str, module: SymmetricContraction
) -> None:
    """Fill a contraction with what stands at ``stem``."""
    parts = []
    for path in module.paths:
        out = module.irreps_out[path.i_out].ir
        name = stem + _name(path.i_out, path.correlation, module.correlation)
        U = f"{stem}contractions.{path.i_out}.U_matrix_{path.correlation}"
        theirs = weights.take(name)
        P = _projection(weights, U, module.irreps_in, out, path.correlation)
        if theirs is None:
            continue
        expected = (module.num_species, max(P.shape[1], 1), module.num_channels)
        if theirs.shape != expected:
            raise ValueError(
                f"{name} has shape {tuple(theirs.shape)}, expected {expected}: weights "
                "of reduced couplings (use_reduced_cg=True) cannot be read without "
                f"these, {U}, nor those of other irreps"
            )
        parts.append(P.to(theirs) @ theirs[:, : P.shape[1]])
    value = torch.cat(parts, dim=1) if len(parts) == len(module.paths) else None
    weights.fill(module.weight, value, f"{stem}contractions")


def _name(i_out: int, degree: int, correlation: int) -> str:
    """Of the weights of one degree: the largest first, then downwards."""
    which = "_max" if degree == correlation else f".{correlation - 1 - degree}"
    return f"contractions.{i_out}.weights{which}"


def _projection(
    weights: Placement, name: str, irreps_in: Irreps, ir_out: Irrep, degree: int
) -> Tensor:
    """Our weights of one degree from the authors', by the couplings that are there.

    Without any they are those of MACE's own code.
    """
    usual = projection(irreps_in, ir_out, degree)
    weights.ignore([name])
    found = weights.tensors.get(name, torch.zeros(0))
    if not found.any():
        return usual
    irreps = Irreps([(1, ir) for _, ir in irreps_in])
    shape = (ir_out.dim, *[irreps.dim] * degree, -1)
    found = found.double().cpu()
    found = found.reshape(shape) if found.numel() % _size(shape) == 0 else found
    if _is_same(found, authors_tensor(irreps, ir_out, degree)):
        return usual
    P = None
    if found.dim() == len(shape):
        P = projection_of(irreps, ir_out, found)
    if P is None or _is_same(found, authors_tensor(irreps, ir_out, degree, old=False)):
        raise ValueError(
            f"{name} holds other couplings than those of MACE with e3nn 0.4.4: signs "
            "of another version, or no equivariant polynomials; they cannot be read"
        )
    return P


def _size(shape: tuple[int, ...]) -> int:
    """How many numbers a column has."""
    return math.prod(shape[:-1])


def _is_same(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    return bool((found - expected).abs().max() < _SAME)
