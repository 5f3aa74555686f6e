/* A gate and its derivatives: one pass over rows, channels in vectors. */
#include "vectors.h"

typedef struct { int64_t x, step, gate, out, rows, mul; } block;

/* odd scalars come first in x, which pass a tanh, then even ones and gates; where both
   kinds of scalars begin in the output, and whether gates are SiLU */
typedef struct { int64_t odd, scalars, odd_out, out, silu; } head;

/* sigmoid or SiLU, and two derivatives */
typedef struct { vec value, slope, curve; } act;
INLINE act activate(vec s, int64_t silu)
{
  const vec p = sigmoid(s), q = p * (1 - p);
  if (silu) return (act){s * p, p * (1 + s * (1 - p)), q * (2 + s * (1 - 2 * p))};
  return (act){p, q, q * (1 - 2 * p)};
}

/* near zero by Lambert's fraction: the other form loses digits there */
static inline vec hyperbolic(vec x)
{
  const vec zero = {0}, e = decay(2 * x), far = (1 - e) / (1 + e), q = x * x;
  vec f = zero + 15;
  for (int k = 13; k > 0; k -= 2) f = (real)k + q / f;
  const vec turned = choose((whole)(x < zero), -far, far);
  return choose((whole)(q < zero + (real)0.25), x / f, turned);
}

#define EACH_ROW \
  _Pragma("omp parallel for num_threads(threads) schedule(static)") \
  for (int64_t row = 0; row < count; ++row)
#define EACH_CHANNEL(mul) for (int u = 0, n = mul; u < mul; u += LANES, n -= LANES)

void value(int threads, int64_t count, const head *f, const block *blocks, int64_t num,
           real by_scalar, real by_gate, real by_odd, const real *xs, int64_t x_dim,
           const real *bias, real *outs, int64_t out_dim)
{
  EACH_ROW {
    const real *x = xs + row * x_dim;
    real *out = outs + row * out_dim;
    EACH_CHANNEL(f->odd) {
      const vec s = get(x + u, n) + get(bias + u, n);
      put(out + f->odd_out + u, by_odd * hyperbolic(s), n);
    }
    EACH_CHANNEL(f->scalars) {
      const int64_t m = f->odd + u;
      const vec s = get(x + m, n) + get(bias + m, n);
      put(out + f->out + u, by_scalar * s * sigmoid(s), n);
    }
    for (const block *b = blocks; b < blocks + num; ++b) EACH_CHANNEL(b->mul) {
      const int64_t m = b->gate + u;
      const vec s = get(x + m, n) + get(bias + m, n);
      const vec gate = by_gate * activate(s, f->silu).value;
      for (int k = 0; k < b->rows; ++k) {
        const vec v = get(x + b->x + k * b->step + u, n);
        put(out + b->out + k * b->mul + u, v * gate, n);
      }
    }
  }
}

void gradient(int threads, int64_t count, const head *f, const block *blocks,
              int64_t num, real by_scalar, real by_gate, real by_odd, const real *xs,
              int64_t x_dim, const real *bias, const real *grads, int64_t out_dim,
              real *dxs)
{
  EACH_ROW {
    const real *x = xs + row * x_dim, *grad = grads + row * out_dim;
    real *dx = dxs + row * x_dim;
    EACH_CHANNEL(f->odd) {
      const vec t = hyperbolic(get(x + u, n) + get(bias + u, n));
      put(dx + u, by_odd * get(grad + f->odd_out + u, n) * (1 - t * t), n);
    }
    EACH_CHANNEL(f->scalars) {
      const int64_t m = f->odd + u;
      const vec s = get(x + m, n) + get(bias + m, n);
      put(dx + m, by_scalar * get(grad + f->out + u, n) * activate(s, 1).slope, n);
    }
    for (const block *b = blocks; b < blocks + num; ++b) EACH_CHANNEL(b->mul) {
      const int64_t m = b->gate + u;
      const act a = activate(get(x + m, n) + get(bias + m, n), f->silu);
      const vec gate = by_gate * a.value;
      vec sum = {0};
      for (int k = 0; k < b->rows; ++k) {
        const vec g = get(grad + b->out + k * b->mul + u, n);
        const int64_t at = b->x + k * b->step + u;
        sum += g * get(x + at, n);
        put(dx + at, g * gate, n);
      }
      put(dx + m, sum * (by_gate * a.slope), n);
    }
  }
}

void second(int threads, int64_t count, const head *f, const block *blocks, int64_t num,
            real by_scalar, real by_gate, real by_odd, const real *xs, int64_t x_dim,
            const real *bias, const real *grads, int64_t out_dim, const real *alongs,
            real *dgrads, real *dxs)
{
  EACH_ROW {
    const real *x = xs + row * x_dim, *grad = grads + row * out_dim;
    const real *along = alongs + row * x_dim;
    real *dgrad = dgrads + row * out_dim, *dx = dxs + row * x_dim;
    EACH_CHANNEL(f->odd) {
      const vec t = hyperbolic(get(x + u, n) + get(bias + u, n));
      const vec a = by_odd * get(along + u, n) * (1 - t * t);
      put(dgrad + f->odd_out + u, a, n);
      put(dx + u, -2 * t * a * get(grad + f->odd_out + u, n), n);
    }
    EACH_CHANNEL(f->scalars) {
      const int64_t m = f->odd + u;
      const act p = activate(get(x + m, n) + get(bias + m, n), 1);
      const vec a = by_scalar * get(along + m, n);
      put(dgrad + f->out + u, a * p.slope, n);
      put(dx + m, a * get(grad + f->out + u, n) * p.curve, n);
    }
    for (const block *b = blocks; b < blocks + num; ++b) EACH_CHANNEL(b->mul) {
      const int64_t m = b->gate + u;
      const act p = activate(get(x + m, n) + get(bias + m, n), f->silu);
      const vec gate = by_gate * p.value, slope = by_gate * p.slope;
      const vec turned = get(along + m, n), a = turned * slope;
      vec crossed = {0}, met = {0};
      for (int k = 0; k < b->rows; ++k) {
        const int64_t to = b->out + k * b->mul + u, at = b->x + k * b->step + u;
        const vec g = get(grad + to, n), v = get(x + at, n), c = get(along + at, n);
        crossed += c * g;
        met += g * v;
        put(dgrad + to, c * gate + a * v, n);
        put(dx + at, a * g, n);
      }
      put(dx + m, crossed * slope + by_gate * p.curve * turned * met, n);
    }
  }
}
