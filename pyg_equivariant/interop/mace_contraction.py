"""MACE's symmetric contraction, from its authors' code and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pyg_equivariant.nn.symmetric_contraction import SymmetricContraction
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ._mace_couplings import authors_tensor, projection
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
            it, ``U_matrix_*``, are compared with those expected.
        irreps_in: the module's, ours or e3nn's.
        irreps_out: the module's.

    Raises:
        ValueError: naming what could not be placed or is missing, and where the
            couplings are others: reduced ones (``use_reduced_cg``), or those of
            another version of e3nn.

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
    irreps, parts = module.irreps_in, []
    for path in module.paths:
        _, ir = module.irreps_out[path.i_out]
        name = stem + _name(path.i_out, path.correlation, module.correlation)
        _check_couplings(weights, stem, irreps, module.irreps_out, path.i_out, path[1])
        theirs, P = weights.take(name), projection(irreps, ir, path.correlation)
        if theirs is None:
            continue
        expected = (module.num_species, max(P.shape[1], 1), module.num_channels)
        if theirs.shape != expected:
            raise ValueError(
                f"{name} has shape {tuple(theirs.shape)}, expected {expected}: weights "
                "of reduced couplings (use_reduced_cg=True) cannot be read, nor those "
                "of other irreps"
            )
        parts.append(P.to(theirs) @ theirs[:, : P.shape[1]])
    value = torch.cat(parts, dim=1) if len(parts) == len(module.paths) else None
    weights.fill(module.weight, value, f"{stem}contractions")


def _name(i_out: int, degree: int, correlation: int) -> str:
    """Of the weights of one degree: the largest first, then downwards."""
    which = "_max" if degree == correlation else f".{correlation - 1 - degree}"
    return f"contractions.{i_out}.weights{which}"


def _check_couplings(
    weights: Placement,
    stem: str,
    irreps_in: Irreps,
    irreps_out: Irreps,
    i_out: int,
    degree: int,
) -> None:
    """Refuse coupling tensors that are not those expected, where there are any."""
    name = f"{stem}contractions.{i_out}.U_matrix_{degree}"
    if name not in weights:
        return
    weights.ignore([name])
    ir = irreps_out[i_out].ir
    expected = authors_tensor(irreps_in, ir, degree)
    found = weights.tensors[name].double().cpu()
    if found.numel() == 0 or not found.any():
        return
    if found.numel() == expected.numel():
        found = found.reshape(expected.shape)
        if (found - expected).abs().max() < _SAME:
            return
    raise ValueError(
        f"{name} holds other couplings than those of MACE with e3nn 0.4.4: reduced "
        "ones (use_reduced_cg=True), or signs of another version; they cannot be read"
    )
