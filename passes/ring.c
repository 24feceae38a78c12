/*
 * ring: attention over keys that other ranks hold becomes one loop, or two
 * nested ones, of steps on one block of keys at a time.
 *
 *   before   o, z = attn q, k, v on co,ci
 *   after    for j=0..co { shift over co; for i=0..ci { shift; attn.step } }
 *
 * passes/ring_emit.c shows the loops.  Backward either keys and values travel
 * with their gradients, or queries do with theirs: whichever is sooner done by the
 * figures of the plan (passes/ring_time.c), unless plan.ring says kv or q.  The
 * setting ring.FUNC tells what was decided, the bytes that a rank sends and the
 * time it takes either way.
 *
 * Ranks that share the heads of a group have a share of dk and dv each.  Those
 * are added in f32, so attn.bwd that leaves shares becomes steps too, if only
 * one, and a cast to bf16 and back disappears.
 *
 * needs: attn over at most two axes.  keeps: o, z, dq, dk, dv.  leaves: no
 * attn or attn.bwd over axes.
 */
#include "config.h"

#include "passes/pass.h"
#include "passes/rewrite.h"
#include "passes/ring.h"

#include <inttypes.h>
#include <string.h>

static bool
is_ring(const struct op *op)
{
	return (op->code == OP_ATTN || op->code == OP_ATTN_BWD) && op->nhop;
}

/* Shares of dk and dv that are still to be added up, in less than f32. */
static bool
is_share(const struct op *op)
{
	return op->code == OP_ATTN_BWD && op->out[1]->type->pend &&
	    op->out[1]->type->dtype != DT_F32;
}

/* Backward with queries that travel? */
static bool
queries_travel(const struct ring *r, const struct ring_price *p)
{
	const char *want = module_text(r->m, "plan.ring", "auto");

	if (!r->backward || strcmp(want, "kv") == 0)
		return false;
	if (strcmp(want, "q") == 0 || p->q_seconds < p->kv_seconds)
		return true;
	return p->q_seconds == p->kv_seconds && p->q < p->kv;
}

/* What was decided, and what a rank sends: ring.FUNC, one item for each. */
static void
record(struct ring *r, bool queries, const struct ring_price *p)
{
	struct module *m = r->m;
	char *key = arena_printf(m->mem, "ring.%s", r->f->name);
	const char *old = module_text(m, key, NULL);
	char *item = r->backward
	    ? arena_printf(m->mem, "%s travel: kv %" PRIu64 " bytes %.4g us, "
	    "q %" PRIu64 " bytes %.4g us", queries ? "q" : "kv", p->kv,
	    1e6 * p->kv_seconds, p->q, 1e6 * p->q_seconds)
	    : arena_printf(m->mem, "kv travel: %" PRIu64 " bytes", p->kv);

	module_set_text(m, key, old ? arena_printf(m->mem, "%s; %s", old,
	    item) : item, r->op->at);
}

static bool
lower(struct module *m, struct func *f, struct op *op, int depth,
    struct region *out)
{
	struct ring_price price;
	struct ring ring;
	bool queries;

	if (!ring_plan(&ring, m, f, op, depth))
		return false;
	price = ring_price(&ring);
	queries = queries_travel(&ring, &price);
	ring_choose(&ring, queries);
	if (op->nhop)
		record(&ring, queries, &price);
	ring_emit(&ring, out);
	return true;
}

/* Builds r anew: where attention was are the loops that stand for it. */
static bool
lower_region(struct module *m, struct func *f, struct region *r, int depth)
{
	struct region out = {0};
	bool ok = true;

	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		if (is_ring(op) || is_share(op)) {
			ok &= lower(m, f, op, depth, &out);
			continue; /* after an error nobody looks at r */
		}
		ok &= lower_region(m, f, &op->body, depth +
		    (op->code == OP_FOR));
		region_append(m, &out, op);
	}
	*r = out;
	return ok;
}

struct shares {
	struct value **of; /* by id: the value to be read instead, or NULL */
	int n;
};

static struct value *
instead(const struct shares *s, struct value *v)
{
	return v && s->of[v->id] ? s->of[v->id] : v;
}

/* The f32 value that y = cast x : f32 was rounded from, if it is a share. */
static struct value *
unrounded(const struct shares *s, const struct op *op)
{
	const struct value *x = op->code == OP_CAST ? op->in[0].v : NULL;
	struct value *w;

	if (!x || !op->out[0]->type->pend || !x->def ||
	    x->def->code != OP_CAST)
		return NULL;
	w = instead(s, x->def->in[0].v);
	return w && w->type == op->out[0]->type ? w : NULL;
}

static void
find_share(struct op *op, void *arg)
{
	struct shares *s = arg;
	struct value *w = unrounded(s, op);

	if (w) {
		s->of[op->out[0]->id] = w;
		s->n++;
	}
}

static void
read_share(struct op *op, void *arg)
{
	for (int i = 0; i < op->nin; i++)
		op->in[i].v = instead(arg, op->in[i].v);
}

static void
keep_shares(struct module *m, struct func *f)
{
	struct shares s = {NEW_N(m->mem, struct value *,
	    (size_t)f->nvalue + 1), 0};

	region_walk(&f->body, find_share, &s);
	if (!s.n)
		return;
	region_walk(&f->body, read_share, &s);
	remove_dead(f);
}

static int
ring(struct module *m)
{
	int errors = 0;

	for (int i = 0; i < m->nfunc; i++) {
		struct func *f = m->func[i];

		errors += !lower_region(m, f, &f->body, 0);
		keep_shares(m, f);
	}
	if (m->stage == 'b' && !errors)
		m->stage = 'c';
	return errors;
}

const struct pass pass_ring = {
	.name = "ring",
	.summary = "attention over context ranks becomes rings of blocks",
	.run = ring,
};
