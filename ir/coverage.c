/*
 * Coverage of attention in steps.
 *
 * The steps of one attention are found by following accumulators back to where
 * they start; then the loops below that place are run through, and each step
 * says which queries of which rank meet which keys.
 *
 * Rings move blocks by skewed coordinates, the same on every rank.  If q and k
 * are cut alike, a step is one distance between their coordinates, and n ranks
 * are covered if n steps have all n distances: linear in the steps.  Only what
 * that does not settle (windows, halos, mistakes) is enumerated by rank.
 */
#include "config.h"

#include "ir/coverage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ir/coverage_pairs.h"
#include "ir/rules.h"

enum { NESTING = 16, TRIPS = 1 << 20 };

struct site {
	struct op *op;
	struct op *loop[NESTING]; /* around it, outermost first */
	int nloop;
	int group; /* first site of its attention */
};

struct walk {
	struct module *m;
	struct func *f;
	struct op *loop[NESTING];
	int nloop;
	struct site *site;
	int nsite, cap;
	/* By value: loops around its definition; the loop it is carried by. */
	uint8_t *depth;
	struct op **carrier;
};

/* ------------------------------------------------------------ the chains */

static void
note(struct walk *w, struct op *op)
{
	for (int i = 0; i < op->nout; i++)
		w->depth[op->out[i]->id] = (uint8_t)w->nloop;
	if (op->code != OP_ATTN_STEP && op->code != OP_ATTN_STEP_BWD)
		return;
	if (w->nsite == w->cap) {
		struct site *s = NEW_N(w->m->mem, struct site,
		    (size_t)w->cap * 2 + 8);

		if (w->nsite)
			memcpy(s, w->site, sizeof *s * (size_t)w->nsite);
		w->site = s;
		w->cap = w->cap * 2 + 8;
	}
	w->site[w->nsite] = (struct site){.op = op, .nloop = w->nloop,
	    .group = w->nsite};
	memcpy(w->site[w->nsite++].loop, w->loop, sizeof w->loop);
}

static void
find_sites(struct walk *w, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		note(w, op);
		if (op->code != OP_FOR || w->nloop == NESTING)
			continue;
		w->loop[w->nloop++] = op;
		for (int c = 0; c < op->nin; c++) {
			w->depth[op->carry[c]->id] = (uint8_t)w->nloop;
			w->carrier[op->carry[c]->id] = op;
		}
		find_sites(w, &op->body);
		w->nloop--;
	}
}

static int
index_of(struct value *const *list, int n, const struct value *v)
{
	for (int i = 0; i < n; i++)
		if (list[i] == v)
			return i;
	return -1;
}

/* One link back along the accumulator v; NULL where it starts. */
static const struct value *
before(const struct walk *w, const struct value *v)
{
	const struct op *loop = w->carrier[v->id], *op = v->def;
	int i;

	if (loop)
		return loop->in[index_of(loop->carry, loop->nin, v)].v;
	if (!op)
		return NULL;
	i = index_of(op->out, op->nout, v);
	switch (op->code) {
	case OP_FOR:
	case OP_SHIFT:
	case OP_WAIT:
		return op->in[i].v;
	case OP_ATTN_STEP:
	case OP_ATTN_STEP_BWD:
		return op->in[op->nin - op->into + i].v;
	default:
		return NULL;
	}
}

/* NULL: somewhere in a bundle. */
static const struct value *
start_of(const struct walk *w, const struct value *v)
{
	const struct value *b;

	while (v && (b = before(w, v)))
		v = b;
	return v;
}

static const struct value *
chain(const struct walk *w, const struct site *s, int acc)
{
	return start_of(w, s->op->in[s->op->nin - s->op->into + acc].v);
}

static bool
share_chain(const struct walk *w, const struct site *a, const struct site *b)
{
	if (a->op->code != b->op->code)
		return false;
	for (int i = 0; i < a->op->into; i++)
		if (chain(w, a, i) && chain(w, a, i) == chain(w, b, i))
			return true;
	return false;
}

static void
join(struct walk *w, int a, int b)
{
	for (int i = 0; i < w->nsite; i++)
		if (w->site[i].group == b)
			w->site[i].group = a;
}

static void
find_groups(struct walk *w)
{
	for (int i = 0; i < w->nsite; i++)
		for (int j = 0; j < i; j++)
			if (w->site[i].group != w->site[j].group &&
			    share_chain(w, &w->site[i], &w->site[j]))
				join(w, w->site[j].group, w->site[i].group);
}

/* Loops around the outermost start of a group: they repeat it as a whole. */
static int
group_depth(const struct walk *w, int group)
{
	int depth = NESTING;

	for (int i = 0; i < w->nsite; i++)
		for (int a = 0; w->site[i].group == group &&
		    a < w->site[i].op->into; a++) {
			const struct value *v = chain(w, &w->site[i], a);
			int d = v ? w->depth[v->id] : 0;

			depth = d < depth ? d : depth;
		}
	return depth;
}

/* ------------------------------------------------------------ the steps */

static bool
happens(const struct module *m, const struct site *s, const int64_t *at)
{
	const char *var[NESTING];

	for (int i = 0; i < s->nloop; i++)
		var[i] = s->loop[i]->var;
	return cond_holds(m, &s->op->when, var, at, s->nloop);
}

/* Runs through the loops of s from depth on; false if there are more trips
 * than a ring of any size has. */
static bool
visit(struct pairs *p, struct module *m, const struct site *s, int depth,
    int64_t *at)
{
	int64_t lo, hi;

	if (p->trips++ == TRIPS)
		return false;
	if (depth == s->nloop) {
		int q = s->op->code == OP_ATTN_STEP_BWD;

		if (happens(m, s, at))
			pairs_add(p, arg_type(m, &s->op->in[q]),
			    arg_type(m, &s->op->in[q + 1]), at);
		return p->n <= pairs_most(p);
	}
	lo = (int64_t)bound_eval(m, &s->loop[depth]->lo);
	hi = (int64_t)bound_eval(m, &s->loop[depth]->hi);
	for (at[depth] = lo; at[depth] < hi; at[depth]++)
		if (!visit(p, m, s, depth + 1, at))
			return false;
	return true;
}

static bool
collect(const struct walk *w, int group, struct pairs *p)
{
	int depth = group_depth(w, group);
	bool ok = true;

	for (int i = 0; i < w->nsite; i++) {
		const struct site *s = &w->site[i];
		int64_t at[NESTING] = {0};

		if (s->group != group)
			continue;
		for (int d = 0; d < depth && d < s->nloop; d++)
			at[d] = (int64_t)bound_eval(w->m, &s->loop[d]->lo);
		ok = ok && visit(p, w->m, s, depth < s->nloop ? depth :
		    s->nloop, at);
	}
	return ok;
}

static bool
report(const struct walk *w, const struct op *op, const struct hole *h)
{
	diag_error(w->m->diag, op->at, "fn %s: %s: queries %" PRIu64
	    " to %" PRIu64 " %s keys %" PRIu64 " to %" PRIu64 "%s", w->f->name,
	    op_info[op->code].name, h->q.start, h->q.start + h->q.len - 1,
	    h->times ? "meet" : "never meet", h->k.start,
	    h->k.start + h->k.len - 1, h->times ? " more than once" : "");
	return false;
}

static bool
check_group(const struct walk *w, int group)
{
	struct op *op = w->site[group].op;
	struct pairs p = {.m = w->m,
	    .mask = (int)op_int(op, ATTR_MASK),
	    .window = (uint64_t)op_int(op, ATTR_WINDOW)};
	struct hole h;
	bool ok;

	if (!collect(w, group, &p)) {
		pairs_free(&p);
		diag_error(w->m->diag, op->at, "fn %s: %s: more "
		    "steps than any ring of these ranks has", w->f->name, op_info[op->code].name);
		return false;
	}
	ok = pairs_complete(&p, &h) || report(w, op, &h);
	pairs_free(&p);
	return ok;
}

static int
check_func(struct module *m, struct func *f)
{
	struct walk w = {.m = m, .f = f};
	int errors = 0;

	w.depth = NEW_N(m->mem, uint8_t, (size_t)f->nvalue + 1);
	w.carrier = NEW_N(m->mem, struct op *, (size_t)f->nvalue + 1);
	find_sites(&w, &f->body);
	find_groups(&w);
	for (int i = 0; i < w.nsite; i++)
		errors += w.site[i].group == i && !check_group(&w, i);
	return errors;
}

int
coverage_check(struct module *m)
{
	int errors = 0;

	for (int i = 0; i < m->nfunc; i++)
		errors += check_func(m, m->func[i]);
	return errors;
}
