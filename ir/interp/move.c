/* Constants, movement, products and rotary positions. */
#include "config.h"

#include "ir/interp/state.h"

#include <math.h>
#include <string.h>

#include "ir/rules.h"

static void
fill(struct step *s, double x)
{
	uint64_t n = local_count(s, s->yt[0]);

	for (uint64_t i = 0; i < n; i++)
		s->y[0][i] = x;
}

void
interp_CONST(struct step *s)
{
	fill(s, op_real(s->op, ATTR_VALUE));
}

void
interp_ZEROS(struct step *s)
{
	fill(s, 0);
}

void
interp_NEGINF(struct step *s)
{
	fill(s, -INFINITY);
}

void
interp_IOTA(struct step *s)
{
	const uint64_t *p = positions(s, s->yt[0], 0);
	uint64_t n = local_count(s, s->yt[0]);

	for (uint64_t i = 0; i < n; i++)
		s->y[0][i] = (double)p[i];
}

/* An index operand as a number below size, or an error and 0. */
static uint64_t
checked_index(struct step *s, double x, uint64_t size)
{
	if (x >= 0 && x < (double)size)
		return (uint64_t)x;
	step_error(s, "index %g, allowed are 0 to %llu", x,
	    (unsigned long long)size - 1);
	return 0;
}

void
interp_TAKE(struct step *s)
{
	uint64_t n = local_count(s, s->yt[0]);
	uint64_t at = checked_index(s,
	    (double)frame_index(s->frame, &s->op->index),
	    local_size(s, s->xt[0], 0));

	memcpy(s->y[0], s->x[0] + at * n, n * sizeof(double));
}

/* Where a part lies in the whole: `outer` times n elements from `from` on. */
struct part {
	uint64_t outer, from, n, all;
};

static struct part
part_of(struct step *s, const struct type *whole, const struct type *part)
{
	struct part p = {.outer = 1};
	uint64_t inner;
	int i = 0;

	while (i + 1 < part->rank && dim_equal(&whole->d[i], &part->d[i]))
		p.outer *= local_size(s, whole, i++);
	inner = stride(s, whole, i);
	p.all = local_size(s, whole, i) * inner;
	p.n = local_size(s, part, i) * inner;
	p.from = part->d[i].s[part->d[i].n - 1].from * inner;
	return p;
}

void
interp_PART(struct step *s)
{
	struct part p = part_of(s, s->xt[0], s->yt[0]);

	for (uint64_t i = 0; i < p.outer; i++)
		memcpy(s->y[0] + i * p.n, s->x[0] + i * p.all + p.from,
		    p.n * sizeof(double));
}

void
interp_PART_ADD(struct step *s)
{
	struct part p = part_of(s, s->yt[0], s->xt[0]);

	memcpy(s->y[0], s->x[1], p.outer * p.all * sizeof(double));
	for (uint64_t i = 0; i < p.outer; i++)
		for (uint64_t j = 0; j < p.n; j++)
			s->y[0][i * p.all + p.from + j] +=
			    s->x[0][i * p.n + j];
}

void
interp_PICK(struct step *s)
{
	int d = type_find(s->xt[0], op_dim(s->op, ATTR_OVER));
	struct space a = space_of(s, s->yt[0]);
	const uint64_t *p = offsets(s, &a, s->xt[0]);
	const uint64_t *pos = positions(s, s->xt[0], d);
	uint64_t n = local_size(s, s->xt[0], d), k = 0;
	uint64_t at = checked_index(s, s->x[1][0], module_dim(s->in->m,
	    s->xt[0]->d[d].name)->size);

	while (k < n && pos[k] != at)
		k++;
	for (uint64_t i = 0; i < a.count; i++)
		s->y[0][i] = k == n ? 0 :
		    s->x[0][p[i] + k * stride(s, s->xt[0], d)];
}

/* y = sum a b over the dims the result lacks, times the scales of fp8, plus c
 * with `into`. */
void
interp_DOT(struct step *s)
{
	struct space out = space_of(s, s->yt[0]);
	struct space sum = space_without(s, s->xt[0], s->yt[0]);
	const uint64_t *ao = offsets(s, &out, s->xt[0]);
	const uint64_t *bo = offsets(s, &out, s->xt[1]);
	const uint64_t *as = offsets(s, &sum, s->xt[0]);
	const uint64_t *bs = offsets(s, &sum, s->xt[1]);
	double scale = dtype_is_fp8(s->xt[0]->dtype) ?
	    s->x[2][0] * s->x[3][0] : 1;
	const double *c = s->op->into ? s->x[s->op->nin - 1] : NULL;

	for (uint64_t i = 0; i < out.count; i++) {
		const double *a = s->x[0] + ao[i], *b = s->x[1] + bo[i];
		double y = 0;

		for (uint64_t j = 0; j < sum.count; j++)
			y += a[as[j]] * b[bs[j]];
		s->y[0][i] = y * scale + (c ? c[i] : 0);
	}
}

/* y[i, ..] = table[index[i], ..] */
void
interp_EMBED(struct step *s)
{
	uint64_t rows = local_count(s, s->xt[1]);
	uint64_t n = local_count(s, s->yt[0]) / rows;
	uint64_t size = local_size(s, s->xt[0], 0);

	for (uint64_t i = 0; i < rows; i++)
		memcpy(s->y[0] + i * n,
		    s->x[0] + checked_index(s, s->x[1][i], size) * n,
		    n * sizeof(double));
}

void
interp_EMBED_BWD(struct step *s)
{
	uint64_t rows = local_count(s, s->xt[1]);
	uint64_t n = local_count(s, s->xt[0]) / rows;
	uint64_t size = local_size(s, s->yt[0], 0);

	fill(s, 0);
	for (uint64_t i = 0; i < rows; i++) {
		double *y = s->y[0] + checked_index(s, s->x[1][i], size) * n;

		for (uint64_t j = 0; j < n; j++)
			y[j] += s->x[0][i * n + j];
	}
}

/*
 * Pairs (j, j + d/2), or (2j, 2j + 1) if interleaved, turn by position times
 * base^(-2j/d); sign -1 turns back.
 */
static void
rope(struct step *s, double sign)
{
	const struct type *t = s->xt[0];
	int over = type_find(t, op_dim(s->op, ATTR_OVER));
	int where = type_position(s->in->m, t);
	uint64_t d = local_size(s, t, over), step = stride(s, t, over);
	bool half = op_int(s->op, ATTR_STYLE) == 0;
	struct space rows = space_drop(space_of(s, t), t->d[over].name);
	const uint64_t *row = offsets(s, &rows, t);
	const uint64_t *pos = positions(s, t, where);

	for (uint64_t i = 0; i < rows.count; i++) {
		uint64_t p = pos[row[i] / stride(s, t, where) %
		    local_size(s, t, where)];

		for (uint64_t j = 0; j < d / 2; j++) {
			uint64_t u = row[i] + (half ? j : 2 * j) * step;
			uint64_t v = u + (half ? d / 2 : 1) * step;
			double angle = sign * (double)p *
			    pow(op_real(s->op, ATTR_BASE),
			    -2.0 * (double)j / (double)d);
			double x = s->x[0][u], y = s->x[0][v];

			s->y[0][u] = x * cos(angle) - y * sin(angle);
			s->y[0][v] = y * cos(angle) + x * sin(angle);
		}
	}
}

void
interp_ROPE(struct step *s)
{
	rope(s, 1);
}

void
interp_ROPE_BWD(struct step *s)
{
	rope(s, -1);
}
