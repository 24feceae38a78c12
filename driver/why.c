#include "config.h"

#include "driver/why.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "plan/cost.h"
#include "plan/tell.h"

struct origin { /* the pass behind which an op was first there */
	const struct op *op;
	const char *pass;
};

struct why {
	struct module *m;
	struct machine x;
	const char *pass; /* that has just run */
	struct origin *origin;
	int n, cap;
	FILE *out;
	const struct func *func;
	const struct op *op; /* that is counted */
	double times;
	uint64_t total[2];
	uint64_t copied[2]; /* to the host, from it */
};

/* ---- who put it there ---- */

static const struct origin *
origin_of(const struct why *w, const struct op *op)
{
	for (int i = 0; i < w->n; i++)
		if (w->origin[i].op == op)
			return &w->origin[i];
	return NULL;
}

static void
see(struct op *op, void *arg)
{
	struct why *w = arg;

	if (!cost_has_lane(op) || origin_of(w, op))
		return;
	if (w->n == w->cap) {
		w->cap = 2 * w->cap + 64;
		w->origin = realloc(w->origin,
		    (size_t)w->cap * sizeof *w->origin);
		if (!w->origin)
			abort();
	}
	w->origin[w->n++] = (struct origin){op, w->pass};
}

static void
watch(struct module *m, const char *after, void *arg)
{
	struct why *w = arg;

	w->pass = after;
	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, see, w);
}

static const struct {
	const char *pass;
	enum opcode code;
	const char *reason;
} reasons[] = {
	{"partition", OP_A2A, "tokens for heads, or back"},
	{"partition", OP_GATHER, "what is cut over these axes is needed whole"},
	{"partition", OP_RSCATTER, "gradients of kv heads that ranks share"},
	{"partition", OP_ALLREDUCE, "an op needs the sum complete"},
	{"ring", OP_SHIFT, "blocks of attention go round"},
	{"zero", OP_GATHER, "a layer's parameters, which ranks share"},
	{"zero", OP_RSCATTER, "a layer's gradients, each rank's share"},
	{"zero", OP_ALLREDUCE, "an op needs the sum complete"},
	{"recompute", OP_OFFLOAD, "the host keeps it for backward"},
	{"recompute", OP_FETCH, "backward reads what the host keeps"},
	{"rotate", OP_FETCH, "what the host keeps, a layer early"},
	{"recompute", OP_A2A, "backward computes it again"},
	{"recompute", OP_GATHER, "backward computes it again"},
};

static const char *
reason_of(const char *pass, enum opcode code)
{
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].code == code &&
		    strcmp(reasons[i].pass, pass) == 0)
			return reasons[i].reason;
	return pass_find(pipeline, pass) ?
	    pass_find(pipeline, pass)->summary : "it was there";
}

/* ---- how often ---- */

struct count {
	struct why *w;
	const char *var[MAX_LOOPS + 1];
	int64_t val[MAX_LOOPS + 1];
	int nvar;
};

static double count_region(struct count *c, const struct region *r);

/* All microbatches but the first are alike. */
static double
count_loop(struct count *c, const struct op *op)
{
	int64_t lo = (int64_t)bound_eval(c->w->m, &op->lo);
	int64_t n = (int64_t)bound_eval(c->w->m, &op->hi) - lo;
	bool alike = op->hi.dim && strcmp(op->hi.dim, "mb") == 0 && n > 2;
	double times = 0;

	c->var[c->nvar++] = op->var;
	for (int64_t i = 0; i < (alike ? 2 : n); i++) {
		c->val[c->nvar - 1] = op->rev ? lo + n - 1 - i : lo + i;
		times += count_region(c, &op->body) *
		    (alike && i == 1 ? (double)n - 1 : 1);
	}
	c->nvar--;
	return times;
}

static double
count_call(struct count *c, const struct op *op)
{
	struct count in = {.w = c->w};

	if (op->callee->index && op->indexed) {
		in.var[0] = op->callee->index;
		in.val[0] = affine_eval(&op->index, c->var, c->val, c->nvar);
		in.nvar = 1;
	}
	return count_region(&in, &op->callee->body);
}

static double
count_region(struct count *c, const struct region *r)
{
	double times = 0;

	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];

		if (!cond_holds(c->w->m, &op->when, c->var, c->val, c->nvar))
			continue;
		if (op->code == OP_FOR)
			times += count_loop(c, op);
		else if (op->code == OP_CALL)
			times += count_call(c, op);
		else
			times += op == c->w->op;
	}
	return times;
}

static double
times_of(struct why *w, const struct op *op)
{
	struct count c = {.w = w};
	const struct func *step = module_func(w->m, "step");

	w->op = op;
	return step ? count_region(&c, &step->body) : 0;
}

/* ---- a line ---- */

/* PLACE: fn NAME: RESULT = OP on AXES */
static void
put_head(struct why *w, const struct op *op)
{
	struct buf b = {0};

	tell_place(&b, w->m, op);
	buf_printf(&b, ": fn %s: ", w->func->name);
	tell_op(&b, w->m, op);
	fputs(buf_text(&b), w->out);
	buf_free(&b);
}

static void
put_copy(struct why *w, const struct op *op, const struct origin *o)
{
	uint64_t bytes = cost_local_bytes(w->m, op);
	bool in = op->code == OP_FETCH;
	double times = times_of(w, op);

	w->copied[in] += (uint64_t)((double)bytes * times);
	put_head(w, op);
	fprintf(w->out, ": %" PRIu64 " bytes %s the host, %.0f times a step; "
	    "%s: %s\n", bytes, in ? "from" : "to", times, o ? o->pass : "read",
	    reason_of(o ? o->pass : "read", (enum opcode)op->code));
}

static void
put_op(struct op *op, void *arg)
{
	struct why *w = arg;
	const struct origin *o = origin_of(w, op);
	uint64_t n = cost_transfers(w->m, op);
	uint64_t bytes = cost_sent_bytes(w->m, op) / n;
	bool crosses = machine_crosses(w->m, &w->x, op);
	double times;

	if (cost_is_host_copy(op))
		put_copy(w, op, o);
	if (!cost_is_transfer(op))
		return;
	times = times_of(w, op) * (double)n;
	w->total[crosses] += (uint64_t)((double)bytes * times);
	put_head(w, op);
	fprintf(w->out, ": %" PRIu64 " bytes a rank, %.0f times a step, %s "
	    "machines; %s: %s\n", bytes, times,
	    crosses ? "between" : "within", o ? o->pass : "read",
	    reason_of(o ? o->pass : "read", (enum opcode)op->code));
}

enum pipeline_result
why_print(struct module *m, const struct pass *const *list, const char *stop,
    FILE *out)
{
	struct why w = {.m = m, .out = out, .x = machine_of(m)};
	struct pipeline_options po = {.stop = stop, .watch = watch, .arg = &w};
	enum pipeline_result result = pipeline_run(list, m, &po);

	for (int i = 0; result == PIPELINE_OK && i < m->nfunc; i++) {
		w.func = m->func[i];
		region_walk(&m->func[i]->body, put_op, &w);
	}
	if (result == PIPELINE_OK)
		fprintf(out, "a rank sends %" PRIu64 " bytes a step within a "
		    "machine of %" PRIu64 ", %" PRIu64 " between machines\n",
		    w.total[0], w.x.gpus, w.total[1]);
	if (result == PIPELINE_OK && w.copied[0] + w.copied[1] > 0)
		fprintf(out, "a rank copies %" PRIu64 " bytes a step to its "
		    "host, %" PRIu64 " from it\n", w.copied[0], w.copied[1]);
	free(w.origin);
	return result;
}
