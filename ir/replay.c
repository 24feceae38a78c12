/* Replays a program on the bytes of its plan.  See replay.h. */
#include "config.h"

#include "ir/replay_run.h"

#include <stdlib.h>
#include <string.h>

#include "ir/group.h"

/* ---- flow ---- */

uint32_t *
replay_kept(struct replay *p, const struct func *f, int64_t layer)
{
	struct kept *k = p->kept;
	uint64_t layers = module_dim(p->m, f->index_dim)->size;

	while (k && k->f != f)
		k = k->next;
	if (!k) {
		k = NEW(p->m->mem, struct kept);
		k->f = f;
		k->content =
		    NEW_N(p->m->mem, uint32_t, layers * (size_t)f->nvalue + 1);
		k->next = p->kept;
		p->kept = k;
	}
	return k->content + layer * f->nvalue;
}

static void
save(struct replay *p, struct frame *f, const struct op *op)
{
	uint32_t *content;

	if (!f->f->index)
		return;
	content = replay_kept(p, f->f, f->val[0]);
	for (int i = 0; i < op->nin && !p->failed; i++) {
		const struct value *v = op->in[i].v;
		struct spot to = replay_spot(p, f, op, v);

		if (to.arena == NO_PLACE)
			replay_fail(p, f, op, "%s has no place to stay",
			    replay_name(v));
		else
			replay_copy(p, f, op, v, to);
		content[v->id] = f->held[v->id].content;
	}
}

static void
load(struct replay *p, struct frame *f, const struct op *op)
{
	const uint32_t *content;

	if (!f->f->index || !f->f->twin)
		return;
	content = replay_kept(p, f->f->twin, f->val[0]);
	for (int i = 0; i < op->nout; i++) {
		const struct value *v = op->out[i];
		const struct value *twin = func_find(f->f->twin, v->name);

		f->held[v->id].at = replay_spot(p, f, op, v);
		f->held[v->id].content = twin ? content[twin->id] : 0;
	}
}

static void run_region(struct replay *p, struct frame *f, struct region *r);

/* An undefined value stays so: whatever is there is copied with it. */
static void
pass_on(struct replay *p, struct frame *f, const struct op *op,
    const struct value *v, struct held *to)
{
	const struct held *h = &f->held[v->id];

	to->content = h->content;
	to->undefined = h->undefined;
	if (!h->undefined)
		replay_copy(p, f, op, v, to->at);
	else if (!replay_same_spot(h->at, to->at))
		replay_put(p, to->at, replay_content(p, "something undefined"));
}

/* Carries move to where trip `at` reads them, and only then are others: one
 * may be the next value of another. */
static void
carry(struct replay *p, struct frame *f, const struct op *op,
    const struct op *from, int64_t at)
{
	struct held *next = calloc((size_t)op->nin + 1, sizeof *next);

	if (!next)
		abort();
	for (int i = 0; i < op->nin && !p->failed; i++) {
		const struct value *v = op->carry[i];
		int64_t now = f->val[f->nvar - 1];

		f->val[f->nvar - 1] = at;
		next[i].at.arena = NO_PLACE;
		if (v->slot)
			next[i].at = replay_spot_in(p, f, op, v,
			    v->slot_indexed ? affine_eval(&v->slot_index,
						  f->var, f->val, f->nvar)
					    : 0);
		f->val[f->nvar - 1] = now;
		pass_on(p, f, from, from->in[i].v, &next[i]);
	}
	for (int i = 0; i < op->nin && !p->failed; i++)
		f->held[op->carry[i]->id] = next[i];
	free(next);
}

/* Microbatches are alike: two or three, so that turns end as they would. */
static int64_t
trips(const struct op *op, int64_t n)
{
	bool mb = op->hi.dim && strcmp(op->hi.dim, "mb") == 0;

	return mb && n > 3 ? 2 + n % 2 : n;
}

static void
run_loop(struct replay *p, struct frame *f, struct op *op)
{
	int64_t lo = (int64_t)bound_eval(p->m, &op->lo);
	int64_t hi = (int64_t)bound_eval(p->m, &op->hi);
	int64_t n = trips(op, hi - lo);

	f->var[f->nvar] = op->var;
	f->nvar++;
	carry(p, f, op, op, op->rev ? lo + n - 1 : lo);
	for (int64_t i = 0; i < n && !p->failed; i++) {
		int64_t at = op->rev ? lo + n - 1 - i : lo + i;

		f->val[f->nvar - 1] = at;
		run_region(p, f, &op->body);
		carry(
		    p, f, op, region_last(&op->body), at + (op->rev ? -1 : 1));
	}
	f->nvar--;
	for (int i = 0; i < op->nout && !p->failed; i++) {
		f->held[op->out[i]->id].at = replay_spot(p, f, op, op->out[i]);
		f->held[op->out[i]->id].content =
		    f->held[op->carry[i]->id].content;
		f->held[op->out[i]->id].undefined =
		    f->held[op->carry[i]->id].undefined;
	}
}

/* v is what a wait makes of the future f. */
static bool
arrives_as(const struct value *v, const struct value *f)
{
	const struct op *op = v->def;

	for (int i = 0; op && op->code == OP_WAIT && i < op->nin; i++)
		if (op->out[i] == v && op->in[i].v == f)
			return true;
	return false;
}

/* A result without a slot, and the transfer that brings it, go there. */
static void
place_out(struct frame *g, const struct value *v, struct spot at)
{
	if (v->slot || !v->def)
		return;
	g->held[v->id].at = at;
	for (int i = 0; v->def->code == OP_WAIT && i < v->def->nin; i++)
		if (v->def->out[i] == v)
			g->held[v->def->in[i].v->id].at = at;
}

static void
run_func(struct replay *p, struct func *callee, int64_t index,
    const struct held *arg, struct held *out)
{
	struct frame g = {.f = callee, .out = out};
	const struct op *ret = region_last(&callee->body);

	g.held = calloc((size_t)callee->nvalue + 1, sizeof *g.held);
	if (!g.held)
		abort();
	for (int i = 0; i < callee->nvalue; i++)
		g.held[i].at.arena = NO_PLACE;
	if (callee->index) {
		g.var[0] = callee->index;
		g.val[0] = index;
		g.nvar = 1;
	}
	for (int i = 0; i < callee->nparam; i++)
		g.held[callee->param[i]->id] = arg[i];
	for (int i = 0; out && i < ret->nin; i++)
		place_out(&g, ret->in[i].v, out[i].at);
	run_region(p, &g, &callee->body);
	for (int i = 0; i < ret->nin && !p->failed; i++) {
		const struct value *v = ret->in[i].v;

		if (out)
			pass_on(p, &g, ret, v, &out[i]);
		else
			replay_holds(p, &g, ret, v, g.held[v->id]);
	}
	free(g.held);
}

static void
call(struct replay *p, struct frame *f, struct op *op)
{
	struct held *arg = calloc((size_t)op->nin + 1, sizeof *arg);
	struct held *out = calloc((size_t)op->nout + 1, sizeof *out);

	if (!arg || !out)
		abort();
	for (int i = 0; i < op->nin; i++) {
		arg[i] = f->held[op->in[i].v->id];
		if (!op->in[i].v->future || !arg[i].undefined)
			replay_holds(p, f, op, op->in[i].v, arg[i]);
	}
	for (int i = 0; i < op->nout && !p->failed; i++) {
		out[i].at = f->held[op->out[i]->id].at;
		if (out[i].at.arena == NO_PLACE)
			out[i].at = replay_spot(p, f, op, op->out[i]);
		if (out[i].at.arena == NO_PLACE)
			replay_fail(p, f, op, "%s has no place",
			    replay_name(op->out[i]));
	}
	if (!p->failed)
		run_func(p, op->callee,
		    op->indexed
			? affine_eval(&op->index, f->var, f->val, f->nvar)
			: 0,
		    arg, out);
	for (int i = 0; i < op->nout; i++)
		f->held[op->out[i]->id] = out[i];
	free(arg);
	free(out);
}

static void
run_op(struct replay *p, struct frame *f, struct region *r, int i)
{
	struct op *op = r->op[i];
	struct op_list g = {.op = {op}, .n = 1};

	p->frame = f;
	p->op = op;
	if (!cond_holds(p->m, &op->when, f->var, f->val, f->nvar)) {
		replay_skip(p, f, op);
		return;
	}
	if (op->group >= 0) {
		group_collect(r, i, &g);
		if (g.op[0] == op)
			replay_compute(p, f, g.op, g.n);
		return;
	}
	switch (op->code) {
	case OP_FOR:
		run_loop(p, f, op);
		break;
	case OP_CALL:
		call(p, f, op);
		break;
	case OP_SAVE:
		save(p, f, op);
		break;
	case OP_LOAD:
		load(p, f, op);
		break;
	case OP_TAKE:
		replay_take(p, f, op);
		break;
	case OP_WAIT:
		replay_wait(p, f, op);
		break;
	case OP_LOCAL:
		replay_local(p, f, op);
		break;
	case OP_FETCH:
		replay_fetch(p, f, op);
		break;
	case OP_ACCUM:
		if (i == 0 || group_head_store(f->f, r, i - 1) != op ||
		    f->held[op->in[0].v->id].at.arena != NO_PLACE)
			replay_compute(p, f, g.op, 1);
		else {
			replay_write_field(p, f, op, r->op[i - 1]);
			replay_use_layers(p, f, op);
		}
		break;
	case OP_CONST:
	case OP_YIELD:
	case OP_RETURN:
		break; /* the loop or function collects these */
	default:
		replay_compute(p, f, g.op, 1);
		break;
	}
}

/* Places of results change with loop variables: each trip starts anew. */
static void
run_region(struct replay *p, struct frame *f, struct region *r)
{
	const struct op *ret = region_last(&f->f->body);

	for (int i = 0; i < r->n && !p->failed; i++)
		for (int j = 0; j < r->op[i]->nout; j++) {
			const struct value *v = r->op[i]->out[j];
			bool result = false;

			for (int k = 0; f->out && k < ret->nin; k++)
				result |= !v->slot &&
					  (ret->in[k].v == v ||
					      arrives_as(ret->in[k].v, v));
			if (!result)
				f->held[v->id].at.arena = NO_PLACE;
			f->held[v->id].content = 0;
			f->held[v->id].undefined = false;
		}
	for (int i = 0; i < r->n && !p->failed; i++)
		run_op(p, f, r, i);
}

/* An entry starts with nothing but its parameters in memory. */
static void
run_entry(struct module *m, struct func *f)
{
	struct replay p = {.m = m};
	struct frame top = {.f = f};
	struct held *arg = NEW_N(m->mem, struct held, (size_t)f->nparam + 1);
	const struct op *ret = region_last(&f->body);

	replay_layers(&p);
	for (int i = 0; i < f->nparam && !p.failed; i++) {
		arg[i].at = replay_spot(&p, &top, ret, f->param[i]);
		arg[i].content = replay_content(&p, f->param[i]->name);
		replay_put(&p, arg[i].at, arg[i].content);
	}
	if (!p.failed)
		run_func(&p, f, 0, arg, NULL);
	if (!p.failed && strcmp(f->name, "logits") == 0 && ret->nin &&
	    (!ret->in[0].v->slot || strcmp(ret->in[0].v->slot, "io.logits")))
		replay_fail(&p, &top, ret, "the logits are not in io.logits");
	for (int i = 0; i < ARENA_COUNT; i++)
		replay_forget(&p.bytes[i]);
	race_free(&p.race);
	free(p.name);
}

int
replay_check(struct module *m)
{
	int before = m->diag->errors;

	if (!replay_layout(m))
		return m->diag->errors - before;
	for (int i = 0; i < m->nfunc; i++)
		if (!m->func[i]->index &&
		    (strcmp(m->func[i]->name, "step") == 0 ||
			strcmp(m->func[i]->name, "eval") == 0 ||
			strcmp(m->func[i]->name, "logits") == 0))
			run_entry(m, m->func[i]);
	return m->diag->errors - before;
}
