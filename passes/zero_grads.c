/*
 * Gradients that are cut over some axes are summed in full within a block,
 * which then keeps its share of the sum.
 *
 *   fn layer.bwd(l:L, dr) {               fn layer.bwd(l:L, dr) {
 *                                           g = local @GW : f32 +all
 *     @GW[l].w2 += dot a, dr                g.w2 = dot a, dr
 *     @GW[l].w1 += dot n, du                g.w1 = dot n, du
 *     @GW[l].w2 += dot c, dr                g.w2 += dot c, dr
 *                                           s = rscatter g on hp : f32 flat/(hp) +(dp)
 *                                           @GW[l] += accum s
 *
 * A block is the region that contains all writes to one layer: a function, or
 * the body of the loop over microbatches or of the loop that counts the layer.
 * The first write of a field is a store where it stands in the region itself
 * and stored once; a field first written inside of a loop, and one that the
 * block does not write, starts as zeros.
 */
#include "config.h"

#include "passes/rewrite.h"
#include "passes/zero.h"

#include <stdlib.h>
#include <string.h>

struct block { /* writes to one layer of one bundle */
	struct bundle *b;
	struct arg layer; /* @GW[l] or @GE */
	struct value *g;
	bool *stored; /* by field */
	int writes;   /* to the bundle, all layers; those done count, too */
};

struct search {
	struct zero *z;
	struct module *m;
	struct func *f;
	int from; /* ops of f before this one have no write any more */
	const struct bundle **written; /* in f, sorted, once for each write */
	int n, cap;
};

static bool
writes_shared(const struct op *op)
{
	return op->has_target && op->target.kind == ARG_BUNDLE_FIELD &&
	    op->target.b->role == ROLE_GRAD && op->target.b->flat.n;
}

static bool
same_affine(const struct affine *a, const struct affine *b)
{
	if (a->k != b->k || a->n != b->n || a->mod != b->mod)
		return false;
	for (int i = 0; i < a->n; i++)
		if (a->var[i] != b->var[i] || a->coef[i] != b->coef[i])
			return false;
	return true;
}

static bool
writes_block(const struct op *op, const struct block *k)
{
	return writes_shared(op) && op->target.b == k->b &&
	    op->target.indexed == k->layer.indexed &&
	    (!k->layer.indexed ||
	    same_affine(&op->target.index, &k->layer.index));
}

static bool
contains(const struct op *op, const struct block *k)
{
	if (writes_block(op, k))
		return true;
	for (int i = 0; i < op->body.n; i++)
		if (contains(op->body.op[i], k))
			return true;
	return false;
}

/* Writes to any layer of b. */
static int
count_writes(const struct op *op, const struct bundle *b)
{
	int n = writes_shared(op) && op->target.b == b;

	for (int i = 0; i < op->body.n; i++)
		n += count_writes(op->body.op[i], b);
	return n;
}

static int
begin_of(const struct search *s, const struct region *r)
{
	return r == &s->f->body ? s->from : 0;
}

/* No op of r from there on writes what the block does. */
static int
end_of(const struct search *s, const struct region *r, const struct block *k)
{
	int i = begin_of(s, r), n = 0;

	for (; i < r->n && n < k->writes; i++)
		n += count_writes(r->op[i], k->b);
	return i;
}

static bool
mentions(const struct arg *layer, const char *var)
{
	for (int i = 0; layer->indexed && i < layer->index.n; i++)
		if (layer->index.var[i] == var)
			return true;
	return false;
}

/* A loop that counts the layers, or contains one. */
static bool
binds(const struct op *op, const struct block *k)
{
	if (op->code != OP_FOR || !contains(op, k))
		return false;
	if (mentions(&k->layer, op->var))
		return true;
	for (int i = 0; i < op->body.n; i++)
		if (binds(op->body.op[i], k))
			return true;
	return false;
}

static bool
is_scope(const struct op *op, const struct block *k)
{
	return op->code == OP_FOR && (binds(op, k) ||
	    (op->hi.dim && strcmp(op->hi.dim, "mb") == 0));
}

/* --------------------------------------------------------------- one block */

static struct op *
zeros_into(struct search *s, const struct block *k, int field)
{
	struct op *op = op_make(s->m, OP_ZEROS, NULL, 0, 1, s->f->at);
	struct arg to = arg_field(k->g, field);

	op_result(s->m, s->f, op, 0, NULL, arg_type(s->m, &to));
	op->has_target = true;
	op->target = to;
	return op;
}

/* Writes in the region itself; the first to a field stores. */
static void
redirect(struct op *op, struct block *k)
{
	int field = op->target.field;

	op->target_add = op->target_add && k->stored[field];
	op->target = arg_field(k->g, field);
	k->stored[field] = true;
}

static void
mark_written(const struct op *op, const struct block *k, bool *written)
{
	if (writes_block(op, k))
		written[op->target.field] = true;
	for (int i = 0; i < op->body.n; i++)
		mark_written(op->body.op[i], k, written);
}

static void
redirect_inside(struct op *op, struct block *k)
{
	for (int i = 0; i < op->body.n; i++) {
		redirect_inside(op->body.op[i], k);
		if (writes_block(op->body.op[i], k))
			redirect(op->body.op[i], k);
	}
}

/* Fields that a loop writes first start as zeros; gives where to go on. */
static int
before_loop(struct search *s, struct region *r, int at, struct block *k)
{
	struct op *op = r->op[at];
	bool *written = NEW_N(s->m->mem, bool, (size_t)k->b->nfield);

	mark_written(op, k, written);
	for (int f = 0; f < k->b->nfield; f++)
		if (written[f] && !k->stored[f]) {
			region_insert(s->m, r, at++, zeros_into(s, k, f));
			k->stored[f] = true;
		}
	redirect_inside(op, k);
	return at;
}

static void
begin_block(struct search *s, struct region *r, int at, struct block *k)
{
	struct op *op = op_make(s->m, OP_LOCAL, (struct arg[]){
	    arg_bundle(k->b)}, 1, 1, r->op[at]->at);
	struct axis_list whole = {0};

	k->g = zero_result(s->m, s->f, op, "g", k->b, DT_F32, &whole,
	    k->b->pend | axis_list_set(&k->b->flat));
	k->stored = NEW_N(s->m->mem, bool, (size_t)k->b->nfield);
	region_insert(s->m, r, at, op);
}

/* Behind the last write: what the block never wrote, and the sum goes home. */
static void
end_block(struct search *s, struct region *r, int at, struct block *k)
{
	struct op *scatter = zero_move(s->m, OP_RSCATTER, arg_value(k->g),
	    &k->b->flat, s->f->at), *accum;
	struct value *sum = zero_result(s->m, s->f, scatter, "gs", k->b,
	    DT_F32, &k->b->flat, k->b->pend);

	for (int f = 0; f < k->b->nfield; f++)
		if (!k->stored[f])
			region_insert(s->m, r, at++, zeros_into(s, k, f));
	region_insert(s->m, r, at++, scatter);
	accum = op_make(s->m, OP_ACCUM, (struct arg[]){arg_value(sum)}, 1, 1,
	    s->f->at);
	zero_into(s->m, s->f, accum, k->layer);
	accum->target_add = true;
	region_insert(s->m, r, at, accum);
}

/* The loss head's gradient is stored right behind it: both or neither. */
static int
before_head(const struct region *r, int at)
{
	const struct op *op = r->op[at], *head = at ? r->op[at - 1] : NULL;

	return op->code == OP_ACCUM && head &&
	    head->code == OP_XENT_DOT_BWD && op->in[0].v == head->out[2] ?
	    at - 1 : at;
}

/* Region r is a block of k: local before its first write, home at the end. */
static void
make_block(struct search *s, struct region *r, struct block *k)
{
	int last = -1, behind = r->n - end_of(s, r, k);

	for (int i = begin_of(s, r); i < r->n - behind; i++) {
		struct op *op = r->op[i];

		if (!contains(op, k))
			continue;
		if (!k->g)
			begin_block(s, r, before_head(r, i++), k);
		if (writes_block(op, k))
			redirect(op, k);
		else
			i = before_loop(s, r, i, k);
		last = i;
	}
	end_block(s, r, last + 1, k);
}

/* ------------------------------------------------------------------ search */

/* The region with all writes: into a scope if it has them alone. */
static void
place_block(struct search *s, struct region *r, struct block *k)
{
	struct op *only = NULL;
	int n = 0, from = begin_of(s, r), end = end_of(s, r, k);

	for (int i = from; i < end; i++)
		if (contains(r->op[i], k)) {
			only = r->op[i];
			n++;
		}
	if (n == 0)
		return;
	if (n == 1 && is_scope(only, k)) {
		place_block(s, &only->body, k);
		return;
	}
	for (int i = end - 1; i >= from && n > 1; i--)
		if (binds(r->op[i], k)) {
			/* another loop may count with the same name */
			struct block own = {.b = k->b, .layer = k->layer,
			    .writes = k->writes};

			place_block(s, &r->op[i]->body, &own);
			place_block(s, r, k);
			return;
		}
	make_block(s, r, k);
}

static const struct op *
find_write(const struct op *op)
{
	const struct op *found = writes_shared(op) ? op : NULL;

	for (int i = 0; i < op->body.n && !found; i++)
		found = find_write(op->body.op[i]);
	return found;
}

static const struct op *
next_write(struct search *s)
{
	const struct op *op = NULL;

	for (; s->from < s->f->body.n; s->from++)
		if ((op = find_write(s->f->body.op[s->from])))
			return op;
	return NULL;
}

static void
see_write(struct op *op, void *arg)
{
	struct search *s = arg;
	const struct bundle **old = s->written;

	if (!writes_shared(op))
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->written = NEW_N(s->m->mem, const struct bundle *,
		    (size_t)s->cap);
		for (int i = 0; i < s->n; i++)
			s->written[i] = old[i];
	}
	s->written[s->n++] = op->target.b;
}

static int
by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)*(const struct bundle *const *)a;
	uintptr_t y = (uintptr_t)*(const struct bundle *const *)b;

	return x < y ? -1 : x > y;
}

static int
writes_of(const struct search *s, const struct bundle *b)
{
	int lo = 0, hi = s->n, n = 0;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;

		if ((uintptr_t)s->written[mid] < (uintptr_t)b)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo + n < s->n && s->written[lo + n] == b)
		n++;
	return n;
}

static void
cut_writes(struct search *s)
{
	const struct op *op;

	region_walk(&s->f->body, see_write, s);
	if (s->n)
		qsort(s->written, (size_t)s->n, sizeof *s->written,
		    by_address);
	while ((op = next_write(s))) {
		struct block k = {.b = op->target.b, .layer = op->target};

		k.writes = writes_of(s, k.b);
		k.layer.kind = ARG_BUNDLE;
		k.layer.field = 0;
		place_block(s, &s->f->body, &k);
	}
}

void
zero_grads(struct zero *z)
{
	for (int i = 0; i < z->m->nfunc; i++) {
		struct search s = {.z = z, .m = z->m, .f = z->m->func[i]};

		cut_writes(&s);
	}
}
