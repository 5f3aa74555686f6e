"""C text for derivatives of the fused convolution, written from its table.

Edges are taken in blocks. For every path the harmonics of a block are first joined with
the coefficients, one row ``M`` for each pair ``(i, k)`` that occurs; then the edges of
the block run one by one, channels innermost, in vectors of the machine's width. Paths
of equal degrees and channels share one function.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..compiled.vectors import vector_types
from .table import Table, Term, entries

_HEAD = """\
#define FETCH(from, size) \\
  for (int m = 0; m < size; m += 64 / sizeof(real)) __builtin_prefetch((from) + m)
enum {{ BLOCK = 16, AHEAD = 2 }};
typedef real row __attribute__((vector_size(BLOCK * sizeof(real))));
typedef vec sums[{y_dim}];
"""

_PATH = """\
static __attribute__((noinline)) void {name}(
    int n, const row *restrict Y, const real *const *X, const real *const *W,
    const real *const *G, real *const *DX, sums *DY, real *const *DW,
    real *const *DG, int xo, int yo, int wo, int go, real scale)
{{
{couple}  for (int b = 0; b < n; ++b) {{
{rows}    int u = 0;
    for (; u + LANES <= {mul}; u += LANES) {{
{vectors}    }}
    for (; u < {mul}; ++u) {{
{rest}    }}
{close}  }}
}}
"""

_RUN = """\
void run(int threads, int parts, const int64_t *node_at, const int64_t *edge_at,
         const int64_t *order, const int64_t *source, const int64_t *target,
         const real *x, int64_t x_step, const real *y, int64_t y_step,
         const real *w, int64_t w_step, const real *g, int64_t g_step,
         real *dx, real *dy, real *dw, real *dg)
{{
  #pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (int part = 0; part < parts; ++part) {{
    const int64_t stop = edge_at[part + 1], nodes = node_at[part + 1] - node_at[part];
    if (dx) memset(dx + node_at[part] * {x}, 0, nodes * {x} * sizeof(real));
    if (dg) memset(dg + node_at[part] * {g}, 0, nodes * {g} * sizeof(real));
    for (int64_t first = edge_at[part]; first < stop; first += BLOCK) {{
      const int n = stop - first < BLOCK ? (int)(stop - first) : BLOCK;
      row Y[{y}];
      vec DY[BLOCK][{y}];
      const real *X[BLOCK + AHEAD], *W[BLOCK + AHEAD], *G[BLOCK + AHEAD];
      real *DX[BLOCK], *DW[BLOCK], *DG[BLOCK];
      memset(Y, 0, sizeof(Y));
      for (int b = 0; b < n + AHEAD; ++b) {{
        const int64_t e = order[first + (b < n ? b : n - 1)];
        const int64_t s = source[e], t = target[e];
        X[b] = x + s * x_step; W[b] = w + e * w_step; G[b] = g + t * g_step;
        if (b >= n) continue;
        DX[b] = dx + s * {x}; DW[b] = dw + e * {w}; DG[b] = dg + t * {g};
        if (y) for (int j = 0; j < {y}; ++j) Y[j][b] = y[e * y_step + j];
      }}
      if (dy) memset(DY, 0, sizeof(DY));
{calls}      if (dy) for (int b = 0; b < n; ++b) for (int j = 0; j < {y}; ++j) {{
        real sum = 0;
        for (int lane = 0; lane < LANES; ++lane) sum += DY[b][j][lane];
        dy[order[first + b] * {y} + j] = sum;
      }}
    }}
  }}
}}
"""


def c_source(table: Table, wanted: str, real: str) -> str:
    """The text of ``run``, which computes some derivatives of the trilinear form.

    Args:
        table: the convolution.
        wanted: ``"g"`` (parts own targets), or some of ``"xyw"`` (parts own sources).
        real: ``"float"`` or ``"double"``.
    """
    functions: dict[str, str] = {}
    calls = []
    for term in table.terms:
        name = f"path_{term.l1}_{term.l2}_{term.l3}_{term.mul}_{int(term.w >= 0)}"
        if name not in functions:
            functions[name] = _function(name, term, wanted)
        at = f"{term.x}, {term.y}, {max(term.w, 0)}, {term.g}, {term.coefficient!r}"
        calls.append(f"      {name}(n, Y, X, W, G, DX, DY, DW, DG, {at});\n")
    x, y, w, g = table.dims
    run = _RUN.format(x=x, y=y, w=w, g=g, calls="".join(calls))
    return "\n".join(
        [vector_types(real), _HEAD.format(y_dim=y), *functions.values(), run]
    )


class _Couplings:
    """The non-zero coefficients of a path, gathered by ``(i, k)``."""

    def __init__(self, term: Term) -> None:
        self.pairs: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
        for i, j, k, value in entries(term.l1, term.l2, term.l3):
            self.pairs[i, k].append((j, value))
        self.number = {pair: p for p, pair in enumerate(self.pairs)}
        self.i = sorted({i for i, _ in self.pairs})
        self.k = sorted({k for _, k in self.pairs})

    def over_i(self, k: int) -> str:
        """The sum over ``i`` of ``M x``."""
        pairs = [(i, self.number[i, k]) for i in self.i if (i, k) in self.number]
        return " + ".join(f"M[{p}][b] * x{i}" for i, p in pairs)

    def over_k(self, i: int) -> str:
        """The sum over ``k`` of ``M g``."""
        pairs = [(k, self.number[i, k]) for k in self.k if (i, k) in self.number]
        return " + ".join(f"M[{p}][b] * g{k}" for k, p in pairs)


def _function(name: str, term: Term, wanted: str) -> str:
    """One path on a block of edges."""
    c = _Couplings(term)
    couple, rows, close = [], [], []
    if wanted != "y":
        couple = [f"row M[{len(c.pairs)}];", "Y += yo;"]
        for pair, terms in c.pairs.items():
            total = " + ".join(f"(real){value!r} * Y[{j}]" for j, value in terms)
            couple.append(f"M[{c.number[pair]}] = scale * ({total});")
    far, degree = ("x", term.l1) if wanted == "g" else ("g", term.l3)
    size = term.mul * (2 * degree + 1)
    rows.append(f"FETCH({far.upper()}[b + AHEAD] + {far}o, {size});")
    if _reads_w(term, wanted):
        rows.append(f"FETCH(W[b + AHEAD] + wo, {term.mul});")
    for letter in "xwg":
        rows.append(f"const real *restrict {letter} = {letter.upper()}[b] + {letter}o;")
    for letter in wanted.replace("y", ""):
        rows.append(f"real *restrict d{letter} = D{letter.upper()}[b] + {letter}o;")
    if "y" in wanted:
        js = range(2 * term.l2 + 1)
        rows.append("vec " + ", ".join(f"a{j} = {{0}}" for j in js) + ";")
        rows.append("real " + ", ".join(f"r{j} = 0" for j in js) + ";")
        for j in js:
            close.append(f"a{j}[0] += r{j}; DY[b][yo + {j}] += scale * a{j};")
    return _PATH.format(
        name=name,
        mul=term.mul,
        couple=_lines(couple, 2),
        rows=_lines(rows, 4),
        vectors=_lines(_body(c, term, wanted, "vec", "a"), 6),
        rest=_lines(_body(c, term, wanted, "real", "r"), 6),
        close=_lines(close, 4),
    )


def _reads_w(term: Term, wanted: str) -> bool:
    return term.w >= 0 and wanted != "w"


def _lines(lines: list[str] | Iterator[str], indent: int) -> str:
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


def _body(
    c: _Couplings, term: Term, wanted: str, kind: str, total: str
) -> Iterator[str]:
    """Statements for the channels from ``u``: a ``vec`` of them, or one ``real``."""
    memory = "loose" if kind == "vec" else kind

    def at(letter: str, m: int) -> str:
        const = "" if letter[0] == "d" else "const "
        return f"*({const}{memory} *)({letter} + {m * term.mul} + u)"

    weight = "w0 * " if term.w >= 0 else ""
    if _reads_w(term, wanted):
        yield f"const {kind} w0 = {at('w', 0)};"
    if wanted != "x":
        yield from (f"const {kind} x{i} = {at('x', i)};" for i in c.i)
    if wanted == "g":
        yield from (f"{at('dg', k)} += {weight}({c.over_i(k)});" for k in c.k)
        return
    yield from (f"const {kind} g{k} = {at('g', k)};" for k in c.k)
    if wanted != "y":
        yield from (f"const {kind} s{i} = {c.over_k(i)};" for i in c.i)
    if "x" in wanted:
        yield from (f"{at('dx', i)} += {weight}s{i};" for i in c.i)
    if "w" in wanted and term.w >= 0:
        yield f"{at('dw', 0)} = {' + '.join(f'x{i} * s{i}' for i in c.i)};"
    if "y" in wanted:
        yield from (f"const {kind} h{k} = {weight}g{k};" for k in c.k)
        for (i, k), terms in c.pairs.items():
            q = f"q{c.number[i, k]}"
            yield f"const {kind} {q} = x{i} * h{k};"
            yield from (f"{total}{j} += (real){v!r} * {q};" for j, v in terms)
