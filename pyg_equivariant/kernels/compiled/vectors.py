"""C text that kernels begin with: vectors of the machine's width, and exponentials."""

from __future__ import annotations

import math

_VECTORS = """\
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef {real} real;
typedef int{bits}_t integer;
#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
#define LANES ((int)(WIDTH / sizeof(real)))
typedef real vec __attribute__((vector_size(WIDTH), may_alias));
typedef integer whole __attribute__((vector_size(WIDTH), may_alias));
typedef vec loose __attribute__((aligned(sizeof(real)))); /* at any place in memory */
"""

_SIGMOID = """\
static inline vec choose(whole where, vec yes, vec no)
{{
  return (vec)((where & (whole)yes) | (~where & (whole)no));
}}

/* exp(-|x|): two to the power of a whole number and of a fraction */
static inline vec decay(vec x)
{{
  const vec zero = {{0}};
  vec y = (real){log2e} * choose((whole)(x < zero), x, -x);
  const whole none = (whole)(y < zero - {range});
  y = choose(none, zero - {range}, y);
  const whole n = __builtin_convertvector(y - (real)0.5, whole);
  const vec f = y - __builtin_convertvector(n, vec);
  vec p = zero + (real){first};
{horner}  return choose(none, zero, p * (vec)((n + {bias}) << {shift}));
}}

static inline vec sigmoid(vec x)
{{
  const vec zero = {{0}}, e = decay(x), q = 1 / (1 + e);
  return choose((whole)(x < zero), e * q, q);
}}
"""

_BITS = {"float": 32, "double": 64}
_FORMAT = {  # of the numbers: range and bias of the exponent, digits of the fraction
    "float": {"range": 126, "bias": 127, "shift": 23},
    "double": {"range": 1022, "bias": 1023, "shift": 52},
}
_DEGREE = {"float": 7, "double": 13}  # of the power series of 2^f, to the last digit


def vector_types(real: str) -> str:
    """The types ``real``, ``vec`` (aligned), ``loose`` (not) and ``whole``.

    Args:
        real: ``"float"`` or ``"double"``.
    """
    return _VECTORS.format(real=real, bits=_BITS[real])


def sigmoid_text(real: str) -> str:
    """The functions ``choose``, ``decay`` and ``sigmoid`` of vectors."""
    series = [math.log(2) ** k / math.factorial(k) for k in range(_DEGREE[real] + 1)]
    return _SIGMOID.format(
        **_FORMAT[real],
        log2e=repr(1 / math.log(2)),
        first=repr(series[-1]),
        horner="".join(f"  p = p * f + (real){c!r};\n" for c in series[-2::-1]),
    )
