"""C text of the paths of a steered linear map, on vectors over rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..compiled.vectors import vector_types
from ..convolution.table import entries

Degrees = tuple[int, int, int]

_PATH = """\
void join_{name}(
    const vec *restrict X, const vec *restrict Y, vec *restrict Z, int mul, real scale)
{{
{couple}  for (int u = 0; u < mul; ++u) {{
{join}  }}
}}

void to_x_{name}(
    const vec *restrict Y, vec *restrict DX, const vec *restrict Z, int mul, real scale)
{{
{couple}  for (int u = 0; u < mul; ++u) {{
{to_x}  }}
}}

void to_y_{name}(
    const vec *restrict X, vec *restrict DY, const vec *restrict Z, int mul, real scale)
{{
{to_y}}}
"""


def paths_source(degrees: tuple[Degrees, ...], real: str) -> str:
    """The text of ``join_N``, ``to_x_N`` and ``to_y_N`` for each of the degrees.

    Args:
        degrees: ``(l1, l2, l3)`` of every path.
        real: ``"float"`` or ``"double"``.
    """
    paths = [_path(n, *ls) for n, ls in enumerate(degrees)]
    return "\n".join([vector_types(real), *paths])


def _path(name: int, l1: int, l2: int, l3: int) -> str:
    """``Z[k] = sum_i M[i, k] X[i]`` and what it hands back to ``X`` and ``Y``."""
    pairs: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
    for i, j, k, value in entries(l1, l2, l3):
        pairs[i, k].append((j, value))
    couple = []
    for (i, k), terms in pairs.items():
        total = " + ".join(f"(real){value!r} * Y[{j}]" for j, value in terms)
        couple.append(f"  const vec m{i}_{k} = scale * ({total});\n")
    join = [
        f"    const vec x{i} = X[{i} * mul + u];\n"
        for i in sorted({i for i, _ in pairs})
    ]
    for k in range(2 * l3 + 1):
        total = " + ".join(f"m{i}_{n} * x{i}" for i, n in pairs if n == k)
        join.append(f"    Z[{k} * mul + u] = {total};\n")
    to_x = [
        f"    const vec z{k} = Z[{k} * mul + u];\n"
        for k in sorted({k for _, k in pairs})
    ]
    for i in range(2 * l1 + 1):
        total = " + ".join(f"m{n}_{k} * z{k}" for n, k in pairs if n == i)
        to_x.append(f"    DX[{i} * mul + u] += {total};\n")
    return _PATH.format(
        name=name,
        couple="".join(couple),
        join="".join(join),
        to_x="".join(to_x),
        to_y="".join(_to_y(pairs)),
    )


def _to_y(pairs: dict[tuple[int, int], list[tuple[int, float]]]) -> Iterator[str]:
    """``DY[j] += sum C[i, j, k] X[i] Z[k]``."""
    for k in sorted({k for _, k in pairs}):
        mine = [i for i, n in pairs if n == k]
        yield from (f"  vec q{i}_{k} = {{0}};\n" for i in mine)
        yield "  for (int u = 0; u < mul; ++u) {\n"
        yield f"    const vec z = Z[{k} * mul + u];\n"
        yield from (f"    q{i}_{k} += X[{i} * mul + u] * z;\n" for i in mine)
        yield "  }\n"
    sums = defaultdict(list)
    for (i, k), terms in pairs.items():
        for j, value in terms:
            sums[j].append(f"(real){value!r} * q{i}_{k}")
    for j, products in sums.items():
        yield f"  DY[{j}] += scale * ({' + '.join(products)});\n"
