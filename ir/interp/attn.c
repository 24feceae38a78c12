/*
 * Attention, row by row.
 *
 *	S[t] = scale q . k[t] over the keys t that row sees
 *	P    = softmax(S)      o = sum P[t] v[t]      z = log sum exp S
 *
 * and backwards from d = do, with D = d . o:
 *
 *	dP[t] = d . v[t]       dS[t] = P[t] (dP[t] - D) scale
 *	dq = sum dS[t] k[t]    dk[t] += dS[t] q       dv[t] += P[t] d
 *
 * Query and key positions are global ones, read off the types; a row that sees
 * nothing gives o = 0 and z = -inf.
 */
#include "config.h"

#include "ir/interp/state.h"

#include <math.h>
#include <string.h>

#include "ir/rules.h"

enum { CAUSAL, FULL, WINDOW, SAME }; /* mask_words */

struct attn {
	uint64_t rows, keys, d;
	uint64_t kstep;          /* from one key to the next */
	const uint64_t *krow;    /* per row: its key 0 */
	const uint64_t *qpos;    /* per row: position, local */
	const uint64_t *qglobal, *kglobal;
	const double *qdoc, *kdoc; /* documents, or NULL */
	const uint64_t *qdocrow; /* per row: its own */
	const uint64_t *kdocrow; /* per row: that of key 0 */
	uint64_t docstep;
	int mask;
	int64_t window;
	double scale;
	double *score;           /* of one row */
};

/* q and k are operands at and at + 1; document ids of queries and keys, if
 * there are any, operands qdoc and kdoc. */
static struct attn
attn_of(struct step *s, int at, int qdoc, int kdoc)
{
	const struct type *q = s->xt[at], *k = s->xt[at + 1];
	int pos = type_position(s->in->m, k), last = q->rank - 1;
	const char *name = k->d[pos].name;
	struct space rows = space_drop(space_of(s, q), q->d[last].name);
	struct space fixed = rows;
	struct attn a = {.rows = rows.count, .d = local_size(s, q, last)};
	uint64_t *p = NEW_N(&s->in->scratch, uint64_t, rows.count);

	/* Key 0 of a row: the row's place in k but for its position. */
	for (int i = 0; i < fixed.n; i++)
		if (fixed.name[i] == name)
			fixed.name[i] = NULL;
	a.krow = offsets(s, &fixed, k);
	a.keys = local_size(s, k, pos);
	a.kstep = stride(s, k, pos);
	for (uint64_t i = 0; i < rows.count; i++)
		p[i] = i * a.d / stride(s, q, pos) % local_size(s, q, pos);
	a.qpos = p;
	a.qglobal = positions(s, q, pos);
	a.kglobal = positions(s, k, pos);
	a.mask = (int)op_int(s->op, ATTR_MASK);
	if (a.mask == SAME) {
		a.qdoc = s->x[qdoc];
		a.kdoc = s->x[kdoc];
		a.qdocrow = offsets(s, &rows, s->xt[qdoc]);
		a.kdocrow = offsets(s, &fixed, s->xt[kdoc]);
		a.docstep = stride(s, s->xt[kdoc], pos);
	}
	a.window = op_int(s->op, ATTR_WINDOW);
	a.scale = op_real(s->op, ATTR_SCALE);
	if (a.scale == 0)
		a.scale = 1 / sqrt((double)a.d);
	a.score = NEW_N(&s->in->scratch, double, a.keys);
	return a;
}

/* May row see key t? */
static bool
sees(const struct attn *a, uint64_t row, uint64_t t)
{
	int64_t q = (int64_t)a->qglobal[a->qpos[row]];
	int64_t k = (int64_t)a->kglobal[t];

	switch (a->mask) {
	case FULL:
		return true;
	case WINDOW:
		return k <= q && k > q - a->window;
	case SAME:
		return k <= q && a->qdoc[a->qdocrow[row]] ==
		    a->kdoc[a->kdocrow[row] + t * a->docstep];
	default:
		return k <= q;
	}
}

static double
inner(const double *x, const double *y, uint64_t n)
{
	double sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += x[i] * y[i];
	return sum;
}

/* Fills a->score; returns its log-sum-exp. */
static double
scores(struct attn *a, uint64_t row, const double *q, const double *k)
{
	double max = -INFINITY, sum = 0;

	for (uint64_t t = 0; t < a->keys; t++) {
		a->score[t] = !sees(a, row, t) ? -INFINITY : a->scale *
		    inner(q + row * a->d, k + a->krow[row] + t * a->kstep,
		    a->d);
		max = fmax(max, a->score[t]);
	}
	if (max == -INFINITY)
		return max;
	for (uint64_t t = 0; t < a->keys; t++)
		sum += exp(a->score[t] - max);
	return max + log(sum);
}

/* o of row i += sum of exp(score - z) v over the keys. */
static void
add_values(const struct attn *a, uint64_t i, double z, const double *v,
    double *o)
{
	for (uint64_t t = 0; t < a->keys; t++) {
		const double *row = v + a->krow[i] + t * a->kstep;
		double p = a->score[t] == -INFINITY ? 0 : exp(a->score[t] - z);

		for (uint64_t j = 0; j < a->d; j++)
			o[j] += p * row[j];
	}
}

void
interp_ATTN(struct step *s)
{
	struct attn a = attn_of(s, 0, 3, s->wide ? s->op->nin : 3);

	memset(s->y[0], 0, a.rows * a.d * sizeof(double));
	for (uint64_t i = 0; i < a.rows; i++) {
		double *o = s->y[0] + i * a.d;
		double z = s->y[1][i] = scores(&a, i, s->x[0], s->x[1]);

		add_values(&a, i, z, s->x[2], o);
	}
}

void
interp_ATTN_DELTA(struct step *s)
{
	uint64_t rows = local_count(s, s->yt[0]);
	uint64_t d = local_count(s, s->xt[0]) / rows;

	for (uint64_t i = 0; i < rows; i++)
		s->y[0][i] = inner(s->x[0] + i * d, s->x[1] + i * d, d);
}

/* Adds to dq, dk, dv in s->y; operands do, q, k, v, z, D. */
static void
backward(struct step *s, struct attn *a)
{
	const double *z = s->x[4], *delta = s->x[5];

	for (uint64_t i = 0; i < a->rows; i++) {
		const double *d = s->x[0] + i * a->d, *q = s->x[1] + i * a->d;

		scores(a, i, s->x[1], s->x[2]);
		for (uint64_t t = 0; t < a->keys; t++) {
			uint64_t kt = a->krow[i] + t * a->kstep;
			double p, ds;

			if (a->score[t] == -INFINITY)
				continue;
			p = exp(a->score[t] - z[i]);
			ds = p * a->scale *
			    (inner(d, s->x[3] + kt, a->d) - delta[i]);
			for (uint64_t j = 0; j < a->d; j++) {
				s->y[0][i * a->d + j] += ds * s->x[2][kt + j];
				s->y[1][kt + j] += ds * q[j];
				s->y[2][kt + j] += p * d[j];
			}
		}
	}
}

void
interp_ATTN_BWD(struct step *s)
{
	struct attn a = attn_of(s, 1, 6, s->wide ? s->op->nin : 6);

	for (int i = 0; i < 3; i++)
		memset(s->y[i], 0,
		    local_count(s, s->yt[i]) * sizeof(double));
	backward(s, &a);
}

/*
 * Merges these keys into (o, z), the sums over others: with l = log sum exp
 * of both, o = o e^(z-l) + sum e^(S-l) v.
 */
void
interp_ATTN_STEP(struct step *s)
{
	struct attn a = attn_of(s, 0, 3, 4);
	const double *o0 = s->x[s->op->nin - 2], *z0 = s->x[s->op->nin - 1];

	for (uint64_t i = 0; i < a.rows; i++) {
		double *o = s->y[0] + i * a.d, zb, z, keep;

		zb = scores(&a, i, s->x[0], s->x[1]);
		z = zb == -INFINITY ? z0[i] : z0[i] == -INFINITY ? zb :
		    fmax(zb, z0[i]) + log1p(exp(-fabs(zb - z0[i])));
		keep = z0[i] == -INFINITY ? 0 : exp(z0[i] - z);
		s->y[1][i] = z;
		for (uint64_t j = 0; j < a.d; j++)
			o[j] = keep == 0 ? 0 : keep * o0[i * a.d + j];
		add_values(&a, i, z, s->x[2], o);
	}
}

void
interp_ATTN_STEP_BWD(struct step *s)
{
	struct attn a = attn_of(s, 1, 6, 7);

	for (int i = 0; i < 3; i++)
		memcpy(s->y[i], s->x[s->op->nin - 3 + i],
		    local_count(s, s->yt[i]) * sizeof(double));
	backward(s, &a);
}
