/*
 * Layers of bundles as a whole: what each rank has of an image, and moves of
 * it.  The image is that of IMAGE_ALIGN in ir.h; a bundle that is not cut is
 * stored field by field and becomes an image here.
 */
#include "config.h"

#include "ir/interp/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct side { /* where an image comes from or goes to */
	struct bundle *b;
	struct axis_list flat;
	struct tensor *t; /* a bundle value; else the store */
	uint64_t layer;
};

static void *
allocate(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

uint64_t
image_block(const struct module *m, const struct bundle *b,
    const struct axis_list *flat)
{
	return bundle_image(m, b) / axis_list_blocks(m, flat);
}

struct tensor *
image_new(struct interp *in, const struct bundle *b,
    const struct axis_list *flat)
{
	struct tensor *t = allocate(1, sizeof *t);

	t->refs = 1;
	t->count = image_block(in->m, b, flat);
	t->local = allocate((size_t)in->ranks, sizeof *t->local);
	for (int r = 0; r < in->ranks; r++)
		t->local[r] = allocate(t->count, sizeof(double));
	return t;
}

/* Fields of a bundle that is not cut, in the places of its image. */
static void
copy_fields(struct interp *in, const struct side *s, int rank, double *image,
    bool out)
{
	for (int f = 0; f < s->b->nfield; f++) {
		struct store *t = store_of(in, s->b, f);
		double *x = t->local[rank] + s->layer * t->count;
		double *y = image + bundle_image_at(in->m, s->b, f);

		memcpy(out ? x : y, out ? y : x, t->count * sizeof *x);
	}
}

/* A rank's part, as an array of image_block elements. */
static void
load_part(struct interp *in, const struct side *s, int rank, double *part)
{
	uint64_t n = image_block(in->m, s->b, &s->flat);
	struct store *t = s->t ? NULL : image_of(in, s->b);

	if (s->t)
		memcpy(part, s->t->local[rank], n * sizeof *part);
	else if (t)
		memcpy(part, t->local[rank] + s->layer * n, n * sizeof *part);
	else
		copy_fields(in, s, rank, part, false);
}

static void
store_part(struct interp *in, const struct side *s, int rank, double *part,
    enum dtype dt)
{
	uint64_t n = image_block(in->m, s->b, &s->flat);
	struct store *t = s->t ? NULL : image_of(in, s->b);

	for (uint64_t i = 0; i < n && in->opt.round; i++)
		part[i] = interp_round(part[i], dt);
	if (s->t)
		memcpy(s->t->local[rank], part, n * sizeof *part);
	else if (t)
		memcpy(t->local[rank] + s->layer * n, part, n * sizeof *part);
	else
		copy_fields(in, s, rank, part, true);
}

/* A rank's block in the whole image; false: the other way. */
static void
add_block(struct interp *in, const struct side *s, int rank,
    const double *part, double *image, bool sum)
{
	uint64_t n = image_block(in->m, s->b, &s->flat);
	double *to = image + n * axis_list_block(in->m, &s->flat,
	    in->coord[rank]);

	for (uint64_t i = 0; i < n; i++)
		to[i] = part[i] + (sum ? to[i] : 0);
}

static bool
in_group(const struct interp *in, int a, int b, axis_set axes)
{
	for (int i = 0; i < in->m->naxis; i++)
		if (!(axes >> i & 1) && in->coord[a][i] != in->coord[b][i])
			return false;
	return true;
}

/* One layer, for the group of rank r. */
static void
move_group(struct interp *in, int r, const struct side *from,
    const struct side *to, axis_set axes, bool sum, enum dtype dt)
{
	uint64_t n = image_block(in->m, to->b, &to->flat);
	uint64_t all = bundle_image(in->m, from->b);
	double *image = allocate(all, sizeof *image);
	double *part = allocate(all, sizeof *part);

	for (int p = 0; p < in->ranks; p++)
		if (in_group(in, r, p, axes)) {
			load_part(in, from, p, part);
			add_block(in, from, p, part, image, sum);
		}
	store_part(in, to, r, image + n * axis_list_block(in->m, &to->flat,
	    in->coord[r]), dt);
	free(image);
	free(part);
}

static struct side
side_of(struct step *s, const struct arg *a)
{
	struct side x = {.b = a->b};

	if (a->kind == ARG_VALUE) {
		x.b = a->v->bundle;
		x.flat = a->v->flat;
		x.t = s->frame->val[a->v->id];
		if (!x.t)
			step_error(s, "%s has no value", a->v->name);
	} else {
		x.flat = a->b->flat;
		x.layer = a->indexed ?
		    (uint64_t)frame_index(s->frame, &a->index) : 0;
	}
	return x;
}

static uint64_t
layers(const struct step *s, const struct arg *a)
{
	return a->kind == ARG_BUNDLE && !a->indexed && a->b->stack ?
	    module_dim(s->in->m, a->b->stack)->size : 1;
}

/* What comes out is made beside what goes in: they may be one bundle. */
static void
move_layer(struct step *s, struct side from, struct side to, bool sum,
    enum dtype dt)
{
	struct interp *in = s->in;
	struct side made = {.b = to.b, .flat = to.flat,
	    .t = image_new(in, to.b, &to.flat)};

	for (int r = 0; r < in->ranks; r++)
		move_group(in, r, &from, &made, op_axes(s->op), sum, dt);
	for (int r = 0; r < in->ranks; r++)
		store_part(in, &to, r, made.t->local[r], dt);
	tensor_unref(in, made.t);
}

void
image_move(struct step *s, bool sum)
{
	struct op *op = s->op;
	struct value *v = op->out[0];
	struct side from = side_of(s, &op->in[0]), to;
	uint64_t n = layers(s, &op->in[0]);
	enum dtype dt = (enum dtype)v->dtype;

	if (s->in->failed)
		return;
	if (op->has_target) {
		to = side_of(s, &op->target);
	} else {
		to = (struct side){.b = v->bundle, .flat = v->flat};
		to.t = image_new(s->in, v->bundle, &v->flat);
		frame_bind(s->in, s->frame, v, to.t);
	}
	for (uint64_t l = 0; l < n; l++) {
		move_layer(s, from, to, sum, dt);
		from.layer++;
		to.layer++;
	}
}

static void
fill_nan(double *x, uint64_t n)
{
	while (n > 0)
		x[--n] = NAN;
}

/* Nothing is written yet: NaN, and zeros between the fields. */
void
interp_LOCAL(struct step *s)
{
	struct value *v = s->op->out[0];
	struct tensor *t = image_new(s->in, v->bundle, &v->flat);

	for (int r = 0; r < s->in->ranks; r++) {
		fill_nan(t->local[r], v->flat.n ? t->count : 0);
		for (int f = 0; f < v->bundle->nfield && !v->flat.n; f++)
			fill_nan(t->local[r] +
			    bundle_image_at(s->in->m, v->bundle, f),
			    type_local_count(s->in->m,
			    v->bundle->field[f].type));
	}
	frame_bind(s->in, s->frame, v, t);
}

/* One layer: to = from, to += from. */
static void
accum_layer(struct step *s, const struct side *from, const struct side *to)
{
	struct interp *in = s->in;
	uint64_t n = image_block(in->m, to->b, &to->flat);
	double *x = allocate(n, sizeof *x), *y = allocate(n, sizeof *y);

	for (int r = 0; r < in->ranks; r++) {
		load_part(in, from, r, x);
		load_part(in, to, r, y);
		for (uint64_t i = 0; i < n; i++)
			y[i] = x[i] + (s->op->target_add ? y[i] : 0);
		store_part(in, to, r, y, (enum dtype)to->b->dtype);
	}
	free(x);
	free(y);
}

/* @B[l] = accum s, += accum s; @B = accum @C: all layers */
static void
accum_layers(struct step *s)
{
	struct side from = side_of(s, &s->op->in[0]);
	struct side to = side_of(s, &s->op->target);
	uint64_t n = layers(s, &s->op->in[0]);

	for (uint64_t l = 0; l < n && !s->in->failed; l++) {
		accum_layer(s, &from, &to);
		from.layer++;
		to.layer++;
	}
}

void
interp_ACCUM(struct step *s)
{
	if (s->op->target.kind == ARG_BUNDLE)
		accum_layers(s);
	else
		memcpy(s->y[0], s->x[0],
		    local_count(s, s->yt[0]) * sizeof(double));
}

/* ------------------------------------------------ global, for the caller */

/* One layer's image as the ranks form it; false if replicas disagree. */
static bool
assemble(struct interp *in, const struct bundle *b, uint64_t layer,
    double *image)
{
	axis_set vary = (axis_set)(axis_list_set(&b->flat) | b->pend);
	uint64_t n = image_block(in->m, b, &b->flat);
	struct store *t = image_of(in, b);
	bool ok = true;

	for (int r = 0; r < in->ranks; r++) {
		const double *x = t->local[r] + layer * n;
		int first = canonical(in, r, vary);

		if (first == r)
			add_block(in, &(struct side){(struct bundle *)b,
			    b->flat, NULL, 0}, r, x, image, true);
		else
			ok &= memcmp(x, t->local[first] + layer * n,
			    n * sizeof *x) == 0;
	}
	return ok;
}

bool
image_get(struct interp *in, const struct bundle *b, int field,
    double *global)
{
	uint64_t n = type_global_count(in->m, b->field[field].type);
	uint64_t at = bundle_image_at(in->m, b, field);
	double *image = allocate(bundle_image(in->m, b), sizeof *image);
	bool ok = true;

	for (uint64_t l = 0; l < image_of(in, b)->layers; l++) {
		memset(image, 0, bundle_image(in->m, b) * sizeof *image);
		ok &= assemble(in, b, l, image);
		memcpy(global + l * n, image + at, n * sizeof *image);
	}
	free(image);
	return ok;
}

/* What is pending lies on the ranks with coordinate 0. */
void
image_set(struct interp *in, const struct bundle *b, int field,
    const double *global)
{
	struct store *t = image_of(in, b);
	uint64_t n = type_global_count(in->m, b->field[field].type);
	uint64_t at = bundle_image_at(in->m, b, field);
	uint64_t block = image_block(in->m, b, &b->flat);

	for (int r = 0; r < in->ranks; r++) {
		uint64_t lo = block * axis_list_block(in->m, &b->flat,
		    in->coord[r]);
		bool zero = canonical(in, r, b->pend) != 0;

		for (uint64_t i = 0; i < t->layers * n; i++) {
			uint64_t e = at + i % n;

			if (e >= lo && e < lo + block)
				t->local[r][i / n * block + e - lo] =
				    zero ? 0 : global[i];
		}
	}
}
