/* Transpose a square of LANES vectors in registers, by halves: include vectors.h first. */
#if defined(__clang__) || __GNUC__ >= 12
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (whole){__VA_ARGS__})
#endif

/* which number of (v[b], v[b + far]) comes to a lane of v[b], and of v[b + far] */
#define LOW(lane, far) ((lane) & (far) ? (lane) - (far) + LANES : (lane))
#define HIGH(lane, far) ((lane) & (far) ? (lane) + LANES : (lane) + (far))
#define LANES_2(f, far, lane) f(lane, far), f(lane + 1, far)
#define LANES_4(f, far, lane) LANES_2(f, far, lane), LANES_2(f, far, lane + 2)
#define LANES_8(f, far, lane) LANES_4(f, far, lane), LANES_4(f, far, lane + 4)
#define LANES_16(f, far, lane) LANES_8(f, far, lane), LANES_8(f, far, lane + 8)
#if LANES == 16
#define EACH_LANE(f, far) LANES_16(f, far, 0)
#elif LANES == 8
#define EACH_LANE(f, far) LANES_8(f, far, 0)
#elif LANES == 4
#define EACH_LANE(f, far) LANES_4(f, far, 0)
#else
#define EACH_LANE(f, far) LANES_2(f, far, 0)
#endif
#define EXCHANGE(far) \
  UNROLL for (int b = 0; b < LANES; ++b) if (!(b & far)) { \
    const vec lo = v[b], hi = v[b + far]; \
    v[b] = PICK(lo, hi, EACH_LANE(LOW, far)); \
    v[b + far] = PICK(lo, hi, EACH_LANE(HIGH, far)); \
  }

INLINE void transpose(vec *v)
{
#if LANES > 8
  EXCHANGE(8)
#endif
#if LANES > 4
  EXCHANGE(4)
#endif
#if LANES > 2
  EXCHANGE(2)
#endif
  EXCHANGE(1)
}
