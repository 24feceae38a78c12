#include "config.h"

#include "plan/timeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/cost.h"
#include "plan/stalls.h"

enum { WIDTH = 72 };

struct span_of { /* of one lane, while the function that is shown runs */
	uint8_t lane;
	char mark; /* # compute, A attention, = transfer, . stall */
	double from, to;
};

struct timeline {
	struct module *m;
	struct machine x;
	double now, lane[LANE_COUNT]; /* when each is free */
	double busy[LANE_COUNT];
	struct stalls stalls;
	const struct func *show; /* what is recorded, if it runs in layer `at` */
	int64_t at;
	bool recording, shown;
	double from, to;
	struct stalls shown_stalls;
	struct span_of *span; /* before it runs: what may still be in flight */
	int n, cap;
};

struct arrival {
	double at;
	struct sent by; /* what brings it */
};

struct frame { /* arrivals by value id: futures only */
	struct timeline *t;
	const struct func *f;
	struct arrival *arrives;
	const char *var[MAX_LOOPS + 1];
	int64_t val[MAX_LOOPS + 1];
	int nvar;
};

/* Spans that are over when the function begins are not part of it. */
static void
forget_past(struct timeline *t)
{
	int n = 0;

	for (int i = 0; i < t->n; i++)
		if (t->span[i].to > t->now)
			t->span[n++] = t->span[i];
	t->n = n;
}

static void
make_room(struct timeline *t)
{
	if (!t->recording)
		forget_past(t);
	if (t->n < t->cap / 2)
		return;
	t->cap = 2 * t->cap + 256;
	t->span = realloc(t->span, (size_t)t->cap * sizeof *t->span);
	if (!t->span)
		abort();
}

static void
note(struct timeline *t, int lane, char mark, double from, double to)
{
	if (!t->show || (t->shown && !t->recording) || to <= from)
		return;
	if (t->n == t->cap)
		make_room(t);
	t->span[t->n++] = (struct span_of){(uint8_t)lane, mark, from, to};
}

static void
stall_for(struct timeline *t, struct arrival a)
{
	if (a.at <= t->now)
		return;
	note(t, LANE_C, '.', t->now, a.at);
	stalls_add(&t->stalls, a.by, a.at - t->now);
	if (t->recording)
		stalls_add(&t->shown_stalls, a.by, a.at - t->now);
	t->now = a.at;
}

static void
transfer(struct frame *f, const struct op *op)
{
	struct timeline *t = f->t;
	double start = fmax(t->now, t->lane[op->lane]);
	struct arrival a = {.by = {op, f->f}};

	a.at = start + cost_seconds(t->m, &t->x, op);
	note(t, op->lane, '=', start, a.at);
	t->busy[op->lane] += a.at - start;
	t->lane[op->lane] = a.at;
	if (op->nout && op->out[0]->future)
		for (int i = 0; i < op->nout; i++)
			f->arrives[op->out[i]->id] = a;
	else
		stall_for(t, a);
}

static void
compute(struct frame *f, const struct op *op)
{
	struct timeline *t = f->t;
	double end = t->now + cost_seconds(t->m, &t->x, op);
	bool attention = op_info[op->code].group == GROUP_ATTN;

	note(t, LANE_C, attention ? 'A' : '#', t->now, end);
	t->busy[LANE_C] += end - t->now;
	t->now = end;
}

static void run_region(struct frame *f, const struct region *r);

static struct arrival
arrival(const struct frame *f, const struct arg *a)
{
	return a->kind == ARG_VALUE ? f->arrives[a->v->id] :
	    (struct arrival){0};
}

static void
run_loop(struct frame *f, const struct op *op)
{
	const struct op *last = region_last(&op->body);
	int64_t lo = (int64_t)bound_eval(f->t->m, &op->lo);
	int64_t n = (int64_t)bound_eval(f->t->m, &op->hi) - lo;

	f->var[f->nvar++] = op->var;
	for (int i = 0; i < op->nin; i++)
		f->arrives[op->carry[i]->id] = arrival(f, &op->in[i]);
	for (int64_t k = 0; k < n; k++) {
		f->val[f->nvar - 1] = op->rev ? lo + n - 1 - k : lo + k;
		run_region(f, &op->body);
		for (int i = 0; i < op->nin; i++)
			f->arrives[op->carry[i]->id] =
			    arrival(f, &last->in[i]);
	}
	f->nvar--;
	for (int i = 0; i < op->nout; i++)
		f->arrives[op->out[i]->id] = f->arrives[op->carry[i]->id];
}

static void
run_call(struct frame *f, const struct op *op)
{
	struct timeline *t = f->t;
	const struct func *callee = op->callee;
	const struct op *ret = region_last(&callee->body);
	struct frame g = {.t = t, .f = callee};
	bool show;

	g.arrives = calloc((size_t)callee->nvalue + 1, sizeof *g.arrives);
	if (!g.arrives)
		abort();
	if (callee->index) {
		g.var[0] = callee->index;
		g.val[0] = op->indexed ? affine_eval(&op->index, f->var,
		    f->val, f->nvar) : 0;
		g.nvar = 1;
	}
	for (int i = 0; i < op->nin; i++)
		g.arrives[callee->param[i]->id] = arrival(f, &op->in[i]);
	show = t->show == callee && t->at == g.val[0] && !t->shown;
	if (show) {
		t->recording = t->shown = true;
		t->from = t->now;
		forget_past(t);
	}
	run_region(&g, &callee->body);
	if (show) {
		t->to = t->now;
		t->recording = false;
	}
	for (int i = 0; i < op->nout; i++)
		f->arrives[op->out[i]->id] = arrival(&g, &ret->in[i]);
	free(g.arrives);
}

static void
run_op(struct frame *f, const struct op *op)
{
	if (!cond_holds(f->t->m, &op->when, f->var, f->val, f->nvar))
		return;
	if (op->code == OP_FOR)
		run_loop(f, op);
	else if (op->code == OP_CALL)
		run_call(f, op);
	else if (op->code == OP_WAIT)
		for (int i = 0; i < op->nin; i++)
			stall_for(f->t, arrival(f, &op->in[i]));
	else if (cost_has_lane(op))
		transfer(f, op);
	else
		compute(f, op);
}

static void
run_region(struct frame *f, const struct region *r)
{
	for (int i = 0; i < r->n; i++)
		run_op(f, r->op[i]);
}

static void
run(struct timeline *t, const struct func *step)
{
	struct frame f = {.t = t, .f = step};

	f.arrives = calloc((size_t)step->nvalue + 1, sizeof *f.arrives);
	if (!f.arrives)
		abort();
	run_region(&f, &step->body);
	free(f.arrives);
}

/* What a lane does while the function runs; the rest of a transfer that began
 * before it or ends behind it is not its time. */
static double
busy_in(const struct timeline *t, int lane)
{
	double busy = 0;

	for (int i = 0; i < t->n; i++) {
		const struct span_of *s = &t->span[i];
		double part = fmin(s->to, t->to) - fmax(s->from, t->from);

		if (s->lane == lane && s->mark != '.' && part > 0)
			busy += part;
	}
	return busy;
}

static void
put_bar(const struct timeline *t, int lane, double busy, FILE *out)
{
	double all = t->to - t->from;
	char bar[WIDTH + 1];

	memset(bar, ' ', WIDTH);
	bar[WIDTH] = '\0';
	for (int i = 0; i < t->n; i++) {
		const struct span_of *s = &t->span[i];
		double from = fmax(s->from, t->from), to = fmin(s->to, t->to);
		int a = (int)((from - t->from) / all * WIDTH);
		int b = (int)ceil((to - t->from) / all * WIDTH);

		for (int k = a; s->lane == lane && k < b && k < WIDTH; k++)
			bar[k] = s->mark;
	}
	fprintf(out, "%2s|%s| %9.3f ms\n", lane_name[lane], bar, 1e3 * busy);
}

static void
put_func(struct module *m, const struct func *step, const struct func *f,
    FILE *out)
{
	struct timeline t = {.m = m, .x = machine_of(m), .show = f,
	    .at = (int64_t)module_dim(m, f->index_dim)->size / 2};

	run(&t, step);
	if (t.to > t.from) {
		fprintf(out, "\n%s  %.3f ms, compute stalled %.3f ms\n",
		    f->name, 1e3 * (t.to - t.from),
		    1e3 * t.shown_stalls.seconds);
		for (int i = 0; i < LANE_COUNT; i++)
			if (busy_in(&t, i) > 0)
				put_bar(&t, i, busy_in(&t, i), out);
		stalls_print(&t.shown_stalls, m, out);
	}
	stalls_free(&t.shown_stalls);
	stalls_free(&t.stalls);
	free(t.span);
}

bool
timeline_print(struct module *m, FILE *out)
{
	const struct func *step = module_func(m, "step");
	struct timeline t = {.m = m, .x = machine_of(m)};

	if (!step) {
		diag_error(m->diag, (struct span){0},
		    "there is no fn step: nothing takes time");
		return false;
	}
	run(&t, step);
	fprintf(out, "step  %.3f ms, compute busy %.3f ms, stalled %.3f ms\n",
	    1e3 * t.now, 1e3 * t.busy[LANE_C], 1e3 * t.stalls.seconds);
	for (int i = 0; i < LANE_COUNT; i++)
		if (i != LANE_C && t.busy[i] > 0)
			fprintf(out, "%2s busy %.3f ms\n", lane_name[i],
			    1e3 * t.busy[i]);
	stalls_print(&t.stalls, m, out);
	stalls_free(&t.stalls);
	for (int i = 0; i < m->nfunc; i++)
		if (m->func[i]->index)
			put_func(m, step, m->func[i], out);
	return true;
}
