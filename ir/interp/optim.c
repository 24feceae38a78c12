/* Bundles: initial values, zero, sums of squares, AdamW. */
#include "config.h"

#include "ir/interp/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/rng.h"

static double
initial(const struct init *init, uint64_t seed, uint64_t stream, uint64_t i)
{
	switch (init->kind) {
	case INIT_ONES:
		return 1;
	case INIT_NORMAL:
		return init->a * lt_rng_normal(seed, stream, i);
	case INIT_UNIFORM:
		return init->a + (init->b - init->a) *
		    lt_rng_uniform(seed, stream, i);
	default:
		return 0;
	}
}

/* Element i of the whole stacked tensor, named as in checkpoints. */
static void
init_field(struct interp *in, struct bundle *b, int field)
{
	const struct field *f = &b->field[field];
	uint64_t n = interp_count(in, b, field);
	double *x = calloc(n ? n : 1, sizeof *x);
	char name[1024];

	if (!x)
		abort();
	snprintf(name, sizeof name, "%s.%s", b->path ? b->path : b->name,
	    f->name);
	for (uint64_t i = 0; i < n; i++) {
		x[i] = initial(&f->init, in->opt.seed, lt_fnv1a64(name), i);
		if (in->opt.round)
			x[i] = interp_round(x[i], (enum dtype)b->dtype);
	}
	interp_set(in, b, field, x);
	free(x);
}

void
interp_init(struct interp *in)
{
	for (int i = 0; i < in->m->nbundle; i++)
		for (int j = 0; j < in->m->bundle[i]->nfield &&
		    in->m->bundle[i]->role == ROLE_PARAM; j++)
			init_field(in, in->m->bundle[i], j);
	interp_refresh(in);
}

/* @B.x = x; whole layers are image.c's. */
static void
zero_image(struct step *s, const struct arg *a)
{
	struct store *t = image_of(s->in, a->b);
	uint64_t first = a->indexed ?
	    (uint64_t)frame_index(s->frame, &a->index) : 0;

	memset(t->local[s->rank] + first * t->count, 0, (a->indexed ? 1 :
	    t->layers) * t->count * sizeof(double));
}

/* `params` names a bundle; fields are read from the store when used. */
void
interp_PARAMS(struct step *s)
{
	(void)s;
}

static void
zero_field(struct step *s, const struct arg *a, int field)
{
	struct store *t = store_of(s->in, a->b, field);
	uint64_t first = 0, n = t->layers;

	if (a->indexed) {
		first = (uint64_t)frame_index(s->frame, &a->index);
		n = 1;
	}
	memset(t->local[s->rank] + first * t->count, 0,
	    n * t->count * sizeof(double));
}

void
interp_ZERO(struct step *s)
{
	for (int i = 0; i < s->op->nin; i++) {
		const struct arg *a = &s->op->in[i];

		if (a->b->flat.n)
			zero_image(s, a);
		for (int f = 0; f < a->b->nfield && !a->b->flat.n; f++)
			if (a->kind == ARG_BUNDLE || a->field == f)
				zero_field(s, a, f);
	}
}

/* First element and number of elements of what operand i names in t. */
static uint64_t
layers_of(struct step *s, int i, const struct store *t, uint64_t *n)
{
	const struct arg *a = &s->op->in[i];

	*n = (a->indexed ? 1 : t->layers) * t->count;
	return a->indexed ?
	    (uint64_t)frame_index(s->frame, &a->index) * t->count : 0;
}

void
interp_SUMSQ(struct step *s)
{
	double sum = 0;

	for (int i = 0; i < s->op->nin; i++) {
		const struct bundle *b = s->op->in[i].b;

		for (int f = 0; f < (b->flat.n ? 1 : b->nfield); f++) {
			struct store *t = b->flat.n ? image_of(s->in, b) :
			    store_of(s->in, b, f);
			uint64_t n, first = layers_of(s, i, t, &n);
			const double *x = t->local[s->rank] + first;

			for (uint64_t j = 0; j < n; j++)
				sum += x[j] * x[j];
		}
	}
	s->y[0][0] = sum;
}

struct adamw {
	double lr, beta1, beta2, eps, wd, clip;
	double fix1, fix2; /* bias correction: 1 - beta^step */
	int64_t step;
};

static struct adamw
adamw_of(struct step *s)
{
	const struct module *m = s->in->m;
	struct adamw a = {
		.lr = s->in->opt.lr,
		.beta1 = module_number(m, "recipe.beta1", 0.9),
		.beta2 = module_number(m, "recipe.beta2", 0.95),
		.eps = module_number(m, "recipe.eps", 1e-8),
		.wd = module_number(m, "recipe.wd", 0.1),
		.clip = s->op->nin > 4 ? s->x[4][0] : 1,
		.step = s->in->opt.step > 0 ? s->in->opt.step : 1,
	};

	if (a.lr == 0)
		a.lr = module_number(m, "recipe.lr", 0);
	a.fix1 = 1 - pow(a.beta1, (double)a.step);
	a.fix2 = 1 - pow(a.beta2, (double)a.step);
	return a;
}

/*
 * m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2      with g = clip G
 * w -= lr (m / fix1 / (sqrt(v / fix2) + eps) + wd w)      wd: decay fields
 */
static void
update(struct step *s, const struct adamw *a, double *const *x, uint64_t n,
    bool decay)
{
	double wd = decay ? a->wd : 0;

	for (uint64_t j = 0; j < n; j++) {
		double g = a->clip * x[1][j];
		double m = a->beta1 * x[2][j] + (1 - a->beta1) * g;
		double v = a->beta2 * x[3][j] + (1 - a->beta2) * g * g;

		x[0][j] -= a->lr * (m / a->fix1 /
		    (sqrt(v / a->fix2) + a->eps) + wd * x[0][j]);
		x[2][j] = m;
		x[3][j] = v;
		for (int i = 0; i < 4 && s->in->opt.round; i++)
			x[i][j] = interp_round(x[i][j],
			    (enum dtype)s->op->in[i].b->dtype);
	}
}

static void
update_field(struct step *s, const struct adamw *a, int field)
{
	double *x[4]; /* w, g, m, v */
	uint64_t n = 0;

	for (int i = 0; i < 4; i++) {
		struct store *t = store_of(s->in, s->op->in[i].b, field);
		uint64_t first = layers_of(s, i, t, &n);

		x[i] = t->local[s->rank] + first;
	}
	update(s, a, x, n,
	    s->op->in[0].b->field[field].decay);
}

/* Field that element e of an image lies in; the last one for padding. */
static int
field_at(const struct module *m, const struct bundle *b, uint64_t e)
{
	int f = 0;

	while (f + 1 < b->nfield && bundle_image_at(m, b, f + 1) <= e)
		f++;
	return f;
}

/* Element by element: a block may begin and end anywhere in a field. */
static void
update_image(struct step *s, const struct adamw *a)
{
	const struct bundle *b = s->op->in[0].b;
	struct store *t = image_of(s->in, b);
	uint64_t first = t->count * axis_list_block(s->in->m, &b->flat,
	    s->in->coord[s->rank]);

	for (uint64_t j = 0; j < t->layers * t->count; j++) {
		int f = field_at(s->in->m, b, first + j % t->count);
		double *x[4];

		for (int i = 0; i < 4; i++)
			x[i] = image_of(s->in, s->op->in[i].b)
			    ->local[s->rank] + j;
		update(s, a, x, 1, b->field[f].decay);
	}
}

void
interp_ADAMW(struct step *s)
{
	struct adamw a = adamw_of(s);

	if (s->op->in[0].b->flat.n) {
		update_image(s, &a);
		return;
	}
	for (int f = 0; f < s->op->in[0].b->nfield; f++)
		update_field(s, &a, f);
}
