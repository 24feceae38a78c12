/* Tensors on all ranks, index arithmetic, and the bundles' storage. */
#include "config.h"

#include "ir/interp/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RUNS = 64 };

/* ------------------------------------------------------------ arithmetic */

static double
round_bf16(double x)
{
	float f = (float)x;
	uint32_t u;

	memcpy(&u, &f, sizeof u);
	if ((u & 0x7f800000) == 0x7f800000) /* inf and nan keep their bits */
		return f;
	u += 0x7fff + (u >> 16 & 1);
	u &= 0xffff0000;
	memcpy(&f, &u, sizeof f);
	return f;
}

double
interp_round(double x, enum dtype dt)
{
	return dt == DT_BF16 ? round_bf16(x) : dt == DT_F32 ? (float)x : x;
}

uint64_t
local_count(const struct step *s, const struct type *t)
{
	return type_local_count(s->in->m, t);
}

uint64_t
local_size(const struct step *s, const struct type *t, int dim)
{
	return dim_local_size(s->in->m, &t->d[dim]);
}

uint64_t
stride(const struct step *s, const struct type *t, int dim)
{
	uint64_t n = 1;

	for (int i = dim + 1; i < t->rank; i++)
		n *= local_size(s, t, i);
	return n;
}

static void
space_add(struct space *a, const char *name, uint64_t size)
{
	a->name[a->n] = name;
	a->size[a->n++] = size;
	a->count *= size;
}

struct space
space_of(const struct step *s, const struct type *t)
{
	struct space a = {.count = 1};

	for (int i = 0; i < t->rank; i++)
		space_add(&a, t->d[i].name, local_size(s, t, i));
	return a;
}

struct space
space_without(const struct step *s, const struct type *t,
    const struct type *other)
{
	struct space a = {.count = 1};

	for (int i = 0; i < t->rank; i++)
		if (type_find(other, t->d[i].name) < 0)
			space_add(&a, t->d[i].name, local_size(s, t, i));
	return a;
}

struct space
space_drop(struct space a, const char *name)
{
	struct space b = {.count = 1};

	for (int i = 0; i < a.n; i++)
		if (a.name[i] != name)
			space_add(&b, a.name[i], a.size[i]);
	return b;
}

const uint64_t *
offsets(struct step *s, const struct space *a, const struct type *t)
{
	uint64_t *out = NEW_N(&s->in->scratch, uint64_t, a->count + 1);
	uint64_t n = 1; /* points written so far */

	/* Innermost dim first: each dim repeats what is there, shifted. */
	for (int i = a->n - 1; i >= 0; i--) {
		int d = a->name[i] ? type_find(t, a->name[i]) : -1;
		uint64_t step = d < 0 ? 0 : stride(s, t, d);

		for (uint64_t k = 1; k < a->size[i]; k++)
			for (uint64_t j = 0; j < n; j++)
				out[k * n + j] = out[j] + k * step;
		n *= a->size[i];
	}
	return out;
}

static uint64_t *
write_runs(const struct run *r, int n, uint64_t *out)
{
	for (int i = 0; i < n; i++)
		for (uint64_t j = 0; j < r[i].len; j++)
			*out++ = r[i].start + j;
	return out;
}

const uint64_t *
positions(struct step *s, const struct type *t, int i)
{
	uint64_t *out = NEW_N(&s->in->scratch, uint64_t,
	    local_size(s, t, i) + 1);
	struct run r[MAX_RUNS];
	int n = type_runs(s->in->m, t, i, s->in->coord[s->rank], s->loop, r,
	    MAX_RUNS);

	write_runs(r, n, out);
	return out;
}

/* --------------------------------------------------------------- tensors */

static void *
allocate(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort(); /* as everywhere in the compiler: no way to go on */
	return p;
}

struct tensor *
tensor_new(struct interp *in, const struct type *t, const int64_t *loop)
{
	struct tensor *x = allocate(1, sizeof *x);

	x->type = t;
	x->refs = 1;
	x->count = type_local_count(in->m, t);
	x->local = allocate((size_t)in->ranks, sizeof *x->local);
	for (int r = 0; r < in->ranks; r++)
		x->local[r] = allocate(x->count, sizeof(double));
	if (loop)
		memcpy(x->loop, loop, sizeof x->loop);
	return x;
}

struct tensor *
tensor_ref(struct tensor *t)
{
	if (t)
		t->refs++;
	return t;
}

void
tensor_unref(struct interp *in, struct tensor *t)
{
	if (!t || --t->refs > 0)
		return;
	for (int r = 0; r < in->ranks; r++)
		free(t->local[r]);
	free(t->local);
	free(t);
}

uint64_t *
global_offsets(struct interp *in, const struct type *t, const int64_t *loop,
    int rank)
{
	uint64_t *out = allocate(type_local_count(in->m, t), sizeof *out);
	uint64_t n = 1, scale = 1;

	for (int i = t->rank - 1; i >= 0; i--) {
		uint64_t size = dim_local_size(in->m, &t->d[i]);
		uint64_t *at = allocate(size, sizeof *at);
		struct run r[MAX_RUNS];

		write_runs(r, type_runs(in->m, t, i, in->coord[rank], loop, r,
		    MAX_RUNS), at);
		for (uint64_t k = size; k-- > 0;)
			for (uint64_t j = 0; j < n; j++)
				out[k * n + j] = out[j] + at[k] * scale;
		free(at);
		n *= size;
		scale *= module_dim(in->m, t->d[i].name)->size;
	}
	return out;
}

int
canonical(const struct interp *in, int rank, axis_set axes)
{
	int at = 0;

	for (int i = 0; i < in->m->naxis; i++)
		at = at * (int)in->m->axis[i].size +
		    (axes >> i & 1 ? in->coord[rank][i] : 0);
	return at;
}

/* Replicas hold bitwise the same numbers: they are computed alike. */
static bool
same(const double *a, const double *b, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i])))
			return false;
	return true;
}

/* What one rank adds; maxima are of magnitudes, at least 0. */
static void
join(const struct type *t, double *all, double mine)
{
	*all = t->pend_op == PEND_MAX ? fmax(*all, mine) : *all + mine;
}

bool
tensor_global(struct interp *in, const struct type *t, const int64_t *loop,
    double *const *local, double *global)
{
	static const int64_t none[MAX_LOOPS];
	uint64_t n = type_local_count(in->m, t);
	axis_set vary = type_axes(t) | t->pend;
	bool ok = true;

	memset(global, 0, type_global_count(in->m, t) * sizeof *global);
	for (int r = 0; r < in->ranks; r++) {
		int first = canonical(in, r, vary);
		uint64_t *at;

		if (first != r) {
			ok &= same(local[r], local[first], n);
			continue;
		}
		at = global_offsets(in, t, loop ? loop : none, r);
		for (uint64_t i = 0; i < n; i++)
			join(t, &global[at[i]], local[r][i]);
		free(at);
	}
	return ok;
}

/* What is pending lies on the ranks with coordinate 0. */
void
tensor_scatter(struct interp *in, const struct type *t, const double *global,
    double *const *local)
{
	static const int64_t none[MAX_LOOPS];
	uint64_t n = type_local_count(in->m, t);

	for (int r = 0; r < in->ranks; r++) {
		uint64_t *at = global_offsets(in, t, none, r);
		bool zero = canonical(in, r, t->pend) != 0;

		for (uint64_t i = 0; i < n; i++)
			local[r][i] = zero ? 0 : global[at[i]];
		free(at);
	}
}

/* --------------------------------------------------------------- bundles */

static int
bundle_number(const struct interp *in, const struct bundle *b)
{
	int i = 0;

	while (in->m->bundle[i] != b)
		i++;
	return i;
}

struct store *
store_of(const struct interp *in, const struct bundle *b, int field)
{
	return &in->store[bundle_number(in, b)][field];
}

struct store *
image_of(const struct interp *in, const struct bundle *b)
{
	return b->flat.n ? &in->image[bundle_number(in, b)] : NULL;
}

static void
store_new(struct interp *in, const struct bundle *b, int field)
{
	struct store *s = store_of(in, b, field);

	s->layers = b->stack ? module_dim(in->m, b->stack)->size : 1;
	s->count = type_local_count(in->m, b->field[field].type);
	s->local = allocate((size_t)in->ranks, sizeof *s->local);
	for (int r = 0; r < in->ranks; r++)
		s->local[r] = allocate(s->layers * s->count, sizeof(double));
}

static void
image_store_new(struct interp *in, int number)
{
	const struct bundle *b = in->m->bundle[number];
	struct store *s = &in->image[number];

	s->layers = b->stack ? module_dim(in->m, b->stack)->size : 1;
	s->count = image_block(in->m, b, &b->flat);
	s->local = allocate((size_t)in->ranks, sizeof *s->local);
	for (int r = 0; r < in->ranks; r++)
		s->local[r] = allocate(s->layers * s->count, sizeof(double));
}

static void
set_coordinates(struct interp *in)
{
	for (int r = 0; r < in->ranks; r++)
		for (int i = in->m->naxis - 1, rest = r; i >= 0; i--) {
			int n = (int)in->m->axis[i].size;

			in->coord[r][i] = rest % n;
			rest /= n;
		}
}

struct interp *
interp_new(struct module *m, const struct interp_options *o)
{
	struct interp *in;

	in = allocate(1, sizeof *in);
	in->m = m;
	in->opt = *o;
	in->ranks = 1;
	for (int i = 0; i < m->naxis; i++)
		in->ranks *= (int)m->axis[i].size;
	in->coord = allocate((size_t)in->ranks, sizeof *in->coord);
	set_coordinates(in);
	in->store = allocate((size_t)m->nbundle, sizeof *in->store);
	in->image = allocate((size_t)m->nbundle, sizeof *in->image);
	for (int i = 0; i < m->nbundle; i++) {
		if (m->bundle[i]->flat.n) {
			image_store_new(in, i);
			continue;
		}
		in->store[i] = allocate((size_t)m->bundle[i]->nfield,
		    sizeof **in->store);
		for (int j = 0; j < m->bundle[i]->nfield; j++)
			store_new(in, m->bundle[i], j);
	}
	return in;
}

static void
free_saved(struct interp *in)
{
	for (struct saved *s = in->saved, *next; s; s = next) {
		next = s->next;
		for (int i = 0; i < s->save->nin; i++)
			tensor_unref(in, s->t[i]);
		free(s->t);
		free(s);
	}
}

void
interp_free(struct interp *in)
{
	if (!in)
		return;
	free_saved(in);
	for (int i = 0; i < in->m->nbundle; i++) {
		if (in->image[i].local)
			for (int r = 0; r < in->ranks; r++)
				free(in->image[i].local[r]);
		free(in->image[i].local);
		for (int j = 0; in->store[i] &&
		    j < in->m->bundle[i]->nfield; j++) {
			for (int r = 0; r < in->ranks; r++)
				free(in->store[i][j].local[r]);
			free(in->store[i][j].local);
		}
		free(in->store[i]);
	}
	free(in->store);
	free(in->image);
	free(in->coord);
	arena_free(&in->scratch);
	free(in);
}

void
interp_set_step(struct interp *in, int64_t step, double lr)
{
	in->opt.step = step;
	in->opt.lr = lr;
}

uint64_t
interp_count(const struct interp *in, const struct bundle *b, int field)
{
	uint64_t layers = b->flat.n ? image_of(in, b)->layers :
	    store_of(in, b, field)->layers;

	return layers * type_global_count(in->m, b->field[field].type);
}

/* Local arrays of one layer; free the list, not the arrays. */
static double **
layer_of(struct interp *in, const struct store *s, uint64_t layer)
{
	double **local = allocate((size_t)in->ranks, sizeof *local);

	for (int r = 0; r < in->ranks; r++)
		local[r] = s->local[r] + layer * s->count;
	return local;
}

/* The type of a stored field: of one layer, with the bundle's pending axes. */
static struct type
stored_type(const struct bundle *b, int field)
{
	struct type t = *b->field[field].type;

	t.pend = b->pend;
	return t;
}

void
interp_set(struct interp *in, const struct bundle *b, int field,
    const double *global)
{
	struct type t = stored_type(b, field);
	struct store *s;

	if (b->flat.n) {
		image_set(in, b, field, global);
		return;
	}
	s = store_of(in, b, field);
	for (uint64_t l = 0; l < s->layers; l++) {
		double **local = layer_of(in, s, l);

		tensor_scatter(in, &t, global + l *
		    type_global_count(in->m, &t), local);
		free(local);
	}
}

bool
interp_get(struct interp *in, const struct bundle *b, int field,
    double *global)
{
	struct type t = stored_type(b, field);
	bool ok = true;
	struct store *s;

	if (b->flat.n)
		return image_get(in, b, field, global);
	s = store_of(in, b, field);
	for (uint64_t l = 0; l < s->layers; l++) {
		double **local = layer_of(in, s, l);

		ok &= tensor_global(in, &t, NULL, local, global + l *
		    type_global_count(in->m, &t));
		free(local);
	}
	return ok;
}
