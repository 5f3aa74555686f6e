"""Rotations, irreps and harmonics; and what of other packages takes tensors."""

from __future__ import annotations

from functools import partial
from typing import Any

from pyg_equivariant import interop, nn, o3

from .table import EDGES, FREE, SPREAD, Argument, Entry, entry, only, outcome, real

WIDE = outcome(FREE, "alone", "float64", "float16")
ANY = {"no dimensions": (FREE, "any shape")}
IRREPS = o3.Irreps("4x0e+3x1o")
ONE_FOR_ALL = {
    "one row": (SPREAD, "leading dimensions broadcast"),
    "a single row": (SPREAD, "leading dimensions broadcast"),
    "a dimension before": (FREE, "leading dimensions broadcast"),
}
ANGLES = {
    "one row": (SPREAD, "shapes broadcast"),
    "no dimensions": (SPREAD, "shapes broadcast"),
    "a dimension before": (FREE, "shapes broadcast"),
    "a dimension more": (FREE, "shapes broadcast"),
}


def _angle(name: str) -> Entry:
    call = getattr(o3, name)
    return Entry(call, {"angle": only(EDGES, columns=False, valid=WIDE | ANY)})


def _angles(name: str) -> Entry:
    angle = partial(real, 6, rows="samples", columns=False, valid=ANGLES)
    keys = ("alpha", "beta", "gamma")
    return Entry(getattr(o3, name), {key: angle() for key in keys})


def _axis(name: str) -> Entry:
    axis = real(6, 3, rows="samples", valid=ONE_FOR_ALL)
    angle = real(6, rows="samples", columns=False, valid=ANGLES)
    return Entry(getattr(o3, name), {"axis": axis, "angle": angle})


def _quaternion(name: str) -> Entry:
    return Entry(getattr(o3, name), {"q": only(6, 4, valid=WIDE)})


def _logarithm(name: str) -> Entry:
    key, numbers = ("a", 6) if name == "se3_exp" else ("omega", 3)
    return Entry(getattr(o3, name), {key: only(6, numbers, valid=WIDE)})


def _rigid_motion(name: str) -> Entry:
    q = real(6, 4, rows="samples", valid=ONE_FOR_ALL)
    t = real(6, 3, rows="samples", valid=ONE_FOR_ALL)
    return Entry(getattr(o3, name), {"q": q, "t": t})


def _matrix(name: str) -> Entry:
    call = getattr(o3, name) if name != "wigner_D" else partial(o3.wigner_D, "2e")
    R = Argument(o3.rand_matrix(6), alone=True, valid=WIDE | NOT_ORTHOGONAL)
    return Entry(call, {"R": R})


NOT_ORTHOGONAL = {"NaN": ("refused", "not orthogonal"), "infinite": ("refused", "")}
entry(_angle, "matrix_x", "matrix_y", "matrix_z")
entry(_angles, "angles_to_matrix", "angles_to_quaternion", "angles_to_axis_angle")
axes = ("matrix", "quaternion", "angles")
entry(_axis, *(f"axis_angle_to_{form}" for form in axes))
forms = ("matrix", "axis_angle", "angles")
entry(_quaternion, "so3_log", *(f"quaternion_to_{form}" for form in forms))
entry(_logarithm, "so3_exp", "so3_jacobian", "se3_exp")
entry(_rigid_motion, "se3_log")
forms = ("quaternion", "axis_angle", "angles")
entry(_matrix, "wigner_D", *(f"matrix_to_{form}" for form in forms))


def _rotate(name: str) -> Entry:
    arguments = {
        "x": real(6, 13, rows="samples", valid=ONE_FOR_ALL | WIDE),
        "R": Argument(
            o3.rand_matrix(6), rows="samples", valid=NOT_ORTHOGONAL | WIDE | ONE_FOR_ALL
        ),
    }
    return Entry(partial(o3.rotate, IRREPS), arguments)


def _split(name: str) -> Entry:
    integers = dict.fromkeys(ANY_DTYPE, (FREE, "any dtype"))
    return Entry(
        getattr(IRREPS, name.split(".")[1]), {"x": only(6, 13, valid=integers)}
    )


ANY_DTYPE = ("float64", "float16", "complex", "int64", "int32", "bool")


def _interop(name: str) -> Entry:
    call = partial(getattr(interop, name), IRREPS)
    integers = dict.fromkeys(ANY_DTYPE, (FREE, "any dtype"))
    return Entry(call, {"x": only(6, 13, valid=integers)})


def _length(name: str) -> Entry:
    call = getattr(o3, name)
    return Entry(call, {"x": only(6, 3, columns=False, valid=WIDE | ANY)})


def _harmonics(name: str) -> Entry:
    call = {
        "spherical_harmonics_reference": partial(
            o3.spherical_harmonics_reference, "0e+1o"
        ),
        "harmonics_reference": partial(o3.harmonics_reference, blocks=((1, 0), (1, 1))),
        "nn.spherical_harmonics": partial(nn.spherical_harmonics, "0e+1o"),
    }[name]
    return Entry(call, {"vectors": only(EDGES, 3, valid=WIDE)})


def _join(name: str) -> Entry:
    def call(scalars: Any, vectors: Any) -> Any:
        return IRREPS.join([scalars, vectors])

    alias = {"aliases": ("blocks", "block")}
    arguments = {
        "scalars": real(6, 1, 4, rows="samples", **alias),
        "vectors": real(6, 3, 3, rows="samples", **alias),
    }
    return Entry(call, arguments)


def _cartesian(name: str) -> Entry:
    tensor = o3.CartesianTensor("ijk=ikj")
    given = {
        "tensor": only(6, 3, 3, 3, valid=WIDE),
        "x": only(6, tensor.irreps.dim, valid=WIDE),
    }
    key = "tensor" if name.endswith("from_cartesian") else "x"
    return Entry(getattr(tensor, name.split(".")[1]), {key: given[key]})


entry(_cartesian, "CartesianTensor.from_cartesian", "CartesianTensor.to_cartesian")
entry(_rotate, "rotate")
entry(_split, "Irreps.split", "Irreps.to_mul_ir", "Irreps.from_mul_ir")
entry(_interop, "features_from_e3nn", "features_to_e3nn")
entry(_length, "safe_norm", "safe_normalize")
entry(_harmonics, "spherical_harmonics_reference", "harmonics_reference")
entry(_harmonics, "nn.spherical_harmonics")
entry(_join, "Irreps.join")
