/*
 * autodiff: from the model to training.
 *
 *   before                            after
 *   fn layer(l:L, x) {                fn layer(l:L, x) {
 *     w = params @W[l]                  w = params @W[l]
 *     h = rmsnorm x, w.n1               h = rmsnorm x, w.n1
 *     r = dot h, w.wo                   r = dot h, w.wo
 *     return r                          save x, h
 *   }                                   return r
 *                                     }
 *                                     fn layer.bwd(l:L, dr) {
 *                                       x, h = load
 *                                       @GW[l].wo += dot h, dr
 *                                       w = params @W[l]
 *                                       dh = dot dr, w.wo
 *                                       dx, d_n1 = rmsnorm.bwd dh, x, w.n1
 *                                       @GW[l].n1 += accum d_n1
 *                                       return dx
 *                                     }
 *   fn model(tok, lab) { ...          fn step(tok, lab) { ...
 *     return nll                      fn eval(tok, lab) { ...
 *   }                                 fn logits(tok, at) { ...
 *
 * A repeated block saves all that its derivative reads; what is made outside
 * of the loop that calls it is passed to the twin again instead.  A block that
 * is called twice becomes two blocks with the same parameters.
 *
 * needs: fn model, blocks that call nothing.  keeps: names of the model.
 * leaves: gradients G*, moments M* and V*, twins, step, eval, logits.
 */
#include "config.h"

#include <string.h>

#include "passes/pass.h"
#include "passes/step.h"

/* -------------------------------------------------- bundles of the training */

static void
derive(struct module *m, const char *prefix, struct bundle *of,
    enum bundle_role role)
{
	const char *name = arena_printf(m->mem, "%s%s", prefix, of->name);

	while (module_bundle(m, name))
		name = arena_printf(m->mem, "%s_", name);
	module_derive_bundle(m, name, of, role, DT_F32);
}

static void
derive_bundles(struct module *m)
{
	static const char *const prefix[] = {"G", "M", "V"};
	int n = m->nbundle;

	for (int role = ROLE_GRAD; role <= ROLE_MOMENT2; role++)
		for (int i = 0; i < n; i++)
			if (m->bundle[i]->role == ROLE_PARAM)
				derive(m, prefix[role - ROLE_GRAD],
				    m->bundle[i], (enum bundle_role)role);
}

/* ------------------------------------------------------------- call sites */

struct sites {
	struct module *m;
	struct func **seen;
	struct op **call; /* seen[i] is called here */
	int n, cap;
};

static bool
was_seen(const struct sites *s, const struct func *f)
{
	for (int i = 0; i < s->n; i++)
		if (s->seen[i] == f)
			return true;
	return false;
}

/* One block, one call: a second call gets a copy with the same parameters. */
static void
see_call(struct op *op, void *arg)
{
	struct sites *s = arg;

	if (op->code != OP_CALL)
		return;
	if (was_seen(s, op->callee))
		op->callee = func_copy(s->m, op->callee, op->callee->name);
	s->seen[s->n] = op->callee;
	s->call[s->n++] = op;
}

static void
count_call(struct op *op, void *arg)
{
	*(int *)arg += op->code == OP_CALL;
}

static struct sites
find_calls(struct module *m, struct func *model)
{
	struct sites s = {.m = m};

	region_walk(&model->body, count_call, &s.cap);
	s.seen = NEW_N(m->mem, struct func *, (size_t)s.cap + 1);
	s.call = NEW_N(m->mem, struct op *, (size_t)s.cap + 1);
	region_walk(&model->body, see_call, &s);
	return s;
}

/* Made where the twin's call can read it too: outside of every loop. */
static bool
is_outside(const struct func *model, const struct arg *a)
{
	if (a->kind != ARG_VALUE)
		return false;
	for (int i = 0; i < model->nparam; i++)
		if (model->param[i] == a->v)
			return true;
	for (int i = 0; i < model->body.n; i++)
		if (a->v->def && model->body.op[i] == a->v->def)
			return true;
	return false;
}

/* ------------------------------------------------------------------ twins */

static bool
is_real(const struct type *t)
{
	return t && t->dtype != DT_I32;
}

static void
twin_signature(struct grad *g, const struct func *model, const struct op *call)
{
	struct func *f = g->from;
	struct op *ret = region_last(&f->body);

	for (int i = 0; i < ret->nin; i++) {
		struct value *r = ret->in[i].v, *d;

		if (!is_real(r->type))
			continue;
		d = func_add_param(g->m, g->to, grad_name(g,
		    arena_printf(g->m->mem, "d%s", r->name)), r->type, r->at);
		if (g->varied[r->id])
			grad_seed(g, r, d);
	}
	for (int i = 0; i < f->nparam; i++)
		if (is_outside(model, &call->in[i]))
			g->copy[f->param[i]->id] = func_add_param(g->m,
			    g->to, f->param[i]->name, f->param[i]->type,
			    f->param[i]->at);
}

static void
twin_return(struct grad *g)
{
	struct func *f = g->from;
	struct op *ret = op_new(g->m, OP_RETURN, f->nparam, 0, f->at);

	ret->nin = 0;
	for (int i = 0; i < f->nparam; i++)
		if (is_real(f->param[i]->type))
			ret->in[ret->nin++] = arg_value(grad_take_or_zeros(g,
			    f->param[i]));
	region_append(g->m, &g->to->body, ret);
}

/* What the twin reads is saved in front of the block's return. */
static void
twin_saves(struct grad *g)
{
	struct func *f = g->from;
	struct op *save = op_new(g->m, OP_SAVE, g->n, 0, f->at);
	struct op *load = op_new(g->m, OP_LOAD, 0, g->n, f->at);

	save->nin = load->nout = 0;
	for (int i = 0; i < g->n; i++)
		if (g->saved[i]) {
			save->in[save->nin++] = arg_value(f->value[i]);
			load->out[load->nout++] = g->copy[i];
		}
	if (!save->nin)
		return;
	region_insert(g->m, &f->body, f->body.n - 1, save);
	region_insert(g->m, &g->to->body, 0, load);
}

static void
no_calls(struct op *op, void *arg)
{
	struct module *m = arg;

	if (op->code == OP_CALL)
		diag_error(m->diag, op->at,
		    "a repeated block calls %s: repeats do not nest",
		    op->callee->name);
}

static void
build_twin(struct module *m, const struct func *model, const struct op *call)
{
	struct func *f = call->callee;
	struct func *b = module_add_func(m, arena_printf(m->mem, "%s.bwd",
	    f->name), f->at);
	struct grad g;

	b->index = f->index;
	b->index_dim = f->index_dim;
	b->twin = f;
	f->twin = b;
	region_walk(&f->body, no_calls, m);
	grad_init(&g, m, f, b);
	for (int i = 0; i < f->nparam; i++)
		g.varied[f->param[i]->id] = is_real(f->param[i]->type);
	grad_mark(&g, &f->body);
	twin_signature(&g, model, call);
	grad_region(&g, &f->body, f->body.n - 1);
	twin_return(&g);
	twin_saves(&g);
}

/* ----------------------------------------------------- order of functions */

static void
put(struct func **list, int *n, struct func *f)
{
	for (int i = 0; i < *n; i++)
		if (list[i] == f)
			return;
	if (f)
		list[(*n)++] = f;
}

/* Blocks, each followed by its twin; then step, eval, logits. */
static void
order_functions(struct module *m, const struct func *model)
{
	struct func **old = NEW_N(m->mem, struct func *, (size_t)m->nfunc);
	int nold = m->nfunc, n = 0;

	memcpy(old, m->func, sizeof *old * (size_t)nold);
	for (int i = 0; i < nold; i++)
		if (old[i]->index) {
			put(m->func, &n, old[i]);
			put(m->func, &n, old[i]->twin);
		}
	for (int i = 0; i < nold; i++)
		if (old[i] != model)
			put(m->func, &n, old[i]);
	m->nfunc = n;
}

/* ------------------------------------------------------- what is accepted */

static bool
refuse(struct module *m, struct span at, const char *why)
{
	diag_error(m->diag, at, "%s", why);
	return false;
}

/* fn model(tok, lab, ...) of integers, giving one number. */
static bool
is_model(struct module *m, const struct func *f)
{
	const struct op *ret = region_last(&f->body);
	const struct type *t = ret->nin == 1 ? arg_type(m, &ret->in[0]) : NULL;

	if (f->index || f->nparam < 2 || f->nparam > 3)
		return refuse(m, f->at, "the model takes tok, lab and doc");
	for (int i = 0; i < f->nparam; i++)
		if (f->param[i]->type != f->param[0]->type ||
		    f->param[i]->type->dtype != DT_I32 ||
		    f->param[i]->type->rank == MAX_RANK)
			return refuse(m, f->at,
			    "tokens, labels and documents are i32 of one type");
	if (!t || ret->in[0].kind != ARG_VALUE ||
	    t != type_scalar(m, DT_F32))
		return refuse(m, f->at, "the model returns its loss, f32[]");
	return true;
}

/* Blocks return values, so that each result has a cotangent. */
static bool
is_block(struct module *m, const struct func *f)
{
	const struct op *ret = region_last(&f->body);

	if (!f->index)
		return refuse(m, f->at, "a function beside the model is a "
		    "block with a layer index");
	for (int i = 0; i < ret->nin; i++)
		if (ret->in[i].kind != ARG_VALUE)
			return refuse(m, ret->at, "a block returns values, "
			    "not parameters");
	return true;
}

static bool
accepted(struct module *m, const struct func *model)
{
	static const char *const made[] = {"step", "eval", "logits"};

	if (!model)
		return refuse(m, (struct span){0}, "there is no fn model(tok, "
		    "lab) to differentiate");
	for (size_t i = 0; i < COUNT_OF(made); i++)
		if (module_func(m, made[i]))
			return refuse(m, module_func(m, made[i])->at, "this "
			    "function is made by autodiff");
	for (int i = 0; i < m->nfunc; i++)
		if (m->func[i] != model && (m->func[i]->twin ||
		    !is_block(m, m->func[i])))
			return m->func[i]->twin ? refuse(m, m->func[i]->at,
			    "this block has a twin already") : false;
	return is_model(m, model);
}

static int
autodiff(struct module *m)
{
	struct func *model = module_func(m, "model");
	struct sites s;

	if (!accepted(m, model))
		return 1;
	derive_bundles(m);
	s = find_calls(m, model);
	for (int i = 0; i < s.n; i++)
		build_twin(m, model, s.call[i]);
	if (m->diag->errors)
		return 1;
	step_build(m, model);
	eval_build(m, model);
	logits_build(m, model);
	order_functions(m, model);
	return m->diag->errors;
}

const struct pass pass_autodiff = {
	.name = "autodiff",
	.summary = "the model becomes a training step, evaluation and logits",
	.run = autodiff,
};
