/* A gate and its derivatives: one pass over rows, channels in vectors. */
#include "vectors.h"

typedef struct { int64_t x, step, gate, out, rows, mul; } block;

#define EACH_ROW \
  _Pragma("omp parallel for num_threads(threads) schedule(static)") \
  for (int64_t row = 0; row < count; ++row)
#define EACH_CHANNEL(mul) for (int u = 0, n = mul; u < mul; u += LANES, n -= LANES)

void value(int threads, int64_t count, int64_t scalars, const block *blocks,
           int64_t num, real by_scalar, real by_gate, const real *xs, int64_t x_dim,
           const real *bias, real *outs, int64_t out_dim)
{
  EACH_ROW {
    const real *x = xs + row * x_dim;
    real *out = outs + row * out_dim;
    EACH_CHANNEL(scalars) {
      const vec s = get(x + u, n) + get(bias + u, n);
      put(out + u, by_scalar * s * sigmoid(s), n);
    }
    for (const block *b = blocks; b < blocks + num; ++b) EACH_CHANNEL(b->mul) {
      const int64_t m = b->gate + u;
      const vec gate = by_gate * sigmoid(get(x + m, n) + get(bias + m, n));
      for (int k = 0; k < b->rows; ++k) {
        const vec v = get(x + b->x + k * b->step + u, n);
        put(out + b->out + k * b->mul + u, v * gate, n);
      }
    }
  }
}

void gradient(int threads, int64_t count, int64_t scalars, const block *blocks,
              int64_t num, real by_scalar, real by_gate, const real *xs, int64_t x_dim,
              const real *bias, const real *grads, int64_t out_dim, real *dxs)
{
  EACH_ROW {
    const real *x = xs + row * x_dim, *grad = grads + row * out_dim;
    real *dx = dxs + row * x_dim;
    EACH_CHANNEL(scalars) {
      const vec s = get(x + u, n) + get(bias + u, n), p = sigmoid(s);
      put(dx + u, by_scalar * get(grad + u, n) * p * (1 + s * (1 - p)), n);
    }
    for (const block *b = blocks; b < blocks + num; ++b) EACH_CHANNEL(b->mul) {
      const int64_t m = b->gate + u;
      const vec p = sigmoid(get(x + m, n) + get(bias + m, n)), gate = by_gate * p;
      vec sum = {0};
      for (int k = 0; k < b->rows; ++k) {
        const vec g = get(grad + b->out + k * b->mul + u, n);
        const int64_t at = b->x + k * b->step + u;
        sum += g * get(x + at, n);
        put(dx + at, g * gate, n);
      }
      put(dx + m, sum * gate * (1 - p), n);
    }
  }
}

void second(int threads, int64_t count, int64_t scalars, const block *blocks,
            int64_t num, real by_scalar, real by_gate, const real *xs, int64_t x_dim,
            const real *bias, const real *grads, int64_t out_dim, const real *alongs,
            real *dgrads, real *dxs)
{
  EACH_ROW {
    const real *x = xs + row * x_dim, *grad = grads + row * out_dim;
    const real *along = alongs + row * x_dim;
    real *dgrad = dgrads + row * out_dim, *dx = dxs + row * x_dim;
    EACH_CHANNEL(scalars) {
      const vec s = get(x + u, n) + get(bias + u, n), p = sigmoid(s);
      const vec a = by_scalar * get(along + u, n), g = get(grad + u, n);
      put(dgrad + u, a * p * (1 + s * (1 - p)), n);
      put(dx + u, a * g * p * (1 - p) * (2 + s * (1 - 2 * p)), n);
    }
    for (const block *b = blocks; b < blocks + num; ++b) EACH_CHANNEL(b->mul) {
      const int64_t m = b->gate + u;
      const vec p = sigmoid(get(x + m, n) + get(bias + m, n)), gate = by_gate * p;
      const vec slope = gate * (1 - p), a = get(along + m, n) * slope;
      vec crossed = {0}, met = {0};
      for (int k = 0; k < b->rows; ++k) {
        const int64_t to = b->out + k * b->mul + u, at = b->x + k * b->step + u;
        const vec g = get(grad + to, n), v = get(x + at, n), c = get(along + at, n);
        crossed += c * g;
        met += g * v;
        put(dgrad + to, c * gate + a * v, n);
        put(dx + at, a * g, n);
      }
      put(dx + m, crossed * slope + a * (1 - 2 * p) * met, n);
    }
  }
}
