"""C text for derivatives of the steered linear map, written from its table.

Rows are taken as many at a time as a vector of the machine has lanes, and turned so
that every number becomes a vector over rows. Then a path is a small matrix of vectors
(the attribute joined with the coefficients), and mixing channels is a matrix product
whose weights are scalars: it keeps its sums in registers for any number of channels.
"""

from __future__ import annotations

from collections import defaultdict

from .steer_table import SteerTable, SteerTerm
from .table import entries

_HEAD = """\
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef {real} real;
#if defined(__AVX512F__)
#define WIDTH 64
enum {{ ROOM = 22, TALL = 4, WIDE = 6 }};
#elif defined(__AVX__)
#define WIDTH 32
enum {{ ROOM = 10, TALL = 2, WIDE = 4 }};
#else
#define WIDTH 16
enum {{ ROOM = 10, TALL = 2, WIDE = 4 }};
#endif
enum {{ LANES = WIDTH / sizeof(real), CHUNK = 16 }};
typedef real vec __attribute__((vector_size(WIDTH), may_alias));
typedef vec loose __attribute__((aligned(sizeof(real))));
#define UNROLL _Pragma("GCC unroll 32")
#define INLINE static inline __attribute__((always_inline))
#define TILE(k) ((k) > ROOM ? 1 : ROOM / (k) > 12 ? 12 : ROOM / (k))
#if defined(__clang__) || __GNUC__ >= 12
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef {integer} index __attribute__((vector_size(WIDTH)));
#define PICK(a, b, ...) __builtin_shuffle(a, b, (index){{__VA_ARGS__}})
#endif

/* transpose a square of numbers */
INLINE void turn(vec *v)
{{
{turn}}}

/* n rows of dim numbers become dim vectors over rows */
static void load(vec *to, const real *from, int64_t step, int dim, int n)
{{
  if (n == LANES && dim >= LANES) {{
    for (int c = 0; c < dim; c += LANES) {{
      const int at = c + LANES < dim ? c : dim - LANES;
      vec v[LANES];
      UNROLL for (int b = 0; b < LANES; ++b)
        v[b] = *(const loose *)(from + b * step + at);
      turn(v);
      UNROLL for (int m = 0; m < LANES; ++m) to[at + m] = v[m];
    }}
    return;
  }}
  if (n < LANES) memset(to, 0, dim * sizeof(vec));
  for (int b = 0; b < n; ++b)
    for (int c = 0; c < dim; ++c) ((real *)to)[c * LANES + b] = from[b * step + c];
}}

/* and back */
static void store(real *to, const vec *from, int64_t dim, int n)
{{
  if (n == LANES && dim >= LANES) {{
    for (int c = 0; c < dim; c += LANES) {{
      const int at = c + LANES < dim ? c : dim - LANES;
      vec v[LANES];
      UNROLL for (int m = 0; m < LANES; ++m) v[m] = from[at + m];
      turn(v);
      UNROLL for (int b = 0; b < LANES; ++b) *(loose *)(to + b * dim + at) = v[b];
    }}
    return;
  }}
  for (int b = 0; b < n; ++b)
    for (int c = 0; c < dim; ++c) to[b * dim + c] = ((const real *)from)[c * LANES + b];
}}

/* B[k, o] += sum_r A[k, r] w[r, o] for k < K, T columns at a time */
INLINE void mix_columns(int K, int T, const vec *restrict A, int rows,
                        vec *restrict B, int columns, const real *restrict w,
                        int64_t row, int64_t column)
{{
  vec sum[32];
  UNROLL for (int k = 0; k < K; ++k)
    UNROLL for (int t = 0; t < T; ++t) sum[k * T + t] = B[k * columns + t];
  for (int r = 0; r < rows; ++r)
    UNROLL for (int t = 0; t < T; ++t) {{
      const real s = w[r * row + t * column];
      UNROLL for (int k = 0; k < K; ++k) sum[k * T + t] += A[k * rows + r] * s;
    }}
  UNROLL for (int k = 0; k < K; ++k)
    UNROLL for (int t = 0; t < T; ++t) B[k * columns + t] = sum[k * T + t];
}}

INLINE void mix(int K, const vec *A, int rows, vec *B, int columns, const real *w,
                int64_t row, int64_t column)
{{
  int o = 0;
  for (; o + TILE(K) <= columns; o += TILE(K))
    mix_columns(K, TILE(K), A, rows, B + o, columns, w + o * column, row, column);
  for (; o < columns; ++o)
    mix_columns(K, 1, A, rows, B + o, columns, w + o * column, row, column);
}}

INLINE real total(vec v)
{{
  union {{ vec v; real r[LANES]; }} s = {{ v }};
  UNROLL for (int half = LANES / 2; half; half /= 2)
    UNROLL for (int m = 0; m < half; ++m) s.r[m] += s.r[m + half];
  return s.r[0];
}}

/* w[u, o] += sum over lanes, c, k of A[c, k, u] B[c, k, o], a tile of u and o */
INLINE void meet_tile(int K, int U, int O, int count, const vec *A, int rows,
                      int64_t next_a, const vec *B, int columns, int64_t next_b,
                      real *w)
{{
  vec sum[24];
  UNROLL for (int m = 0; m < U * O; ++m) sum[m] = (vec){{0}};
  for (int c = 0; c < count; ++c, A += next_a, B += next_b)
    UNROLL for (int k = 0; k < K; ++k)
      UNROLL for (int u = 0; u < U; ++u)
        UNROLL for (int o = 0; o < O; ++o)
          sum[u * O + o] += A[k * rows + u] * B[k * columns + o];
  UNROLL for (int u = 0; u < U; ++u)
    UNROLL for (int o = 0; o < O; ++o) w[u * columns + o] += total(sum[u * O + o]);
}}

INLINE void meet(int K, int count, const vec *A, int rows, int64_t next_a,
                 const vec *B, int columns, int64_t next_b, real *w)
{{
  int u = 0;
#define ROW(U, O) \\
  meet_tile(K, U, O, count, A + u, rows, next_a, B + o, columns, next_b, \\
            w + (int64_t)u * columns + o)
  for (; u + TALL <= rows; u += TALL) {{
    int o = 0;
    for (; o + WIDE <= columns; o += WIDE) ROW(TALL, WIDE);
    for (; o < columns; ++o) ROW(TALL, 1);
  }}
  for (; u < rows; ++u) {{
    int o = 0;
    for (; o + WIDE <= columns; o += WIDE) ROW(1, WIDE);
    for (; o < columns; ++o) ROW(1, 1);
  }}
#undef ROW
}}
"""

_MIX = """\
static __attribute__((noinline)) void mix_{K}(
    const vec *A, int rows, vec *B, int columns, const real *w, int64_t row,
    int64_t column)
{{
  mix({K}, A, rows, B, columns, w, row, column);
}}
"""

_MEET = """\
static __attribute__((noinline)) void meet_{K}(
    int count, const vec *A, int rows, int64_t next_a, const vec *B, int columns,
    int64_t next_b, real *w)
{{
  meet({K}, count, A, rows, next_a, B, columns, next_b, w);
}}
"""

_JOIN = """\
static __attribute__((noinline)) void join_{name}(
    const vec *restrict X, const vec *restrict Y, vec *restrict Z, int mul, real scale)
{{
{couple}  for (int u = 0; u < mul; ++u) {{
{body}  }}
}}
"""

_PART = """\
static __attribute__((noinline)) void part_{name}(
    const vec *restrict X, const vec *restrict Y, const vec *restrict Z,
    vec *restrict DX, vec *restrict DY, int mul, real scale)
{{
{couple}{body}}}
"""

_RUN = """\
int run(int threads, int parts, int64_t rows,
        const real *x, int64_t x_step, const real *y, int64_t y_step,
        const real *w, const real *g, int64_t g_step,
        real *dx, real *dy, real *dw, real *dg)
{{
  int failed = 0;
  const int64_t blocks = (rows + LANES - 1) / LANES;
  #pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (int part = 0; part < parts; ++part) {{
    vec *room = aligned_alloc(WIDTH, {room} * sizeof(vec));
    if (!room) {{ failed = 1; continue; }}
    const int64_t begin = blocks * part / parts * LANES;
    const int64_t end = blocks * (part + 1) / parts * LANES;
    const int64_t stop = end < rows ? end : rows;
{work}    free(room);
  }}
  return failed;
}}
"""

_SUMS = """\
    vec *X = room, *G = X + {x}, *Y = G + {g}, *Z = Y + {y};
    for (int64_t first = begin; first < stop; first += LANES) {{
      const int n = stop - first < LANES ? (int)(stop - first) : LANES;
      load(Y, y + first * y_step, y_step, {y}, n);
      load(X, x + first * x_step, x_step, {x}, n);
      memset(G, 0, {g} * sizeof(vec));
{calls}      store(dg + first * {g}, G, {g}, n);
    }}
"""

_PARTS = """\
    vec *X = room, *G = X + {x}, *Y = G + {g}, *Z = Y + {y};
    vec *DX = Z + {z}, *DY = DX + {x};
    for (int64_t first = begin; first < stop; first += LANES) {{
      const int n = stop - first < LANES ? (int)(stop - first) : LANES;
      load(G, g + first * g_step, g_step, {g}, n);
      if (x) load(X, x + first * x_step, x_step, {x}, n);
      if (y) load(Y, y + first * y_step, y_step, {y}, n);
      memset(DX, 0, ({x} + {y}) * sizeof(vec));
{calls}      if (dx) store(dx + first * {x}, DX, {x}, n);
      if (dy) store(dy + first * {y}, DY, {y}, n);
    }}
"""

_WEIGHTS = """\
    vec *X = room, *G = X + CHUNK * {x}, *Y = G + CHUNK * {g}, *Z = Y + CHUNK * {y};
    real *sums = dw + part * (int64_t){w};
    memset(sums, 0, {w} * sizeof(real));
    for (int64_t first = begin; first < stop; first += CHUNK * LANES) {{
      int count = 0;
      for (; count < CHUNK && first + count * LANES < stop; ++count) {{
        const int64_t row = first + count * LANES;
        const int n = stop - row < LANES ? (int)(stop - row) : LANES;
        load(X + count * {x}, x + row * x_step, x_step, {x}, n);
        load(G + count * {g}, g + row * g_step, g_step, {g}, n);
        load(Y + count * {y}, y + row * y_step, y_step, {y}, n);
      }}
{calls}    }}
"""


def steer_source(table: SteerTable, wanted: str, real: str) -> str:
    """The text of ``run``, which computes some derivatives of the form.

    Args:
        table: the steered map.
        wanted: ``"g"``, ``"w"``, or some of ``"xy"``.
        real: ``"float"`` or ``"double"``.
    """
    functions, calls = {}, []
    for term in table.terms:
        name = f"{term.l1}_{term.l2}_{term.l3}"
        k = 2 * term.l3 + 1
        if wanted == "w":
            functions[f"meet {k}"] = _MEET.format(K=k)
        else:
            functions[f"mix {k}"] = _MIX.format(K=k)
        make = _part if "g" not in wanted and wanted != "w" else _join
        functions[name] = make(name, term, wanted)
        calls.append(_call(name, term, wanted, table.dims))
    x, y, w, g = table.dims
    z = max((2 * t.l3 + 1) * t.mul1 for t in table.terms)
    room = {"g": x + g + y + z, "w": f"CHUNK * {x + g + y + z}"}
    work = {"g": _SUMS, "w": _WEIGHTS}.get(wanted, _PARTS)
    text = work.format(x=x, y=y, w=w, g=g, z=z, calls="".join(calls))
    run = _RUN.format(room=room.get(wanted, 2 * (x + y) + g + z), work=text)
    integer, turn = ("int32_t", _turn(4)) if real == "float" else ("int64_t", _turn(8))
    head = _HEAD.format(real=real, integer=integer, turn=turn)
    return "\n".join([head, *functions.values(), run])


def _turn(size: int) -> str:
    """Statements that transpose a square of numbers of ``size`` bytes, by halves."""
    text, guard = [], "if"
    for width in (64, 32, 16):
        lanes = width // size
        text.append(f"#{guard} WIDTH == {width}\n")
        guard = "elif"
        far = lanes // 2
        while far:
            low = [(b if not b & far else b - far + lanes) for b in range(lanes)]
            high = [(b + far if not b & far else b + lanes) for b in range(lanes)]
            text.append(
                f"  UNROLL for (int b = 0; b < {lanes}; ++b) if (!(b & {far})) {{\n"
                f"    const vec lo = v[b], hi = v[b + {far}];\n"
                f"    v[b] = PICK(lo, hi, {', '.join(map(str, low))});\n"
                f"    v[b + {far}] = PICK(lo, hi, {', '.join(map(str, high))});\n  }}\n"
            )
            far //= 2
    return "".join([*text, "#endif\n"])


def _call(name: str, t: SteerTerm, wanted: str, dims: tuple[int, ...]) -> str:
    """The statements of one path."""
    k, scale, rows, columns = 2 * t.l3 + 1, repr(t.coefficient), t.mul1, t.mul3
    if wanted == "g":
        return (
            f"      join_{name}(X + {t.x}, Y + {t.y}, Z, {rows}, {scale});\n"
            f"      mix_{k}(Z, {rows}, G + {t.g}, {columns}, "
            f"w + {t.w}, {columns}, 1);\n"
        )
    if wanted == "w":
        x, y, _, g = dims
        step = k * t.mul1
        return (
            f"      for (int c = 0; c < count; ++c)\n"
            f"        join_{name}(X + c * {x} + {t.x}, Y + c * {y} + {t.y}, "
            f"Z + c * {step}, {t.mul1}, {scale});\n"
            f"      meet_{k}(count, Z, {t.mul1}, {step}, G + {t.g}, {t.mul3}, {g}, "
            f"sums + {t.w});\n"
        )
    return (
        f"      memset(Z, 0, {k * t.mul1} * sizeof(vec));\n"
        f"      mix_{k}(G + {t.g}, {t.mul3}, Z, {t.mul1}, w + {t.w}, 1, {t.mul3});\n"
        f"      part_{name}(X + {t.x}, Y + {t.y}, Z, DX + {t.x}, DY + {t.y}, {t.mul1}, "
        f"{scale});\n"
    )


def _pairs(term: SteerTerm) -> dict[tuple[int, int], list[tuple[int, float]]]:
    """The non-zero coefficients of a path, gathered by ``(i, k)``."""
    pairs: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
    for i, j, k, value in entries(term.l1, term.l2, term.l3):
        pairs[i, k].append((j, value))
    return pairs


def _couple(pairs: dict[tuple[int, int], list[tuple[int, float]]]) -> str:
    lines = []
    for (i, k), terms in pairs.items():
        total = " + ".join(f"(real){value!r} * Y[{j}]" for j, value in terms)
        lines.append(f"  const vec m{i}_{k} = scale * ({total});\n")
    return "".join(lines)


def _join(name: str, term: SteerTerm, wanted: str) -> str:
    """``Z[k] = sum_i M[i, k] X[i]``."""
    pairs = _pairs(term)
    used = sorted({i for i, _ in pairs})
    lines = [f"    const vec x{i} = X[{i} * mul + u];\n" for i in used]
    for k in range(2 * term.l3 + 1):
        total = " + ".join(f"m{i}_{n} * x{i}" for i, n in pairs if n == k)
        lines.append(f"    Z[{k} * mul + u] = {total};\n")
    return _JOIN.format(name=name, couple=_couple(pairs), body="".join(lines))


def _part(name: str, term: SteerTerm, wanted: str) -> str:
    """``DX[i] += sum_k M[i, k] Z[k]`` and ``DY[j] += sum C X[i] Z[k]``."""
    pairs = _pairs(term)
    lines, couple = [], ""
    if "x" in wanted:
        couple = _couple(pairs)
        used = sorted({k for _, k in pairs})
        lines.append("  for (int u = 0; u < mul; ++u) {\n")
        lines += [f"    const vec z{k} = Z[{k} * mul + u];\n" for k in used]
        for i in sorted({i for i, _ in pairs}):
            total = " + ".join(f"m{n}_{k} * z{k}" for n, k in pairs if n == i)
            lines.append(f"    DX[{i} * mul + u] += {total};\n")
        lines.append("  }\n")
    if "y" in wanted:
        for k in sorted({k for _, k in pairs}):
            mine = [i for i, n in pairs if n == k]
            lines += [f"  vec q{i}_{k} = {{0}};\n" for i in mine]
            lines.append("  for (int u = 0; u < mul; ++u) {\n")
            lines.append(f"    const vec z = Z[{k} * mul + u];\n")
            lines += [f"    q{i}_{k} += X[{i} * mul + u] * z;\n" for i in mine]
            lines.append("  }\n")
        sums = defaultdict(list)
        for (i, k), terms in pairs.items():
            for j, value in terms:
                sums[j].append(f"(real){value!r} * q{i}_{k}")
        for j, parts in sums.items():
            lines.append(f"  DY[{j}] += scale * ({' + '.join(parts)});\n")
    return _PART.format(name=name, couple=couple, body="".join(lines))
