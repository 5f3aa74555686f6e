/* Polynomials of the channels of nodes, and two derivatives: channels in vectors.

   A part owns one vector of channels of some nodes, so that nothing is shared. */
#include "vectors.h"

typedef struct {
  int64_t dim, size, out, rows; /* components, monomials, outputs, rows of the table */
  const int64_t *from, *by;     /* every monomial continues one, by a component */
  const int64_t *which, *ends;  /* the monomial of a row; where an output's rows end */
} form;

int lanes(void) { return LANES; }

static form read_form(const int64_t *numbers)
{
  form f = {numbers[0], numbers[1], numbers[2], numbers[3], numbers + 4};
  f.by = f.from + f.size;
  f.which = f.by + f.size;
  f.ends = f.which + f.rows;
  return f;
}

#define ARGUMENTS \
  int threads, const int64_t *numbers, int64_t count, int64_t channels, \
  int64_t kinds, int64_t chunks, const int64_t *species, real *scratch, \
  int64_t room, const real *xs, const real *table

#define EACH_PART \
  const form f = read_form(numbers); \
  const int64_t vectors = (channels + LANES - 1) / LANES, all = kinds * f.rows; \
  _Pragma("omp parallel for num_threads(threads) schedule(static)") \
  for (int64_t part = 0; part < vectors * chunks; ++part)

#define BEGIN_PART \
  const int64_t chunk = part / vectors, u = part % vectors * LANES; \
  const int n = channels - u < LANES ? (int)(channels - u) : LANES; \
  loose *t = (loose *)(scratch + part * room); \
  read_rows(t, table + u, all, channels, n)

#define EACH_NODE \
  for (int64_t node = chunk * count / chunks; node < (chunk + 1) * count / chunks; \
       ++node)

static void read_rows(loose *to, const real *from, int64_t rows, int64_t step, int n)
{
  for (int64_t r = 0; r < rows; ++r) to[r] = get(from + r * step, n);
}

static void write_rows(real *to, const loose *from, int64_t rows, int64_t step, int n)
{
  for (int64_t r = 0; r < rows; ++r) put(to + r * step, from[r], n);
}

static void clear(loose *to, int64_t rows) { memset(to, 0, rows * sizeof(vec)); }

static void multiply(const form *f, loose *p)
{
  for (int64_t m = f->dim; m < f->size; ++m) p[m] = p[f->from[m]] * p[f->by[m]];
}

void value(ARGUMENTS, real *outs)
{
  EACH_PART {
    BEGIN_PART;
    loose *p = t + all;
    EACH_NODE {
      read_rows(p, xs + node * f.dim * channels + u, f.dim, channels, n);
      multiply(&f, p);
      const loose *w = t + species[node] * f.rows;
      real *out = outs + node * f.out * channels + u;
      for (int64_t k = 0, r = 0; k < f.out; ++k) {
        vec sum = {0}, other = {0};
        for (; r + 1 < f.ends[k]; r += 2) {
          sum += w[r] * p[f.which[r]];
          other += w[r + 1] * p[f.which[r + 1]];
        }
        for (; r < f.ends[k]; ++r) sum += w[r] * p[f.which[r]];
        put(out + k * channels, sum + other, n);
      }
    }
  }
}

void gradient(ARGUMENTS, const real *grads, real *dxs, real *dtables)
{
  EACH_PART {
    BEGIN_PART;
    loose *dt = t + all, *p = dt + all, *q = p + f.size;
    clear(dt, all);
    EACH_NODE {
      read_rows(p, xs + node * f.dim * channels + u, f.dim, channels, n);
      multiply(&f, p);
      clear(q, f.size);
      const loose *w = t + species[node] * f.rows;
      loose *dw = dt + species[node] * f.rows;
      const real *grad = grads + node * f.out * channels + u;
      for (int64_t k = 0, r = 0; k < f.out; ++k) {
        const vec g = get(grad + k * channels, n);
        for (; r < f.ends[k]; ++r) {
          const int64_t m = f.which[r];
          q[m] += g * w[r];
          dw[r] += g * p[m];
        }
      }
      for (int64_t m = f.size - 1; m >= f.dim; --m) {
        const int64_t a = f.from[m], b = f.by[m];
        q[a] += q[m] * p[b];
        q[b] += q[m] * p[a];
      }
      write_rows(dxs + node * f.dim * channels + u, q, f.dim, channels, n);
    }
    write_rows(dtables + chunk * all * channels + u, dt, all, channels, n);
  }
}

/* d: how the monomials p change along; e and q: what reaches d and p */
void second(ARGUMENTS, const real *grads, const real *along_xs,
            const real *along_table, real *dgrads, real *dxs, real *dtables)
{
  EACH_PART {
    BEGIN_PART;
    loose *s = t + all, *dt = s + all, *p = dt + all;
    loose *d = p + f.size, *q = d + f.size, *e = q + f.size;
    read_rows(s, along_table + u, all, channels, n);
    clear(dt, all);
    EACH_NODE {
      read_rows(p, xs + node * f.dim * channels + u, f.dim, channels, n);
      read_rows(d, along_xs + node * f.dim * channels + u, f.dim, channels, n);
      multiply(&f, p);
      for (int64_t m = f.dim; m < f.size; ++m) {
        const int64_t a = f.from[m], b = f.by[m];
        d[m] = d[a] * p[b] + p[a] * d[b];
      }
      clear(q, f.size);
      clear(e, f.size);
      const int64_t kind = species[node] * f.rows;
      const loose *w = t + kind, *v = s + kind;
      loose *dw = dt + kind;
      const int64_t at = node * f.out * channels + u;
      for (int64_t k = 0, r = 0; k < f.out; ++k) {
        const vec g = get(grads + at + k * channels, n);
        vec sum = {0};
        for (; r < f.ends[k]; ++r) {
          const int64_t m = f.which[r];
          sum += w[r] * d[m] + v[r] * p[m];
          e[m] += g * w[r];
          q[m] += g * v[r];
          dw[r] += g * d[m];
        }
        put(dgrads + at + k * channels, sum, n);
      }
      for (int64_t m = f.size - 1; m >= f.dim; --m) {
        const int64_t a = f.from[m], b = f.by[m];
        q[a] += q[m] * p[b] + e[m] * d[b];
        q[b] += q[m] * p[a] + e[m] * d[a];
        e[a] += e[m] * p[b];
        e[b] += e[m] * p[a];
      }
      write_rows(dxs + node * f.dim * channels + u, q, f.dim, channels, n);
    }
    write_rows(dtables + chunk * all * channels + u, dt, all, channels, n);
  }
}
