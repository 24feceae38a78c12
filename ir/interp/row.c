/*
 * Row ops: norms, softmax, sums and the losses.
 *
 * A row of a norm is the dims of w, which are the innermost ones, so rows lie
 * one after another.
 */
#include "config.h"

#include "ir/interp/state.h"

#include <math.h>
#include <string.h>

struct rows {
	uint64_t n, len; /* rows, elements of each */
};

static struct rows
rows_of(struct step *s, int x, int w)
{
	uint64_t len = local_count(s, s->xt[w]);

	return (struct rows){local_count(s, s->xt[x]) / len, len};
}

static double
mean(const double *x, uint64_t n)
{
	double sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += x[i];
	return sum / (double)n;
}

/* 1 / sqrt(mean (x - m)^2 + eps) */
static double
inverse_deviation(const double *x, uint64_t n, double m, double eps)
{
	double sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += (x[i] - m) * (x[i] - m);
	return 1 / sqrt(sum / (double)n + eps);
}

/* y = (x - m) r w + z; RMSNorm has m = 0 and no z. */
static void
norm(struct step *s, bool centre)
{
	struct rows r = rows_of(s, 0, 1);
	double eps = op_real(s->op, ATTR_EPS);

	for (uint64_t i = 0; i < r.n; i++) {
		const double *x = s->x[0] + i * r.len, *w = s->x[1];
		double *y = s->y[0] + i * r.len;
		double m = centre ? mean(x, r.len) : 0;
		double q = inverse_deviation(x, r.len, m, eps);

		for (uint64_t j = 0; j < r.len; j++)
			y[j] = (x[j] - m) * q * w[j] +
			    (centre ? s->x[2][j] : 0);
	}
}

void
interp_RMSNORM(struct step *s)
{
	norm(s, false);
}

void
interp_LAYERNORM(struct step *s)
{
	norm(s, true);
}

/*
 * With h = (x - m) r and g = d w:  dx = r (g - mean(g) - h mean(g h)), where
 * mean(g) is left out by RMSNorm;  dw = sum d h,  dz = sum d over rows.
 */
static void
norm_bwd(struct step *s, bool centre)
{
	struct rows r = rows_of(s, 1, 2);
	double eps = op_real(s->op, ATTR_EPS);

	for (int i = 1; i < s->op->nout; i++)
		memset(s->y[i], 0, r.len * sizeof(double));
	for (uint64_t i = 0; i < r.n; i++) {
		const double *d = s->x[0] + i * r.len, *w = s->x[2];
		const double *x = s->x[1] + i * r.len;
		double *dx = s->y[0] + i * r.len, g = 0, gh = 0;
		double m = centre ? mean(x, r.len) : 0;
		double q = inverse_deviation(x, r.len, m, eps);

		for (uint64_t j = 0; j < r.len; j++) {
			double h = (x[j] - m) * q;

			g += d[j] * w[j] / (double)r.len;
			gh += d[j] * w[j] * h / (double)r.len;
			s->y[1][j] += d[j] * h;
			if (centre)
				s->y[2][j] += d[j];
		}
		for (uint64_t j = 0; j < r.len; j++)
			dx[j] = q * (d[j] * w[j] - (centre ? g : 0) -
			    (x[j] - m) * q * gh);
	}
}

void
interp_RMSNORM_BWD(struct step *s)
{
	norm_bwd(s, false);
}

void
interp_LAYERNORM_BWD(struct step *s)
{
	norm_bwd(s, true);
}

/* Rows along one dim of t, wherever it lies. */
struct lines {
	uint64_t n, len, step;
	const uint64_t *at;
};

static struct lines
lines_of(struct step *s, const struct type *t)
{
	int over = type_find(t, op_dim(s->op, ATTR_OVER));
	struct space a = space_drop(space_of(s, t), t->d[over].name);

	return (struct lines){a.count, local_size(s, t, over),
	    stride(s, t, over), offsets(s, &a, t)};
}

void
interp_SOFTMAX(struct step *s)
{
	struct lines l = lines_of(s, s->xt[0]);

	for (uint64_t i = 0; i < l.n; i++) {
		const double *x = s->x[0] + l.at[i];
		double *y = s->y[0] + l.at[i], max = -INFINITY, sum = 0;

		for (uint64_t j = 0; j < l.len; j++)
			max = fmax(max, x[j * l.step]);
		for (uint64_t j = 0; j < l.len; j++)
			sum += y[j * l.step] = exp(x[j * l.step] - max);
		for (uint64_t j = 0; j < l.len; j++)
			y[j * l.step] /= sum;
	}
}

/* dx = y (d - sum d y) */
void
interp_SOFTMAX_BWD(struct step *s)
{
	struct lines l = lines_of(s, s->xt[1]);

	for (uint64_t i = 0; i < l.n; i++) {
		const double *d = s->x[0] + l.at[i], *y = s->x[1] + l.at[i];
		double sum = 0;

		for (uint64_t j = 0; j < l.len; j++)
			sum += d[j * l.step] * y[j * l.step];
		for (uint64_t j = 0; j < l.len; j++)
			s->y[0][l.at[i] + j * l.step] =
			    y[j * l.step] * (d[j * l.step] - sum);
	}
}

void
interp_SUM(struct step *s)
{
	struct space out = space_of(s, s->yt[0]);
	struct space in = space_without(s, s->xt[0], s->yt[0]);
	const uint64_t *p = offsets(s, &out, s->xt[0]);
	const uint64_t *q = offsets(s, &in, s->xt[0]);

	for (uint64_t i = 0; i < out.count; i++) {
		double sum = 0;

		for (uint64_t j = 0; j < in.count; j++)
			sum += s->x[0][p[i] + q[j]];
		s->y[0][i] = sum;
	}
}

/* ---------------------------------------------------------------- losses */

void
interp_AMAX(struct step *s)
{
	uint64_t n = local_count(s, s->xt[0]);

	s->y[0][0] = 0;
	for (uint64_t i = 0; i < n; i++)
		s->y[0][0] = fmax(s->y[0][0], fabs(s->x[0][i]));
}

static bool
counts(const struct step *s, double label)
{
	return label != (double)op_int(s->op, ATTR_IGNORE);
}

void
interp_LABELS(struct step *s)
{
	uint64_t n = local_count(s, s->xt[0]);

	s->y[0][0] = 0;
	for (uint64_t i = 0; i < n; i++)
		s->y[0][0] += counts(s, s->x[0][i]);
}

/*
 * -log softmax(x)[label] of one row, 0 if the label does not count; dx, if
 * given, becomes dn (softmax(x) - onehot(label)).
 */
static double
row_xent(struct step *s, const double *x, uint64_t n, double label, double dn,
    double *dx)
{
	double max = -INFINITY, sum = 0;

	if (dx)
		memset(dx, 0, n * sizeof(double));
	if (!counts(s, label))
		return 0;
	if (!(label >= 0 && label < (double)n)) {
		step_error(s, "label %g, allowed are 0 to %llu", label,
		    (unsigned long long)n - 1);
		return 0;
	}
	for (uint64_t j = 0; j < n; j++)
		max = fmax(max, x[j]);
	for (uint64_t j = 0; j < n; j++)
		sum += exp(x[j] - max);
	for (uint64_t j = 0; j < n && dx; j++)
		dx[j] = dn * (exp(x[j] - max) / sum -
		    (j == (uint64_t)label));
	return max + log(sum) - x[(uint64_t)label];
}

void
interp_XENT(struct step *s)
{
	uint64_t rows = local_count(s, s->xt[1]);
	uint64_t n = local_count(s, s->xt[0]) / rows;

	s->y[0][0] = 0;
	for (uint64_t i = 0; i < rows; i++)
		s->y[0][0] += row_xent(s, s->x[0] + i * n, n, s->x[1][i], 0,
		    NULL);
}

void
interp_XENT_BWD(struct step *s)
{
	uint64_t rows = local_count(s, s->xt[2]);
	uint64_t n = local_count(s, s->xt[1]) / rows;

	for (uint64_t i = 0; i < rows; i++)
		row_xent(s, s->x[1] + i * n, n, s->x[2][i], s->x[0][0],
		    s->y[0] + i * n);
}

/* The loss head at operands h, h + 1: logits of token i = W^T h[i]. */
struct head {
	uint64_t tokens, classes, inner;
	const uint64_t *hj, *wj, *wc; /* offsets of inner dims and classes */
	double *logit, *dlogit;       /* one token's */
};

static struct head
head_of(struct step *s, int h)
{
	const struct type *ht = s->xt[h], *wt = s->xt[h + 1];
	struct space sum = space_without(s, ht, s->xt[h + 2]);
	struct space class = space_without(s, wt, ht);
	struct head e = {.tokens = local_count(s, s->xt[h + 2]),
	    .classes = class.count, .inner = sum.count};

	e.hj = offsets(s, &sum, ht);
	e.wj = offsets(s, &sum, wt);
	e.wc = offsets(s, &class, wt);
	e.logit = NEW_N(&s->in->scratch, double, class.count);
	e.dlogit = NEW_N(&s->in->scratch, double, class.count);
	return e;
}

static void
head_logits(const struct head *e, const double *h, const double *w)
{
	for (uint64_t c = 0; c < e->classes; c++) {
		e->logit[c] = 0;
		for (uint64_t j = 0; j < e->inner; j++)
			e->logit[c] += h[e->hj[j]] * w[e->wc[c] + e->wj[j]];
	}
}

void
interp_XENT_DOT(struct step *s)
{
	struct head e = head_of(s, 0);

	s->y[0][0] = 0;
	for (uint64_t i = 0; i < e.tokens; i++) {
		head_logits(&e, s->x[0] + i * e.inner, s->x[1]);
		s->y[0][0] += row_xent(s, e.logit, e.classes, s->x[2][i], 0,
		    NULL);
	}
}

void
interp_XENT_DOT_BWD(struct step *s)
{
	struct head e = head_of(s, 1);

	s->y[0][0] = 0;
	memset(s->y[1], 0, local_count(s, s->yt[1]) * sizeof(double));
	memset(s->y[2], 0, local_count(s, s->yt[2]) * sizeof(double));
	for (uint64_t i = 0; i < e.tokens; i++) {
		const double *h = s->x[1] + i * e.inner, *w = s->x[2];
		double *dh = s->y[1] + i * e.inner, *dw = s->y[2];

		head_logits(&e, h, w);
		s->y[0][0] += row_xent(s, e.logit, e.classes, s->x[3][i],
		    s->x[0][0], e.dlogit);
		for (uint64_t c = 0; c < e.classes; c++)
			for (uint64_t j = 0; j < e.inner; j++) {
				uint64_t k = e.wc[c] + e.wj[j];

				dh[e.hj[j]] += e.dlogit[c] * w[k];
				dw[k] += e.dlogit[c] * h[e.hj[j]];
			}
	}
}
