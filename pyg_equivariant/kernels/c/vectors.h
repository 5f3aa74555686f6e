/* Vectors of the machine's width, and exponentials of them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef REAL real;
#if REAL_BITS == 32
typedef int32_t integer;
#else
typedef int64_t integer;
#endif

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
#define LANES (WIDTH * 8 / REAL_BITS)
typedef real vec __attribute__((vector_size(WIDTH), may_alias));
typedef integer whole __attribute__((vector_size(WIDTH), may_alias));
typedef vec loose __attribute__((aligned(sizeof(real)))); /* at any place in memory */

#define UNROLL _Pragma("GCC unroll 32")
#define INLINE static inline __attribute__((always_inline))

/* n numbers, at most a vector of them */
static inline vec get(const real *from, int n)
{
  if (n >= LANES) return *(const loose *)from;
  vec v = {0};
  memcpy(&v, from, n * sizeof(real));
  return v;
}

static inline void put(real *to, vec v, int n)
{
  if (n >= LANES) *(loose *)to = v;
  else memcpy(to, &v, n * sizeof(real));
}

/* the exponent's range and bias, the fraction's digits */
#if REAL_BITS == 32
enum { RANGE = 126, BIAS = 127, DIGITS = 23 };
#else
enum { RANGE = 1022, BIAS = 1023, DIGITS = 52 };
#endif

static inline vec choose(whole where, vec yes, vec no)
{
  return (vec)((where & (whole)yes) | (~where & (whole)no));
}

/* the power series of 2^f for -1/2 <= f <= 1/2, to the last digit */
static inline vec two_to(vec f)
{
  const vec zero = {0};
#define NEXT(coefficient) p = p * f + (real)coefficient
#if REAL_BITS == 32
  vec p = zero + (real)1.5252733804059838e-05;
#else
  vec p = zero + (real)1.3691488853904124e-12;
  NEXT(2.5678435993488196e-11);
  NEXT(4.44553827187081e-10);
  NEXT(7.054911620801121e-09);
  NEXT(1.0178086009239696e-07);
  NEXT(1.3215486790144305e-06);
  NEXT(1.5252733804059838e-05);
#endif
  NEXT(0.00015403530393381606);
  NEXT(0.0013333558146428441);
  NEXT(0.009618129107628477);
  NEXT(0.055504108664821576);
  NEXT(0.2402265069591007);
  NEXT(0.6931471805599453);
  NEXT(1.0);
#undef NEXT
  return p;
}

/* exp(-|x|): two to the power of a whole number and of a fraction */
static inline vec decay(vec x)
{
  const vec zero = {0};
  vec y = (real)1.4426950408889634 * choose((whole)(x < zero), x, -x);
  const whole none = (whole)(y < zero - RANGE);
  y = choose(none, zero - RANGE, y);
  const whole n = __builtin_convertvector(y - (real)0.5, whole);
  const vec p = two_to(y - __builtin_convertvector(n, vec));
  return choose(none, zero, p * (vec)((n + BIAS) << DIGITS));
}

static inline vec sigmoid(vec x)
{
  const vec zero = {0}, e = decay(x), q = 1 / (1 + e);
  return choose((whole)(x < zero), e * q, q);
}
