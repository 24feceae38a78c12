#include "config.h"

#include "driver/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/scale.h"
#include "support/rng.h"
#include "support/size.h"

static uint64_t
size_or_one(const struct module *m, const char *dim)
{
	const struct dimdef *d = module_dim(m, dim);

	return d ? d->size : 1;
}

static bool
fail(struct module *m, const char *why)
{
	diag_error(m->diag, (struct span){0}, "%s", why);
	return false;
}

static bool
count_elements(struct batch *x, const struct module *m)
{
	uint64_t all;

	return size_mul(size_or_one(m, "b"), size_or_one(m, "s"), &x->micro) &&
	       size_mul(x->micro, size_or_one(m, "mb"), &x->count) &&
	       size_mul(x->count, 3 * sizeof(double), &all) &&
	       all < UINT64_C(1) << 32;
}

/* Mostly a fixed permutation of tokens, now and then a jump. */
static uint64_t
next_token(const struct batch *x, uint64_t seed, uint64_t token, uint64_t i)
{
	uint64_t r = lt_rng_u64(seed, 1, i);

	return r % 8 == 0 ? (r >> 8) % x->vocab : (token * 3 + 1) % x->vocab;
}

static void
fill_sequence(
    struct batch *x, uint64_t seed, uint64_t start, uint64_t s, double ignore)
{
	uint64_t token = lt_rng_u64(seed, 2, start) % x->vocab;
	uint64_t cut = start + s / 2 + lt_rng_u64(seed, 3, start) % 2;

	for (uint64_t i = start; i < start + s; i++) {
		x->tok[i] = (double)token;
		token = next_token(x, seed, token, i);
		x->lab[i] = i % 5 == 3 ? ignore : (double)token;
		x->doc[i] = i >= cut;
	}
}

/*
 * On a mesh the first rank has no label that counts: where the batch is cut it
 * has the first sequences, and of each, in blocks or in zigzag, no more than a
 * first and a last piece.
 */
static void
ignore_first_rank(struct batch *x, const struct module *m, double ignore)
{
	uint64_t b = size_or_one(m, "b"), s = size_or_one(m, "s");
	uint64_t dp = 1, sp = 1, n;

	for (int i = 0; i < m->naxis; i++)
		*(strncmp(m->axis[i].name, "dp", 2) == 0 ? &dp : &sp) *=
		    m->axis[i].size;
	if (dp * sp == 1)
		return;
	n = sp > 1 ? (s + sp - 1) / sp : s;
	for (uint64_t i = 0; i < x->count; i++)
		if (i / s % b < b / dp && (i % s < n || i % s >= s - n / 2))
			x->lab[i] = ignore;
}

struct ignored {
	double label;
};

static void
find_ignored(struct op *op, void *arg)
{
	if (op->code == OP_XENT || op->code == OP_XENT_DOT ||
	    op->code == OP_XENT_DOT_BWD || op->code == OP_LABELS)
		((struct ignored *)arg)->label =
		    (double)op_int(op, ATTR_IGNORE);
}

bool
batch_make(struct batch *x, struct module *m, uint64_t seed)
{
	struct ignored ignored = {-100};
	uint64_t s = size_or_one(m, "s");

	*x = (struct batch){.vocab = scale_vocab(m)};
	if (!module_dim(m, "b") || !module_dim(m, "s"))
		return fail(m, "no dimensions b and s: there is no batch to "
			       "make up");
	if (!x->vocab)
		return fail(m, "nothing says how many tokens there are");
	if (!count_elements(x, m))
		return fail(m, "the batch is too large for the interpreter");
	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, find_ignored, &ignored);
	x->tok = NEW_N(m->mem, double, x->count);
	x->lab = NEW_N(m->mem, double, x->count);
	x->doc = NEW_N(m->mem, double, x->count);
	x->at = s - 1 - s / 4;
	for (uint64_t i = 0; i < x->count; i += s)
		fill_sequence(x, seed, i, s, ignored.label);
	ignore_first_rank(x, m, ignored.label);
	return true;
}

const double *const *
batch_args(const struct batch *x, struct module *m, const struct func *f)
{
	const double **arg =
	    NEW_N(m->mem, const double *, (size_t)f->nparam + 1);
	double *at = NEW(m->mem, double);

	*at = (double)x->at;
	for (int i = 0; i < f->nparam; i++) {
		const char *name = f->param[i]->name;

		arg[i] = strcmp(name, "lab") == 0   ? x->lab
			 : strcmp(name, "doc") == 0 ? x->doc
			 : strcmp(name, "at") == 0  ? at
						    : x->tok;
	}
	return arg;
}

/* From -0.3 to 0.3, but not near 0, where norms of few elements bend. */
static double
away(double unit)
{
	double x = 0.5 * (unit - 0.5);

	return x < 0 ? x - 0.05 : x + 0.05;
}

void
batch_parameter(const struct bundle *b, int i, uint64_t n, double *out)
{
	const struct field *f = &b->field[i];
	/* named as in checkpoints: a pass may put fields into other bundles */
	uint64_t stream = lt_fnv1a64(b->path ? b->path : b->name) ^
	    lt_mix64(lt_fnv1a64(f->name));
	double mean = f->init.kind == INIT_ONES ? 1 : 0;

	for (uint64_t j = 0; j < n; j++)
		out[j] = (float)(mean + away(lt_rng_uniform(7, stream, j)));
}

void
batch_set_parameters(struct module *m, struct interp *in)
{
	for (int i = 0; i < m->nbundle; i++) {
		const struct bundle *b = m->bundle[i];

		for (int j = 0; b->role == ROLE_PARAM && j < b->nfield; j++) {
			uint64_t n = interp_count(in, b, j);
			double *x = calloc(n + 1, sizeof *x);

			if (!x)
				abort();
			batch_parameter(b, j, n, x);
			interp_set(in, b, j, x);
			free(x);
		}
	}
	interp_refresh(in);
}
