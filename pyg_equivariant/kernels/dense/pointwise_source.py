"""C text of an activation and its first two derivatives, times as many factors."""

from __future__ import annotations

import math

from ..compiled.vectors import sigmoid_text, vector_types

_TEXT = """\
static inline vec value(vec x)
{{
  const vec zero = {{0}}, e = decay(x);
{value}}}

static inline vec first(vec x, vec a)
{{
  const vec e = decay(x), q = 1 / (1 + e), s = sigmoid(x), p = e * q * q;
  return a * ({first_derivative});
}}

static inline vec second(vec x, vec a, vec b)
{{
  const vec e = decay(x), q = 1 / (1 + e), s = sigmoid(x), p = e * q * q;
  return a * b * ({second_derivative});
}}

#define EACH(call) \\
  _Pragma("omp parallel for num_threads(threads) schedule(static)") \\
  for (int64_t i = 0; i < count; i += LANES) {{ \\
    const int n = count - i < LANES ? count - i : LANES; \\
    vec x = {{0}}, a = {{0}}, b = {{0}}, y; \\
    if (n == LANES) {{ \\
      x = *(const loose *)(xs + i); \\
      if (as) a = *(const loose *)(as + i); \\
      if (bs) b = *(const loose *)(bs + i); \\
      *(loose *)(ys + i) = call; \\
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
    first, second = _DERIVATIVES[name]
    text = _TEXT.format(
        value=_silu() if name == "silu" else _shifted_softplus(_TERMS[real]),
        first_derivative=first,
        second_derivative=second,
    )
    return vector_types(real) + sigmoid_text(real) + text


def _silu() -> str:
    return "  return x * choose((whole)(x < zero), e, zero + 1) / (1 + e);\n"


def _shifted_softplus(terms: int) -> str:
    """``ln(1 + e)`` is twice the area tangent of ``z = e / (2 + e)``, at most 1/3."""
    odd = [2 / (2 * k + 1) for k in range(terms)]
    lines = ["const vec z = e / (2 + e), square = z * z;"]
    lines.append(f"vec p = zero + (real){odd[-1]!r};")
    lines += [f"p = p * square + (real){c!r};" for c in odd[-2::-1]]
    lines.append("const vec above = choose((whole)(x < zero), zero, x);")
    lines.append(f"return above + (p * z - (real){math.log(2)!r});")
    return "".join(f"  {line}\n" for line in lines)
