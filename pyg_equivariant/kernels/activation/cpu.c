/* SiLU or the shifted softplus, and its first two derivatives times factors. */
#include "vectors.h"

#if SHIFTED_SOFTPLUS
/* ln(1 + e) - ln 2 is twice the area tangent of z = e / (2 + e), at most 1/3 */
static inline vec function(vec x)
{
  const vec zero = {0}, e = decay(x);
  const vec z = e / (2 + e), square = z * z;
#define NEXT(coefficient) p = p * square + (real)coefficient
#if REAL_BITS == 32
  vec p = zero + (real)0.13333333333333333;
#else
  vec p = zero + (real)0.06060606060606061;
  NEXT(0.06451612903225806);
  NEXT(0.06896551724137931);
  NEXT(0.07407407407407407);
  NEXT(0.08);
  NEXT(0.08695652173913043);
  NEXT(0.09523809523809523);
  NEXT(0.10526315789473684);
  NEXT(0.11764705882352941);
  NEXT(0.13333333333333333);
#endif
  NEXT(0.15384615384615385);
  NEXT(0.18181818181818182);
  NEXT(0.2222222222222222);
  NEXT(0.2857142857142857);
  NEXT(0.4);
  NEXT(0.6666666666666666);
  NEXT(2.0);
  const vec above = choose((whole)(x < zero), zero, x);
  return above + (p * z - (real)0.6931471805599453);
}
#define SLOPE s
#define CURVATURE p
#else
static inline vec function(vec x)
{
  const vec zero = {0}, e = decay(x);
  return x * choose((whole)(x < zero), e, zero + 1) / (1 + e);
}
#define SLOPE (s + x * p)
#define CURVATURE (p * (2 + x * (1 - 2 * s)))
#endif

/* in terms of e = exp(-|x|), the sigmoid s and its derivative p */
#define SIGMOID(x) \
  const vec e = decay(x), q = 1 / (1 + e), s = sigmoid(x), p = e * q * q;
#define EACH_VECTOR \
  _Pragma("omp parallel for num_threads(threads) schedule(static)") \
  for (int64_t i = 0; i < count; i += LANES)
#define NUMBERS const int n = count - i < LANES ? count - i : LANES;

void value(int threads, int64_t count, const real *xs, real *ys)
{
  EACH_VECTOR {
    NUMBERS
    put(ys + i, function(get(xs + i, n)), n);
  }
}

void gradient(int threads, int64_t count, const real *xs, const real *gs, real *dxs)
{
  EACH_VECTOR {
    NUMBERS
    const vec x = get(xs + i, n);
    SIGMOID(x)
    put(dxs + i, get(gs + i, n) * SLOPE, n);
  }
}

void second(int threads, int64_t count, const real *xs, const real *gs, const real *as,
            real *dgs, real *dxs)
{
  EACH_VECTOR {
    NUMBERS
    const vec x = get(xs + i, n), a = get(as + i, n);
    SIGMOID(x)
    put(dgs + i, a * SLOPE, n);
    put(dxs + i, a * get(gs + i, n) * CURVATURE, n);
  }
}
