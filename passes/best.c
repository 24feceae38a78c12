/*
 * recompute = best: as little is made again as fits plan.memory.
 *
 * Start by keeping everything.  While the program needs too much memory, drop
 * the value that frees the most bytes for each second its making adds, and
 * plan again: what dropping saves is what fuse and memory find, not a guess.
 *
 *	value   bytes, 32 layers   seconds to make again
 *	a       b s f              swiglu            drops first
 *	h, n    b s e              rmsnorm
 *	u, t    b s f              dot n, w
 *	o, z    b s k g d          attn              drops last
 *
 * Seconds come from flops and bytes by the rates of one desktop core; only
 * their ratios matter.
 */
#include "config.h"

#include <string.h>

#include "ir/flops.h"
#include "passes/pass.h"
#include "passes/recompute.h"
#include "passes/rewrite.h"

static const double FLOPS_F32 = 1.5e11, FLOPS_BF16 = 6e11, BYTES = 1e10;

struct choice {
	const char *func, *value;
	uint64_t bytes; /* of all layers */
};

struct search {
	struct module *m;
	struct choice *drop;
	int ndrop;
};

static bool
dropped(const struct search *s, const struct func *f, const struct value *v)
{
	for (int i = 0; i < s->ndrop; i++)
		if (strcmp(s->drop[i].func, f->name) == 0 &&
		    strcmp(s->drop[i].value, v->name) == 0)
			return true;
	return false;
}

static bool
was_loaded(const struct func *f, const struct value *v)
{
	const struct op *load = twin_load(f->twin);

	for (int i = 0; load && i < load->nout; i++)
		if (strcmp(load->out[i]->name, v->name) == 0)
			return true;
	return false;
}

static bool
keep_rest(void *arg, const struct func *f, const struct value *v)
{
	return v->name && !dropped(arg, f, v) && was_loaded(f, v);
}

/* ------------------------------------------------------------------- cost */

static double
op_seconds(const struct module *m, const struct op *op)
{
	const struct type *t = op->nout ? op->out[0]->type : NULL;
	double rate = t && t->dtype == DT_BF16 ? FLOPS_BF16 : FLOPS_F32;
	double bytes = 0;

	for (int i = 0; i < op->nin; i++)
		if (op->in[i].kind == ARG_VALUE && op->in[i].v->type)
			bytes += (double)type_local_bytes(m,
			    op->in[i].v->type);
	for (int i = 0; i < op->nout; i++)
		if (op->out[i]->type)
			bytes += (double)type_local_bytes(m,
			    op->out[i]->type);
	return op_flops(m, op) / rate + bytes / BYTES;
}

static bool
is_made(const struct search *s, const struct func *f, const struct op *op,
    const bool *want)
{
	for (int i = 0; i < op->nout; i++)
		if (want[op->out[i]->id] && !keep_rest((void *)s, f,
		    op->out[i]))
			return op->code != OP_PARAMS;
	return false;
}

/*
 * Seconds that making all dropped values of one layer again takes.  Uses
 * follow definitions: one walk from the end finds every op that must run.
 */
static double
price(const struct search *s, const struct func *f)
{
	struct arena mem = {0};
	bool *want = NEW_N(&mem, bool, (size_t)f->nvalue + 1);
	const struct op *load = twin_load(f->twin);
	double seconds = 0;

	for (int i = 0; load && i < load->nout; i++) {
		const struct value *v = func_find(f, load->out[i]->name);

		if (v)
			want[v->id] = true;
	}
	for (int i = f->body.n - 1; i >= 0; i--)
		if (is_made(s, f, f->body.op[i], want)) {
			seconds += op_seconds(s->m, f->body.op[i]);
			want_operands(f->body.op[i], want);
		}
	arena_free(&mem);
	return seconds;
}

/* ------------------------------------------------------------ what to drop */

struct offer {
	struct choice choice;
	double value; /* bytes freed for each second added */
};

static void
consider(struct search *s, const struct func *f, const struct value *v,
    double before, struct offer *best)
{
	struct choice c = {f->name, v->name, type_local_bytes(s->m, v->type) *
	    module_dim(s->m, f->index_dim)->size};
	double layers = (double)module_dim(s->m, f->index_dim)->size, seconds;

	s->drop[s->ndrop++] = c;
	seconds = (price(s, f) - before) * layers;
	s->ndrop--;
	if (seconds < 1e-12)
		seconds = 1e-12; /* made again already for another value */
	if ((double)c.bytes / seconds > best->value)
		*best = (struct offer){c, (double)c.bytes / seconds};
}

static void
consider_block(struct search *s, const struct func *f, struct offer *best)
{
	double before = price(s, f);

	for (int i = 0; i < f->nvalue; i++) {
		const struct value *v = f->value[i];

		if (v->name && v->def && v->type && was_loaded(f, v) &&
		    !dropped(s, f, v))
			consider(s, f, v, before, best);
	}
}

static uint64_t
bytes_needed(struct search *s)
{
	struct arena mem = {0};
	struct module *copy = module_clone(&mem, s->m);
	uint64_t total;

	recompute_apply(copy, keep_rest, s);
	module_compact(copy);
	total = memory_need(copy).total;
	arena_free(&mem);
	return total;
}

/* The last steps freed more than was needed: keep again what still fits. */
static void
take_back(struct search *s, uint64_t bytes)
{
	for (int i = s->ndrop - 1; i >= 0; i--) {
		struct choice c = s->drop[i];

		s->drop[i] = s->drop[s->ndrop - 1];
		s->ndrop--;
		if (bytes_needed(s) <= bytes)
			continue;
		s->drop[s->ndrop++] = s->drop[i];
		s->drop[i] = c;
	}
}

void
recompute_best(struct module *m, uint64_t bytes)
{
	struct search s = {.m = m};
	int n = 0;

	for (int i = 0; i < m->nfunc; i++)
		n += m->func[i]->nvalue;
	s.drop = NEW_N(m->mem, struct choice, (size_t)n + 1);
	while (bytes_needed(&s) > bytes) {
		struct offer best = {.value = 0};

		for (int i = 0; i < m->nfunc; i++)
			if (m->func[i]->twin && m->func[i]->index &&
			    twin_load(m->func[i]->twin))
				consider_block(&s, m->func[i], &best);
		if (best.value == 0)
			break; /* nothing is left to drop: fit will say so */
		s.drop[s.ndrop++] = best.choice;
	}
	take_back(&s, bytes);
	recompute_apply(m, keep_rest, &s);
}
