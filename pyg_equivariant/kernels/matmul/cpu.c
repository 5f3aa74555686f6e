/* A matrix product whose tiles stay in registers. */
#include "vectors.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))
typedef int64_t size;
enum { ROWS = 12, VECS = 2, COLS = VECS * LANES, DEPTH = 128, TALL = 16 * ROWS };

/* c = a b + from, for at most ROWS rows and COLS columns; rows of b lie in a panel */
static void tile(int depth, int rows, int cols, const real *a, size a_row, size a_col,
                 const real *restrict b, const real *from, size from_row, real *c,
                 size c_row)
{
  size at[ROWS];
  vec sum[ROWS][VECS];
  UNROLL for (int i = 0; i < ROWS; ++i) {
    at[i] = (i < rows ? i : 0) * a_row;
    UNROLL for (int j = 0; j < VECS; ++j) sum[i][j] = (vec){0};
  }
  for (int k = 0; k < depth; ++k, b += COLS, a += a_col) {
    vec row[VECS];
    UNROLL for (int j = 0; j < VECS; ++j) row[j] = *(const loose *)(b + j * LANES);
    UNROLL for (int i = 0; i < ROWS; ++i) {
      const real x = a[at[i]];
      UNROLL for (int j = 0; j < VECS; ++j) sum[i][j] += x * row[j];
    }
  }
  real part[ROWS * COLS];
  const int whole = rows == ROWS && cols == COLS;
  real *to = whole ? c : part;
  const size to_row = whole ? c_row : COLS;
  if (whole && from)
    UNROLL for (int i = 0; i < ROWS; ++i) UNROLL for (int j = 0; j < VECS; ++j)
      sum[i][j] += *(const loose *)(from + i * from_row + j * LANES);
  UNROLL for (int i = 0; i < ROWS; ++i) UNROLL for (int j = 0; j < VECS; ++j)
    *(loose *)(to + i * to_row + j * LANES) = sum[i][j];
  if (whole) return;
  for (int i = 0; i < rows; ++i) for (int j = 0; j < cols; ++j)
    c[i * c_row + j] = part[i * COLS + j] + (from ? from[i * from_row + j] : 0);
}

/* c (m, n) = a (m, k) b (k, n) + bias; every number is summed in one order */
void run(int threads, size m, size k, size n, const real *a, size a_row, size a_col,
         const real *b, size b_row, const real *bias, real *c)
{
  const size tiles = (m + ROWS * threads - 1) / (ROWS * threads);
  const size tall = MIN(TALL, ROWS * tiles);
  #pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (size top = 0; top < m; top += tall) {
    real panel[DEPTH * COLS] __attribute__((aligned(64)));
    const size bottom = MIN(m, top + tall);
    for (size k0 = 0; k0 < k; k0 += DEPTH) {
      const int depth = MIN(DEPTH, k - k0);
      for (size left = 0; left < n; left += COLS) {
        const int cols = MIN(COLS, n - left);
        if (cols < COLS) memset(panel, 0, sizeof(panel));
        for (int i = 0; i < depth; ++i)
          memcpy(panel + i * COLS, b + (k0 + i) * b_row + left, cols * sizeof(real));
        for (size row = top; row < bottom; row += ROWS) {
          real *to = c + row * n + left;
          const real *from = k0 ? to : bias ? bias + left : 0;
          tile(depth, MIN(ROWS, bottom - row), cols, a + row * a_row + k0 * a_col,
               a_row, a_col, panel, from, k0 ? n : 0, to, n);
        }
      }
    }
  }
}
