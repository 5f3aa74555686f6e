"""C text of a matrix product whose tiles stay in registers."""

from __future__ import annotations

from ..compiled.vectors import vector_types

_TEXT = """\
#define MIN(a, b) ((a) < (b) ? (a) : (b))
typedef int64_t size;
enum {{ ROWS = {rows}, COLS = {vecs} * LANES, DEPTH = 128, TALL = 16 * ROWS }};

/* c = a b + from, for at most ROWS rows and COLS columns; rows of b lie in a panel */
static void tile(int depth, int rows, int cols, const real *a, size a_row, size a_col,
                 const real *restrict b, const real *from, size from_row, real *c,
                 size c_row)
{{
{start}  for (int k = 0; k < depth; ++k, b += COLS, a += a_col) {{
{step}  }}
  real part[ROWS * COLS];
  const int whole = rows == ROWS && cols == COLS;
  real *to = whole ? c : part;
  const size to_row = whole ? c_row : COLS;
  if (whole && from) {{
{add}  }}
{store}  if (whole) return;
  for (int i = 0; i < rows; ++i) for (int j = 0; j < cols; ++j)
    c[i * c_row + j] = part[i * COLS + j] + (from ? from[i * from_row + j] : 0);
}}

/* c (m, n) = a (m, k) b (k, n) + bias; every number is summed in one order */
void run(int threads, size m, size k, size n, const real *a, size a_row, size a_col,
         const real *b, size b_row, const real *bias, real *c)
{{
  const size tiles = (m + ROWS * threads - 1) / (ROWS * threads);
  const size tall = MIN(TALL, ROWS * tiles);
  #pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (size top = 0; top < m; top += tall) {{
    real panel[DEPTH * COLS] __attribute__((aligned(64)));
    const size bottom = MIN(m, top + tall);
    for (size k0 = 0; k0 < k; k0 += DEPTH) {{
      const int depth = MIN(DEPTH, k - k0);
      for (size left = 0; left < n; left += COLS) {{
        const int cols = MIN(COLS, n - left);
        if (cols < COLS) memset(panel, 0, sizeof(panel));
        for (int i = 0; i < depth; ++i)
          memcpy(panel + i * COLS, b + (k0 + i) * b_row + left, cols * sizeof(real));
        for (size row = top; row < bottom; row += ROWS) {{
          real *to = c + row * n + left;
          const real *from = k0 ? to : bias ? bias + left : 0;
          tile(depth, MIN(ROWS, bottom - row), cols, a + row * a_row + k0 * a_col,
               a_row, a_col, panel, from, k0 ? n : 0, to, n);
        }}
      }}
    }}
  }}
}}
"""


def matmul_source(real: str, rows: int = 12, vecs: int = 2) -> str:
    """The text of ``run``, the product of two matrices.

    The first may have any strides, rows of the second are consecutive.

    Args:
        real: ``"float"`` or ``"double"``.
        rows: of a tile.
        vecs: the number of vectors in a row of a tile.
    """
    start, step, add, store = [], [], [], []
    for j in range(vecs):
        step.append(f"    const vec b{j} = *(const loose *)(b + {j} * LANES);")
    for i in range(rows):
        start.append(f"  const size a{i} = ({i} < rows ? {i} : 0) * a_row;")
        step.append(f"    const real x{i} = a[a{i}];")
        for j in range(vecs):
            c, at = f"c{i}_{j}", f"{j} * LANES"
            start.append(f"  vec {c} = {{0}};")
            step.append(f"    {c} += x{i} * b{j};")
            add.append(f"    {c} += *(const loose *)(from + {i} * from_row + {at});")
            store.append(f"  *(loose *)(to + {i} * to_row + {at}) = {c};")
    text = _TEXT.format(
        rows=rows,
        vecs=vecs,
        start=_lines(start),
        step=_lines(step),
        add=_lines(add),
        store=_lines(store),
    )
    return vector_types(real) + text


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
