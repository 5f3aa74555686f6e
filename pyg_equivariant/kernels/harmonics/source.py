"""C text for spherical harmonics and their derivatives, written from their degrees.

Lanes of a vector are input vectors; rows of results are transposed in registers.
"""

from __future__ import annotations

from collections.abc import Iterable

from .statements import (
    columns,
    directional,
    outputs,
    scaled,
    sums,
    values,
)

_HEAD = """\
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef {real} real;
typedef {integer} integer;
#define ROOT {root}
#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
#define LANES (WIDTH / {size})
typedef real vec __attribute__((vector_size(WIDTH)));
typedef integer mask __attribute__((vector_size(WIDTH)));
typedef real part __attribute__((vector_size(WIDTH), aligned({size}), may_alias));
#if defined(__clang__)
#define MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MIX(a, b, ...) __builtin_shuffle(a, b, (mask){{__VA_ARGS__}})
#endif
enum {{ DIM = {dim}, FULL = DIM / LANES * LANES, REST = DIM - FULL }};
"""

_ROWS = """\
static inline void put(const vec *from, real *to)
{
  if (REST <= 4) {
    for (int b = 0; b < LANES; ++b)
      for (int j = FULL; j < DIM; ++j) to[b * DIM + j] = from[j][b];
  } else {
    /* What a row writes too much, the next one overwrites. */
    vec rows[LANES];
    turn((const real *)(from + FULL), LANES, (real *)rows, LANES);
    for (int b = 0; b < LANES; ++b) {
      real *row = to + b * DIM + FULL;
      if (row + LANES <= to + LANES * DIM) *(part *)row = rows[b];
      else memcpy(row, rows + b, REST * sizeof(real));
    }
  }
  for (int j = 0; j < FULL; j += LANES)
    turn((const real *)(from + j), LANES, to + j, DIM);
}

static inline void get(const real *from, int64_t step, vec *to)
{
  for (int j = 0; j < FULL; j += LANES) turn(from + j, step, (real *)(to + j), LANES);
  if (REST <= 4) {
    for (int b = 0; b < LANES; ++b)
      for (int j = FULL; j < DIM; ++j) to[j][b] = from[b * step + j];
  } else turn(from + FULL, step, (real *)(to + FULL), LANES);
}

static inline void get3(const real *from, vec *to)
{
  for (int b = 0; b < LANES; ++b)
    for (int a = 0; a < 3; ++a) to[a][b] = from[3 * b + a];
}

static inline void put3(const vec *from, real *to)
{
  for (int b = 0; b < LANES; ++b)
    for (int a = 0; a < 3; ++a) to[3 * b + a] = from[a][b];
}
"""

_LOAD = """\
  vec r[3];
  get3(R, r);
  vec x = r[0], y = r[1], z = r[2];
"""

# A vector that counts as zero gets inverse length 0, and with it all derivatives.
_NORMALIZE = """\
  const vec square = x * x + y * y + z * z;
  vec inv = square;
  for (int b = 0; b < LANES; ++b) inv[b] = ROOT(inv[b]);
  inv = (vec)((mask)((real)1 / inv) & (square > (real){smallest!r}));
  x *= inv; y *= inv; z *= inv;
"""

_VALUE = """\
static __attribute__((noinline)) void value_block(const real *R, real *Y)
{{
{load}{values}  vec out[FULL + LANES];
{outputs}  put(out, Y);
}}
"""

_GRADIENT = """\
static __attribute__((noinline)) void gradient_block(
    const real *R, const real *G, int64_t step, real *DR)
{{
{load}  vec g[FULL + LANES];
  get(G, step, g);
{values}{sums}{project}  const vec out[3] = {{vx, vy, vz}};
  put3(out, DR);
}}
"""

_PROJECT = """\
  const vec uv = x * vx + y * vy + z * vz;
  vx = (vx - x * uv) * inv; vy = (vy - y * uv) * inv; vz = (vz - z * uv) * inv;
"""

_SECOND = """\
static __attribute__((noinline)) void second_block(
    const real *R, const real *G, int64_t step, const real *H, real *DG, real *DR)
{{
{load}  vec g[FULL + LANES], h[3];
  get(G, step, g);
  get3(H, h);
  vec kx = h[0], ky = h[1], kz = h[2];
{tangent}{values}{directional}{sums}  vec out[FULL + LANES];
{outputs}  put(out, DG);
{project}  const vec last[3] = {{qx, qy, qz}};
  put3(last, DR);
}}
"""

_TANGENT = """\
  const vec uh = x * kx + y * ky + z * kz;
  kx = (kx - x * uh) * inv; ky = (ky - y * uh) * inv; kz = (kz - z * uh) * inv;
"""

_SECOND_PROJECT = """\
  const vec uv = x * vx + y * vy + z * vz;
  qx -= (uv * h[0] + uh * vx) * inv;
  qy -= (uv * h[1] + uh * vy) * inv;
  qz -= (uv * h[2] + uh * vz) * inv;
  const vec uq = x * qx + y * qy + z * qz + kx * vx + ky * vy + kz * vz;
  qx = (qx - x * uq) * inv; qy = (qy - y * uq) * inv; qz = (qz - z * uq) * inv;
"""

# The last blocks, which may not be read or written in whole, go by way of a copy.
_RUN = """\
void {name}(int threads, int64_t count, {parameters})
{{
  const int64_t blocks = (count + LANES - 1) / LANES;
  #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
  for (int64_t block = 0; block < blocks; ++block) {{
    const int64_t first = block * LANES;
    if (first + 2 * LANES <= count) {{
      {name}_block({inside});
      continue;
    }}
    const int64_t n = count - first < LANES ? count - first : LANES;
{copies}    {name}_block({outside});
{results}  }}
}}
"""


def c_source(
    degrees: tuple[int, ...], normalize: bool, normalization: str, real: str
) -> str:
    """The text of ``value``, ``gradient`` and ``second``.

    Args:
        degrees: ascending, each once, at least one above 0.
        normalize: as in :func:`pyg_equivariant.o3.spherical_harmonics`.
        normalization: as there.
        real: ``"float"`` or ``"double"``.
    """
    single = real == "float"
    smallest = (2.0**-126 if single else 2.0**-1022) ** (1 / 3)
    head = _HEAD.format(
        real=real,
        integer="int32_t" if single else "int64_t",
        root="sqrtf" if single else "sqrt",
        size=4 if single else 8,
        dim=sum(2 * l + 1 for l in degrees),
    )
    top = max(degrees)
    scales = list(columns(degrees, normalization))
    load = _LOAD + normalize * _NORMALIZE.format(smallest=smallest)
    value = _VALUE.format(
        load=load, values=_lines(values(top)), outputs=_lines(outputs(scales, ""))
    )
    gradient = _GRADIENT.format(
        load=load,
        values=_lines(values(top - 1)),
        sums=_lines([*scaled(scales), *sums(degrees, "v", "")]),
        project=normalize * _PROJECT,
    )
    second = _SECOND.format(
        load=load,
        tangent=normalize * _TANGENT,
        values=_lines(values(top - 1)),
        directional=_lines(directional(top)),
        sums=_lines(
            [*scaled(scales), *sums(degrees, "v", ""), *sums(degrees, "q", "d")]
        ),
        outputs=_lines(outputs(scales, "d")),
        project=normalize * _SECOND_PROJECT,
    )
    runs = (
        _run("value", "R", "Y"),
        _run("gradient", "RG", ("DR",)),
        _run("second", "RGH", ("DG", "DR")),
    )
    return "\n".join([head, _turn(), _ROWS, value, gradient, second, *runs])


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"  {line}\n" for line in lines)


def _run(name: str, inputs: Iterable[str], outputs: Iterable[str]) -> str:
    """The loop over blocks."""
    parameters, inside, outside, copies, results = [], [], [], [], []
    for a in inputs:
        step, width = ("step", "DIM") if a == "G" else ("3", "3")
        parameters.append(f"const real *{a}")
        inside.append(f"{a} + first * {step}")
        outside.append(f"{a}_")
        copies.append(f"real {a}_[LANES * {width} + LANES] = {{0}};")
        copies.append(
            f"for (int b = 0; b < n; ++b) memcpy({a}_ + b * {width}, "
            f"{a} + (first + b) * {step}, {width} * sizeof(real));"
        )
        if a == "G":
            parameters.append("int64_t step")
            inside.append("step")
            outside.append("DIM")
    for a in outputs:
        width = "3" if a == "DR" else "DIM"
        parameters.append(f"real *{a}")
        inside.append(f"{a} + first * {width}")
        outside.append(f"{a}_")
        copies.append(f"real {a}_[LANES * {width}];")
        results.append(
            f"memcpy({a} + first * {width}, {a}_, n * {width} * sizeof(real));"
        )
    return _RUN.format(
        name=name,
        parameters=", ".join(parameters),
        inside=", ".join(inside),
        outside=", ".join(outside),
        copies="".join(f"    {line}\n" for line in copies),
        results="".join(f"    {line}\n" for line in results),
    )


def _turn() -> str:
    """Transpose a square of LANES rows: perfect shuffles, log2(LANES) times."""
    text = [
        "static inline __attribute__((always_inline)) void turn(",
        "    const real *from, int64_t from_step, real *to, int64_t to_step)",
        "{",
    ]
    for lanes in (2, 4, 8, 16):
        pairs = [(i, lanes + i) for i in range(lanes)]
        low = ", ".join(f"{i}, {j}" for i, j in pairs[: lanes // 2])
        high = ", ".join(f"{i}, {j}" for i, j in pairs[lanes // 2 :])
        text.append(f"#if LANES == {lanes}")
        names = [f"a{i}" for i in range(lanes)]
        for i, name in enumerate(names):
            text.append(
                f"  const vec {name} = *(const part *)(from + {i} * from_step);"
            )
        for stage in "bcde"[: lanes.bit_length() - 1]:
            new = [f"{stage}{i}" for i in range(lanes)]
            for i in range(lanes // 2):
                both = f"{names[i]}, {names[i + lanes // 2]}"
                text.append(f"  const vec {new[2 * i]} = MIX({both}, {low});")
                text.append(f"  const vec {new[2 * i + 1]} = MIX({both}, {high});")
            names = new
        for i, name in enumerate(names):
            text.append(f"  *(part *)(to + {i} * to_step) = {name};")
        text.append("#endif")
    return "\n".join([*text, "}", ""])
