/* The fully connected tensor product of many rows with weights that they share.

   Rows are taken as many at a time as a vector of the machine has lanes, and transposed
   so that every number becomes a vector over rows. Then a path is a small matrix of
   vectors (the second input joined with the coefficients), and mixing channels is a
   matrix product whose weights are scalars: it keeps its sums in registers for any
   number of channels. Sizes, blocks and what a path does (paths.c.jinja) are arguments:
   almost all products share one library. EACH_SIZE(F) stands for F(1) F(3) F(5) ..., the
   numbers of rows 2 l + 1 of the blocks of an output. */
#include "vectors.h"
#include "transpose.h"

#if WIDTH == 64
enum { ROOM = 22, TALL = 4, WIDE = 6 };
#else
enum { ROOM = 10, TALL = 2, WIDE = 4 };
#endif
enum { CHUNK = 16 };
typedef void path(const vec *, const vec *, vec *, int, real);
typedef void back(const vec *, vec *, const vec *, int, real);
typedef struct {
  path *join;
  back *to_x, *to_y;
  int64_t k, mul1, mul3, x, y, w, g;
  double scale;
} term;
#define TILE(k) ((k) > ROOM ? 1 : ROOM / (k) > 12 ? 12 : ROOM / (k))
/* n rows of dim numbers become dim vectors over rows */
static void load(vec *to, const real *from, int64_t step, int dim, int n)
{
  if (n == LANES && dim >= LANES) {
    for (int c = 0; c < dim; c += LANES) {
      const int at = c + LANES < dim ? c : dim - LANES;
      vec v[LANES];
      UNROLL for (int b = 0; b < LANES; ++b)
        v[b] = *(const loose *)(from + b * step + at);
      transpose(v);
      UNROLL for (int m = 0; m < LANES; ++m) to[at + m] = v[m];
    }
    return;
  }
  if (n < LANES) memset(to, 0, dim * sizeof(vec));
  for (int b = 0; b < n; ++b)
    for (int c = 0; c < dim; ++c) ((real *)to)[c * LANES + b] = from[b * step + c];
}

/* and back */
static void store(real *to, const vec *from, int64_t dim, int n)
{
  if (n == LANES && dim >= LANES) {
    for (int c = 0; c < dim; c += LANES) {
      const int at = c + LANES < dim ? c : dim - LANES;
      vec v[LANES];
      UNROLL for (int m = 0; m < LANES; ++m) v[m] = from[at + m];
      transpose(v);
      UNROLL for (int b = 0; b < LANES; ++b) *(loose *)(to + b * dim + at) = v[b];
    }
    return;
  }
  for (int b = 0; b < n; ++b)
    for (int c = 0; c < dim; ++c) to[b * dim + c] = ((const real *)from)[c * LANES + b];
}

/* B[k, o] += sum_r A[k, r] w[r, o] for k < K, T columns at a time */
INLINE void mix_columns(int K, int T, const vec *restrict A, int rows,
                        vec *restrict B, int columns, const real *restrict w,
                        int64_t row, int64_t column)
{
  vec sum[32];
  UNROLL for (int k = 0; k < K; ++k)
    UNROLL for (int t = 0; t < T; ++t) sum[k * T + t] = B[k * columns + t];
  for (int r = 0; r < rows; ++r)
    UNROLL for (int t = 0; t < T; ++t) {
      const real s = w[r * row + t * column];
      UNROLL for (int k = 0; k < K; ++k) sum[k * T + t] += A[k * rows + r] * s;
    }
  UNROLL for (int k = 0; k < K; ++k)
    UNROLL for (int t = 0; t < T; ++t) B[k * columns + t] = sum[k * T + t];
}

INLINE void mix(int K, const vec *A, int rows, vec *B, int columns, const real *w,
                int64_t row, int64_t column)
{
  int o = 0;
  for (; o + TILE(K) <= columns; o += TILE(K))
    mix_columns(K, TILE(K), A, rows, B + o, columns, w + o * column, row, column);
  for (; o < columns; ++o)
    mix_columns(K, 1, A, rows, B + o, columns, w + o * column, row, column);
}

INLINE real total(vec v)
{
  union { vec v; real r[LANES]; } s = { v };
  UNROLL for (int half = LANES / 2; half; half /= 2)
    UNROLL for (int m = 0; m < half; ++m) s.r[m] += s.r[m + half];
  return s.r[0];
}

/* w[u, o] += sum over lanes, c, k of A[c, k, u] B[c, k, o], a tile of u and o */
INLINE void meet_tile(int K, int U, int O, int count, const vec *A, int rows,
                      int64_t next_a, const vec *B, int columns, int64_t next_b,
                      real *w)
{
  vec sum[24];
  UNROLL for (int m = 0; m < U * O; ++m) sum[m] = (vec){0};
  for (int c = 0; c < count; ++c, A += next_a, B += next_b)
    UNROLL for (int k = 0; k < K; ++k)
      UNROLL for (int u = 0; u < U; ++u)
        UNROLL for (int o = 0; o < O; ++o)
          sum[u * O + o] += A[k * rows + u] * B[k * columns + o];
  UNROLL for (int u = 0; u < U; ++u)
    UNROLL for (int o = 0; o < O; ++o) w[u * columns + o] += total(sum[u * O + o]);
}

INLINE void meet(int K, int count, const vec *A, int rows, int64_t next_a,
                 const vec *B, int columns, int64_t next_b, real *w)
{
  int u = 0;
#define ROW(U, O) \
  meet_tile(K, U, O, count, A + u, rows, next_a, B + o, columns, next_b, \
            w + (int64_t)u * columns + o)
  for (; u + TALL <= rows; u += TALL) {
    int o = 0;
    for (; o + WIDE <= columns; o += WIDE) ROW(TALL, WIDE);
    for (; o < columns; ++o) ROW(TALL, 1);
  }
  for (; u < rows; ++u) {
    int o = 0;
    for (; o + WIDE <= columns; o += WIDE) ROW(1, WIDE);
    for (; o < columns; ++o) ROW(1, 1);
  }
#undef ROW
}

#define FUNCTIONS(K) \
  static __attribute__((noinline)) void mix_##K( \
      const vec *A, int rows, vec *B, int columns, const real *w, int64_t row, \
      int64_t column) \
  { \
    mix(K, A, rows, B, columns, w, row, column); \
  } \
  static __attribute__((noinline)) void meet_##K( \
      int count, const vec *A, int rows, int64_t next_a, const vec *B, int columns, \
      int64_t next_b, real *w) \
  { \
    meet(K, count, A, rows, next_a, B, columns, next_b, w); \
  }
EACH_SIZE(FUNCTIONS)

#define ARGUMENTS \
  int threads, int parts, int64_t rows, const term *terms, int count, \
  int64_t x_dim, int64_t y_dim, int64_t w_dim, int64_t g_dim, \
  const real *x, int64_t x_step, const real *y, int64_t y_step, \
  const real *w, const real *g, int64_t g_step, \
  real *dx, real *dy, real *dw, real *dg
#define EACH_TERM(terms, count) \
  for (const term *t = (terms); t < (terms) + (count); ++t)
/* opens a block for one part of the rows, with room for so many vectors */
#define EACH_PART(size) \
  _Pragma("omp parallel for num_threads(threads) schedule(dynamic, 1)") \
  for (int part = 0; part < parts; ++part) { \
    vec *room = aligned_alloc(WIDTH, (size) * sizeof(vec)); \
    if (!room) { failed = 1; continue; } \
    const int64_t begin = blocks * part / parts * LANES; \
    const int64_t end = blocks * (part + 1) / parts * LANES; \
    const int64_t stop = end < rows ? end : rows;

static int64_t longest(const term *terms, int count)
{
  int64_t size = 0;
  EACH_TERM(terms, count) if (t->k * t->mul1 > size) size = t->k * t->mul1;
  return size;
}

/* the derivative with respect to g: the product */
int outputs(ARGUMENTS)
{
  int failed = 0;
  const int64_t blocks = (rows + LANES - 1) / LANES, z_dim = longest(terms, count);
  EACH_PART(x_dim + y_dim + g_dim + z_dim)
    vec *X = room, *G = X + x_dim, *Y = G + g_dim, *Z = Y + y_dim;
    for (int64_t first = begin; first < stop; first += LANES) {
      const int n = stop - first < LANES ? (int)(stop - first) : LANES;
      load(Y, y + first * y_step, y_step, y_dim, n);
      load(X, x + first * x_step, x_step, x_dim, n);
      memset(G, 0, g_dim * sizeof(vec));
      EACH_TERM(terms, count) {
        const real *v = w + t->w;
        vec *D = G + t->g;
        t->join(X + t->x, Y + t->y, Z, t->mul1, t->scale);
#define CASE(K) case K: mix_##K(Z, t->mul1, D, t->mul3, v, t->mul3, 1); break;
        switch (t->k) { EACH_SIZE(CASE) }
#undef CASE
      }
      store(dg + first * g_dim, G, g_dim, n);
    }
    free(room);
  }
  return failed;
}

/* with respect to x and y */
int grad_inputs(ARGUMENTS)
{
  int failed = 0;
  const int64_t blocks = (rows + LANES - 1) / LANES, z_dim = longest(terms, count);
  EACH_PART(2 * (x_dim + y_dim) + g_dim + z_dim)
    vec *X = room, *G = X + x_dim, *Y = G + g_dim, *Z = Y + y_dim;
    vec *DX = Z + z_dim, *DY = DX + x_dim;
    for (int64_t first = begin; first < stop; first += LANES) {
      const int n = stop - first < LANES ? (int)(stop - first) : LANES;
      load(G, g + first * g_step, g_step, g_dim, n);
      if (dx) load(Y, y + first * y_step, y_step, y_dim, n);
      if (dy) load(X, x + first * x_step, x_step, x_dim, n);
      memset(DX, 0, (x_dim + y_dim) * sizeof(vec));
      EACH_TERM(terms, count) {
        const real *v = w + t->w;
        const vec *D = G + t->g;
        memset(Z, 0, t->k * t->mul1 * sizeof(vec));
#define CASE(K) case K: mix_##K(D, t->mul3, Z, t->mul1, v, 1, t->mul3); break;
        switch (t->k) { EACH_SIZE(CASE) }
#undef CASE
        if (dx) t->to_x(Y + t->y, DX + t->x, Z, t->mul1, t->scale);
        if (dy) t->to_y(X + t->x, DY + t->y, Z, t->mul1, t->scale);
      }
      if (dx) store(dx + first * x_dim, DX, x_dim, n);
      if (dy) store(dy + first * y_dim, DY, y_dim, n);
    }
    free(room);
  }
  return failed;
}

/* with respect to w, a row of dw for each part */
int grad_weights(ARGUMENTS)
{
  int failed = 0;
  const int64_t blocks = (rows + LANES - 1) / LANES, z_dim = longest(terms, count);
  EACH_PART(CHUNK * (x_dim + y_dim + g_dim + z_dim))
    vec *X = room, *G = X + CHUNK * x_dim, *Y = G + CHUNK * g_dim;
    vec *Z = Y + CHUNK * y_dim;
    real *own = dw + part * w_dim;
    memset(own, 0, w_dim * sizeof(real));
    for (int64_t first = begin; first < stop; first += CHUNK * LANES) {
      int many = 0;
      for (; many < CHUNK && first + many * LANES < stop; ++many) {
        const int64_t row = first + many * LANES;
        const int n = stop - row < LANES ? (int)(stop - row) : LANES;
        load(X + many * x_dim, x + row * x_step, x_step, x_dim, n);
        load(G + many * g_dim, g + row * g_step, g_step, g_dim, n);
        load(Y + many * y_dim, y + row * y_step, y_step, y_dim, n);
      }
      EACH_TERM(terms, count) {
        const vec *D = G + t->g;
        const int64_t next = t->k * t->mul1;
        for (int c = 0; c < many; ++c)
          t->join(X + c * x_dim + t->x, Y + c * y_dim + t->y, Z + c * next, t->mul1,
                  t->scale);
#define CASE(K) \
  case K: meet_##K(many, Z, t->mul1, next, D, t->mul3, g_dim, own + t->w); break;
        switch (t->k) { EACH_SIZE(CASE) }
#undef CASE
      }
    }
    free(room);
  }
  return failed;
}
