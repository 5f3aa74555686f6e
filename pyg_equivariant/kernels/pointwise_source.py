"""C text of an activation and its first two derivatives, times as many factors."""

from __future__ import annotations

import math

_TEXT = """\
#include <stdint.h>
#include <string.h>
typedef {real} real;
typedef {integer} integer;
#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
enum {{ LANES = WIDTH / sizeof(real) }};
typedef real vec __attribute__((vector_size(WIDTH), aligned(sizeof(real)), may_alias));
typedef integer whole __attribute__((vector_size(WIDTH), may_alias));

static inline vec select(whole where, vec yes, vec no)
{{
  return (vec)((where & (whole)yes) | (~where & (whole)no));
}}

/* exp(-|x|): two to the power of a whole number and of a fraction */
static inline vec decay(vec x)
{{
  const vec zero = {{0}};
  vec y = (real){log2e} * select((whole)(x < zero), x, -x);
  const whole none = (whole)(y < zero - {range});
  y = select(none, zero - {range}, y);
  const whole n = __builtin_convertvector(y - (real)0.5, whole);
  const vec f = y - __builtin_convertvector(n, vec);
  vec p = zero + (real){first};
{horner}  return select(none, zero, p * (vec)((n + {bias}) << {shift}));
}}

static inline vec value(vec x)
{{
  const vec zero = {{0}}, e = decay(x);
{value}}}

static inline vec first(vec x, vec a)
{{
  const vec zero = {{0}}, e = decay(x), q = 1 / (1 + e);
  const vec s = select((whole)(x < zero), e * q, q), p = e * q * q;
  return a * ({first_derivative});
}}

static inline vec second(vec x, vec a, vec b)
{{
  const vec zero = {{0}}, e = decay(x), q = 1 / (1 + e);
  const vec s = select((whole)(x < zero), e * q, q), p = e * q * q;
  return a * b * ({second_derivative});
}}

#define EACH(call) \\
  _Pragma("omp parallel for num_threads(threads) schedule(static)") \\
  for (int64_t i = 0; i < count; i += LANES) {{ \\
    const int n = count - i < LANES ? count - i : LANES; \\
    vec x = {{0}}, a = {{0}}, b = {{0}}, y; \\
    if (n == LANES) {{ \\
      x = *(const vec *)(xs + i); \\
      if (as) a = *(const vec *)(as + i); \\
      if (bs) b = *(const vec *)(bs + i); \\
      *(vec *)(ys + i) = call; \\
    }} else {{ \\
      memcpy(&x, xs + i, n * sizeof(real)); \\
      if (as) memcpy(&a, as + i, n * sizeof(real)); \\
      if (bs) memcpy(&b, bs + i, n * sizeof(real)); \\
      y = call; \\
      memcpy(ys + i, &y, n * sizeof(real)); \\
    }} \\
  }}

void run(int threads, int order, int64_t count, const real *xs, const real *as,
         const real *bs, real *ys)
{{
  if (order == 0) EACH(value(x))
  else if (order == 1) EACH(first(x, a))
  else EACH(second(x, a, b))
}}
"""

_NUMBERS = {
    "float": {"integer": "int32_t", "range": 126, "bias": 127, "shift": 23},
    "double": {"integer": "int64_t", "range": 1022, "bias": 1023, "shift": 52},
}
_DEGREE = {"float": 7, "double": 13}  # of the power series of 2^f
_TERMS = {"float": 8, "double": 17}  # of that of ln(1 + e)

# in terms of e = exp(-|x|), the sigmoid s and its derivative p
_DERIVATIVES = {
    "silu": ("s + x * p", "p * (2 + x * (1 - 2 * s))"),
    "ssp": ("s", "p"),
}


def pointwise_source(name: str, real: str) -> str:
    """The text of ``run``, which computes a derivative times its factors.

    Args:
        name: ``"silu"`` or ``"ssp"``.
        real: ``"float"`` or ``"double"``.
    """
    series = [math.log(2) ** k / math.factorial(k) for k in range(_DEGREE[real] + 1)]
    first, second = _DERIVATIVES[name]
    return _TEXT.format(
        real=real,
        **_NUMBERS[real],
        log2e=repr(1 / math.log(2)),
        first=repr(series[-1]),
        horner="".join(f"  p = p * f + (real){c!r};\n" for c in series[-2::-1]),
        value=_silu() if name == "silu" else _shifted_softplus(_TERMS[real]),
        first_derivative=first,
        second_derivative=second,
    )


def _silu() -> str:
    return "  return x * select((whole)(x < zero), e, zero + 1) / (1 + e);\n"


def _shifted_softplus(terms: int) -> str:
    """``ln(1 + e)`` is twice the area tangent of ``z = e / (2 + e)``, at most 1/3."""
    odd = [2 / (2 * k + 1) for k in range(terms)]
    lines = ["const vec z = e / (2 + e), square = z * z;"]
    lines.append(f"vec p = zero + (real){odd[-1]!r};")
    lines += [f"p = p * square + (real){c!r};" for c in odd[-2::-1]]
    lines.append("const vec above = select((whole)(x < zero), zero, x);")
    lines.append(f"return above + (p * z - (real){math.log(2)!r});")
    return "".join(f"  {line}\n" for line in lines)
