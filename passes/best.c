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
 * Seconds are by the plan's figures (plan/machine.h) for GPUs, and where the
 * plan has figures of its own; else a CPU is at work, and they come from flops
 * and bytes by the rates of one desktop core, of which only the ratio matters.
 *
 * A plan that says how fast the link to the host is, plan.host, has a second
 * way: the host keeps a value.  Forward, a copy hides behind what its layer computes after
 * it has begun; backward, behind all of the layer before.  What does not fit
 * there is the price.  So early values go to the host until the link is full,
 * and others are dropped where that is cheaper.  The device still needs two
 * buffers for each, so there must be more than two layers; and where these are
 * what does not fit, values come back from the host, to be made again.
 *
 * The setting recompute.FUNC tells what is dropped or sent away and what that
 * frees and costs, recompute.memory what is needed then, recompute.rates by
 * which figures.
 */
#include "config.h"

#include <string.h>

#include "ir/flops.h"
#include "passes/pass.h"
#include "passes/recompute.h"
#include "passes/rewrite.h"
#include "plan/cost.h"

static const double FLOPS_F32 = 1.5e11, FLOPS_BF16 = 6e11, BYTES = 1e10;

enum { BUFFERS = 2 }; /* of a fetched value: at work, on its way */

struct choice {
	const char *func, *value;
	uint64_t bytes; /* freed, of all layers */
	bool host;      /* not made again: kept there */
	double seconds; /* that it costs in all layers, when it was chosen */
};

struct search {
	struct module *m;
	struct machine x;
	bool figures; /* seconds are by those of the plan */
	bool host;    /* there is one for the link to the host */
	struct choice *drop;
	int ndrop;
};

static const struct choice *
dropped(const struct search *s, const struct func *f, const struct value *v)
{
	for (int i = 0; i < s->ndrop; i++)
		if (strcmp(s->drop[i].func, f->name) == 0 &&
		    strcmp(s->drop[i].value, v->name) == 0)
			return &s->drop[i];
	return NULL;
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
	const struct choice *c = v->name ? dropped(arg, f, v) : NULL;

	return v->name && (!c || c->host) && was_loaded(f, v);
}

static bool
on_host(void *arg, const struct func *f, const struct value *v)
{
	const struct choice *c = v->name ? dropped(arg, f, v) : NULL;

	return c && c->host;
}

static void
apply(struct module *m, struct search *s)
{
	recompute_apply(m, keep_rest, s);
	recompute_offload(m, on_host, s);
}

/* ------------------------------------------------------------------- cost */

static double
op_seconds(const struct search *s, const struct op *op)
{
	const struct module *m = s->m;
	const struct type *t = op->nout ? op->out[0]->type : NULL;
	double rate = t && t->dtype == DT_BF16 ? FLOPS_BF16 : FLOPS_F32;
	double bytes = 0;

	if (s->figures)
		return cost_seconds(m, &s->x, op);
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

static double
copy_seconds(const struct search *s, const struct value *v)
{
	return s->x.latency + (double)type_local_bytes(s->m, v->type) /
	    s->x.host;
}

/* What the link is done with if it begins with v at `from`. */
static double
sent(const struct search *s, const struct func *f, const struct value *v,
    double from, double link)
{
	if (!v->type || !on_host((void *)s, f, v))
		return link;
	return (link > from ? link : from) + copy_seconds(s, v);
}

/* Forward a value is sent once it is made, and awaited at the layer's end. */
static double
late_forward(const struct search *s, const struct func *f)
{
	double now = 0, link = 0;

	for (int i = 0; i < f->nparam; i++)
		link = sent(s, f, f->param[i], now, link);
	for (int i = 0; i < f->body.n; i++) {
		const struct op *op = f->body.op[i];

		now += cost_is_transfer(op) ? 0 : op_seconds(s, op);
		for (int j = 0; j < op->nout; j++)
			link = sent(s, f, op->out[j], now, link);
	}
	return link > now ? link - now : 0;
}

/* Backward values come while the layer before is at work, which takes `more`
 * than what stands there. */
static double
late_backward(const struct search *s, const struct func *f, double more)
{
	const struct region *r = &f->twin->body;
	double link = 0, now = more;

	for (int i = 0; i < f->nvalue; i++)
		if (f->value[i]->type && on_host((void *)s, f, f->value[i]))
			link += copy_seconds(s, f->value[i]);
	for (int i = 0; i < r->n && link > 0; i++)
		now += cost_is_transfer(r->op[i]) ? 0 :
		    op_seconds(s, r->op[i]);
	return link > now ? link - now : 0;
}

static double
waiting(const struct search *s, const struct func *f, double more)
{
	return s->host ? late_forward(s, f) + late_backward(s, f, more) : 0;
}

/*
 * Seconds that making all dropped values of one layer again takes, and waiting
 * for others.  Uses follow definitions: one walk from the end finds every op
 * that must run.
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
			seconds += op_seconds(s, f->body.op[i]);
			want_operands(f->body.op[i], want);
		}
	arena_free(&mem);
	return seconds + waiting(s, f, seconds);
}

/* ------------------------------------------------------------ what to drop */

struct offer {
	struct choice choice;
	double value; /* bytes freed for each second added */
};

static void
consider(struct search *s, const struct func *f, const struct value *v,
    bool host, double before, struct offer *best)
{
	uint64_t layers = module_dim(s->m, f->index_dim)->size;
	struct choice c = {f->name, v->name, type_local_bytes(s->m, v->type) *
	    (host ? layers - BUFFERS : layers), host};
	double seconds;

	s->drop[s->ndrop++] = c;
	seconds = (price(s, f) - before) * (double)layers;
	s->ndrop--;
	c.seconds = seconds;
	if (seconds < 1e-12)
		seconds = 1e-12; /* made again already for another value */
	if ((double)c.bytes / seconds > best->value)
		*best = (struct offer){c, (double)c.bytes / seconds};
}

/* Of two ways that cost the same, the host's is the first. */
static void
consider_block(struct search *s, const struct func *f, struct offer *best)
{
	double before = price(s, f);
	bool host = s->host && module_dim(s->m, f->index_dim)->size > BUFFERS;

	for (int i = 0; i < f->nvalue; i++) {
		const struct value *v = f->value[i];

		if (!v->name || !v->type || !was_loaded(f, v) ||
		    dropped(s, f, v))
			continue;
		if (host && v->type->dtype != DT_I32)
			consider(s, f, v, true, before, best);
		if (v->def)
			consider(s, f, v, false, before, best);
	}
}

/* Of what the host keeps, the value whose buffers cost the least time to do
 * without: it is made again instead.  False: there is none. */
static bool
give_up_copy(struct search *s)
{
	struct choice *best = NULL, made = {0};
	double most = 0;

	for (int i = 0; i < s->ndrop; i++) {
		struct choice *c = &s->drop[i];
		const struct func *f = module_func(s->m, c->func);
		const struct value *v = func_find(f, c->value);
		uint64_t layers = module_dim(s->m, f->index_dim)->size;
		uint64_t bytes = type_local_bytes(s->m, v->type);
		double seconds;

		if (!c->host || !v->def)
			continue;
		seconds = -price(s, f);
		c->host = false;
		seconds = (seconds + price(s, f)) * (double)layers;
		c->host = true;
		if (seconds < 1e-12)
			seconds = 1e-12;
		if ((double)bytes / seconds <= most)
			continue;
		most = (double)bytes / seconds;
		made = (struct choice){c->func, c->value, bytes * layers, false,
			seconds};
		best = c;
	}
	if (best)
		*best = made;
	return best != NULL;
}

static uint64_t
bytes_needed(struct search *s)
{
	struct arena mem = {0};
	struct module *copy = module_clone(&mem, s->m);
	uint64_t total;

	apply(copy, s);
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

/* ---------------------------------------------------------------- telling */

static bool
is_searched(const struct func *f)
{
	return f->twin && f->index && twin_load(f->twin);
}

/* "drops a (64 MiB, 1.2 ms), h to the host (32 MiB, 0 ms); keeps x o z" */
static void
tell_block(const struct search *s, const struct func *f)
{
	const struct op *load = twin_load(f->twin);
	const char *text = "", *sep = "drops ";

	for (int i = 0; i < s->ndrop; i++) {
		const struct choice *c = &s->drop[i];

		if (strcmp(c->func, f->name) != 0)
			continue;
		text = arena_printf(s->m->mem, "%s%s%s%s (%.4g MiB, %.4g ms)",
		    text, sep, c->value, c->host ? " to the host" : "",
		    (double)c->bytes / (1 << 20), 1e3 * c->seconds);
		sep = ", ";
	}
	sep = *text ? "; keeps" : "keeps";
	for (int i = 0; load && i < load->nout; i++) {
		text = arena_printf(s->m->mem, "%s%s %s", text, sep,
		    load->out[i]->name);
		sep = "";
	}
	module_set_text(s->m, arena_printf(s->m->mem, "recompute.%s",
	    f->name), text, f->at);
}

/* Whose figure it is, for people who would set another. */
static const char *
figure(struct search *s, const char *name, double x)
{
	bool said = module_setting(s->m, arena_printf(s->m->mem, "plan.%s",
	    name));

	return arena_printf(s->m->mem, "%s %.4g%s", name, x,
	    said ? "" : " (assumed)");
}

static const char *
rates(struct search *s)
{
	struct arena *mem = s->m->mem;

	if (!s->figures)
		return arena_printf(mem, "those of one desktop core: flops %.4g "
		    "in f32 and %.4g in bf16, bandwidth %.4g (assumed; "
		    "plan.flops and plan.bandwidth set others)", FLOPS_F32,
		    FLOPS_BF16, BYTES);
	return arena_printf(mem, "%s, %s%s%s",
	    figure(s, "flops", s->x.flops),
	    figure(s, "bandwidth", s->x.bandwidth), s->host ? ", " : "",
	    s->host ? figure(s, "host", s->x.host) : "");
}

static void
tell(struct search *s, uint64_t bytes, uint64_t need)
{
	struct module *m = s->m;

	for (int i = 0; i < m->nfunc; i++)
		if (is_searched(m->func[i]))
			tell_block(s, m->func[i]);
	module_set_text(m, "recompute.memory", arena_printf(m->mem,
	    "%.6g of %.6g MiB", (double)need / (1 << 20),
	    (double)bytes / (1 << 20)), (struct span){0});
	module_set_text(m, "recompute.rates", rates(s), (struct span){0});
}

static bool
has_figures(const struct module *m)
{
	return module_setting(m, "target.gpu") ||
	    module_setting(m, "plan.flops") ||
	    module_setting(m, "plan.bandwidth") ||
	    module_setting(m, "plan.host");
}

void
recompute_best(struct module *m, uint64_t bytes)
{
	struct search s = {.m = m, .x = machine_of(m),
	    .figures = has_figures(m),
	    .host = module_setting(m, "plan.host") != NULL};
	uint64_t need;
	int n = 0;

	for (int i = 0; i < m->nfunc; i++)
		n += m->func[i]->nvalue;
	s.drop = NEW_N(m->mem, struct choice, (size_t)n + 1);
	while (bytes_needed(&s) > bytes) {
		struct offer best = {.value = 0};

		for (int i = 0; i < m->nfunc; i++)
			if (is_searched(m->func[i]))
				consider_block(&s, m->func[i], &best);
		if (best.value > 0)
			s.drop[s.ndrop++] = best.choice;
		else if (!give_up_copy(&s))
			break; /* nothing is left to drop: fit will say so */
	}
	take_back(&s, bytes);
	need = bytes_needed(&s);
	apply(m, &s);
	tell(&s, bytes, need);
}
