/*
 * step, eval and logits: what a trainer calls, around the model's ops.
 *
 *   fn step(tok, lab) {                       // tok, lab : i32[mb,b,s]
 *     cnt = count lab                         // of all microbatches
 *     rn = recip cnt
 *     zero @GW, @GE
 *     nlls = for m=0..mb (acc = none) {       // only if there are several
 *       tok1 = take tok at m
 *       ...                                   // the model, then backward
 *       sum = add acc, nll                    // with rn as cotangent of nll
 *       yield sum
 *     }
 *     loss = mul nlls, rn
 *     ss = sumsq @GW, @GE ; gn = sqrt ss ; cl = clip gn
 *     adamw @W, @GW, @MW, @VW, cl
 *     return loss, gn
 *   }
 *
 * Gradients are those of the mean over all counted labels of the step: each
 * microbatch is scaled by the same rn, so that their sum needs no correction.
 */
#include "config.h"

#include <string.h>

#include "passes/step.h"

struct builder {
	struct module *m;
	struct func *model, *f;
	struct region *out;
	struct copier c;
};

static struct value *
emit(struct builder *b, enum opcode code, const struct arg *in, int nin,
    const char *name, const struct type *t)
{
	struct op *op = op_make(b->m, code, in, nin, 1, b->model->at);
	struct value *v = op_result(b->m, b->f, op, 0, name, t);

	region_append(b->m, b->out, op);
	return v;
}

static const struct type *
scalar(struct builder *b)
{
	return type_scalar(b->m, DT_F32);
}

static void
begin(struct builder *b, struct module *m, struct func *model,
    const char *name)
{
	*b = (struct builder){.m = m, .model = model};
	b->f = module_add_func(m, name, model->at);
	b->out = &b->f->body;
	b->c = copier_new(m, model, b->f);
}

/* The labels are the second parameter of the model. */
static struct value *
labels_of(const struct func *model)
{
	return model->nparam > 1 ? model->param[1] : NULL;
}

struct op *
model_head(struct func *model)
{
	const struct value *lab = labels_of(model);

	for (int i = 0; i < model->body.n; i++) {
		struct op *op = model->body.op[i];

		if ((op->code == OP_XENT && op->in[1].v == lab) ||
		    (op->code == OP_XENT_DOT && op->in[2].v == lab))
			return op;
	}
	return NULL;
}

static struct value *
count_labels(struct builder *b, struct value *lab)
{
	const struct op *head = model_head(b->model);
	struct op *op = op_make(b->m, OP_LABELS, (struct arg[]){
	    arg_value(lab)}, 1, 1, b->model->at);
	struct value *v = op_result(b->m, b->f, op, 0, "cnt", scalar(b));

	if (head && op_attr(head, ATTR_IGNORE))
		op_set_int(b->m, op, ATTR_IGNORE, op_int(head, ATTR_IGNORE));
	region_append(b->m, b->out, op);
	return v;
}

static void
return_two(struct builder *b, struct value *x, struct value *y)
{
	region_append(b->m, &b->f->body, op_make(b->m, OP_RETURN,
	    (struct arg[]){arg_value(x), arg_value(y)}, y ? 2 : 1, 0,
	    b->model->at));
}

/* The model's ops but its return; gives the value it returns. */
static struct value *
copy_model(struct builder *b)
{
	const struct region *body = &b->model->body;
	struct op *ret = region_last(body);

	for (int i = 0; i + 1 < body->n; i++)
		region_append(b->m, b->out, copier_op(&b->c, body->op[i]));
	return b->c.map[ret->in[0].v->id];
}

/* --------------------------------------------------------- microbatches */

static const struct type *
with_micro(struct module *m, const struct type *t)
{
	struct type r = *t;

	if (!module_dim(m, "mb"))
		return t;
	memmove(r.d + 1, r.d, sizeof *r.d * r.rank);
	r.d[0] = (struct dim){.name = module_namez(m, "mb")};
	r.rank++;
	return type_intern(m, &r);
}

static void
uses_var(struct op *op, void *arg)
{
	const char **var = arg;

	if (op->code == OP_FOR && strcmp(op->var, *var) == 0)
		*var = "micro";
}

static struct op *
micro_loop(struct builder *b, struct value *start)
{
	struct module *m = b->m;
	const char *var = "m";
	struct op *op = op_make(m, OP_FOR, (struct arg[]){arg_value(start)}, 1,
	    1, b->model->at);

	region_walk(&b->model->body, uses_var, &var);
	op->var = module_namez(m, var);
	op->hi.dim = module_namez(m, "mb");
	op->carry = NEW_N(m->mem, struct value *, 1);
	op->carry[0] = func_value(m, b->f, func_fresh(m, b->f, "acc"),
	    scalar(b), b->model->at);
	return op;
}

/* This microbatch's part of a parameter of step. */
static void
take_micro(struct builder *b, int i, const char *var)
{
	struct value *p = b->f->param[i];
	struct op *op = op_make(b->m, OP_TAKE, (struct arg[]){arg_value(p)}, 1,
	    1, b->model->at);

	op->indexed = true;
	op->index = affine_var(var);
	b->c.map[b->model->param[i]->id] = op_result(b->m, b->f, op, 0,
	    p->name, b->model->param[i]->type);
	region_append(b->m, b->out, op);
}

/* ---------------------------------------------------------- the loss head */

/* Ops of r between two positions that a value influences, to be moved. */
static bool
influenced(const struct op *op, const bool *hit)
{
	for (int i = 0; i < op->nin; i++)
		if (op->in[i].v && hit[op->in[i].v->id])
			return true;
	for (int i = 0; i < op->body.n; i++)
		if (influenced(op->body.op[i], hit))
			return true;
	return false;
}

static int
position(const struct region *r, const struct op *op)
{
	for (int i = 0; i < r->n; i++)
		if (r->op[i] == op)
			return i;
	return -1;
}

static struct op *
backward_of(const struct region *r, const struct op *head)
{
	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];

		if (op->code == OP_XENT_DOT_BWD && op->in[1].v == head->in[0].v
		    && op->in[3].v == head->in[2].v &&
		    op->in[2].kind == head->in[1].kind &&
		    op->in[2].v == head->in[1].v &&
		    op->in[2].field == head->in[1].field)
			return r->op[i];
	}
	return NULL;
}

/*
 * xent.dot.bwd gives the loss too, so the forward op can go, if whatever reads
 * the loss can wait until backward has passed it.
 */
static void
drop_head(struct builder *b, struct region *r, struct op *head)
{
	struct op *bwd = backward_of(r, head);
	bool *hit = NEW_N(b->m->mem, bool, (size_t)b->f->nvalue);
	struct op **late = NEW_N(b->m->mem, struct op *, (size_t)r->n);
	int nlate = 0, n = 0, end = position(r, bwd);

	if (!bwd)
		return;
	hit[head->out[0]->id] = true;
	for (int i = position(r, head) + 1; i <= end; i++)
		if (influenced(r->op[i], hit)) {
			if (r->op[i] == bwd)
				return;
			for (int j = 0; j < r->op[i]->nout; j++)
				hit[r->op[i]->out[j]->id] = true;
			late[nlate++] = r->op[i];
		}
	for (int i = 0, k = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		if (op == head)
			continue;
		if (k < nlate && op == late[k]) {
			k++;
			continue;
		}
		r->op[n++] = op;
		for (int j = 0; op == bwd && j < nlate; j++)
			r->op[n++] = late[j];
	}
	r->n = n;
	bwd->out[0] = head->out[0];
	bwd->out[0]->def = bwd;
}

static void
drop_heads(struct builder *b, struct region *r)
{
	for (int i = r->n - 1; i >= 0; i--)
		if (r->op[i]->code == OP_XENT_DOT)
			drop_head(b, r, r->op[i]);
}

/* ------------------------------------------------------------------- step */

/* Backward ops after the model's, which end region b->out. */
static void
differentiate(struct builder *b, struct value *nll, struct value *rn)
{
	struct grad g;
	int n = b->out->n;

	grad_init(&g, b->m, b->f, b->f);
	g.out = b->out;
	for (int i = 0; i < b->f->nparam; i++)
		g.copy[b->f->param[i]->id] = b->f->param[i];
	for (int i = 0; i < n; i++)
		for (int j = 0; j < b->out->op[i]->nout; j++)
			g.copy[b->out->op[i]->out[j]->id] =
			    b->out->op[i]->out[j];
	grad_mark(&g, b->out);
	if (!g.varied[nll->id]) {
		diag_error(b->m->diag, b->model->at,
		    "the loss does not depend on any parameter");
		return;
	}
	grad_seed(&g, nll, rn);
	grad_region(&g, b->out, n);
	drop_heads(b, b->out);
}

static int
role_bundles(const struct module *m, enum bundle_role role, struct arg *out)
{
	int n = 0;

	for (int i = 0; i < m->nbundle; i++)
		if (m->bundle[i]->role == role)
			out[n++] = arg_bundle(m->bundle[i]);
	return n;
}

static void
update(struct builder *b, struct value *loss)
{
	struct module *m = b->m;
	size_t n = (size_t)m->nbundle + 1;
	struct arg *list[4], in[5];
	struct value *ss, *gn, *cl;
	int nb = 0;

	for (int i = 0; i < 4; i++) {
		list[i] = NEW_N(m->mem, struct arg, n);
		nb = role_bundles(m, (enum bundle_role)(ROLE_PARAM + i),
		    list[i]);
	}
	ss = emit(b, OP_SUMSQ, list[1], nb, "ss", scalar(b));
	gn = emit(b, OP_SQRT, (struct arg[]){arg_value(ss)}, 1, "gn",
	    scalar(b));
	cl = emit(b, OP_CLIP, (struct arg[]){arg_value(gn)}, 1, "cl",
	    scalar(b));
	if (module_number(m, "recipe.clip", 0) > 0)
		op_set_real(m, cl->def, ATTR_MAX,
		    module_number(m, "recipe.clip", 0));
	for (int i = 0; i < nb; i++) {
		for (int j = 0; j < 4; j++)
			in[j] = list[j][i];
		in[4] = arg_value(cl);
		region_append(m, b->out, op_make(m, OP_ADAMW, in, 5, 0,
		    b->model->at));
	}
	return_two(b, loss, gn);
}

static void
clear_gradients(struct builder *b)
{
	struct arg *g = NEW_N(b->m->mem, struct arg, (size_t)b->m->nbundle + 1);
	int n = role_bundles(b->m, ROLE_GRAD, g);

	region_append(b->m, b->out, op_make(b->m, OP_ZERO, g, n, 0,
	    b->model->at));
}

/* All microbatches; gives the sum of their token losses. */
static struct value *
micro_steps(struct builder *b, struct value *rn)
{
	struct value *start = emit(b, OP_ZEROS, NULL, 0, "nll0", scalar(b));
	struct region *outer = b->out;
	struct op *loop = micro_loop(b, start);
	struct value *nll, *sum;

	b->out = &loop->body;
	for (int i = 0; i < b->f->nparam; i++)
		take_micro(b, i, loop->var);
	nll = copy_model(b);
	differentiate(b, nll, rn);
	sum = emit(b, OP_ADD, (struct arg[]){arg_value(loop->carry[0]),
	    arg_value(nll)}, 2, "sum", scalar(b));
	region_append(b->m, b->out, op_make(b->m, OP_YIELD,
	    (struct arg[]){arg_value(sum)}, 1, 0, b->model->at));
	b->out = outer;
	op_result(b->m, b->f, loop, 0, "nlls", scalar(b));
	region_append(b->m, b->out, loop);
	return loop->out[0];
}

static struct value *
one_step(struct builder *b, struct value *rn)
{
	struct value *nll;

	for (int i = 0; i < b->f->nparam; i++)
		b->c.map[b->model->param[i]->id] = b->f->param[i];
	nll = copy_model(b);
	differentiate(b, nll, rn);
	return nll;
}

static void
add_params(struct builder *b, bool micro)
{
	for (int i = 0; i < b->model->nparam; i++) {
		const struct value *p = b->model->param[i];

		func_add_param(b->m, b->f, p->name,
		    micro ? with_micro(b->m, p->type) : p->type, p->at);
	}
}

void
step_build(struct module *m, struct func *model)
{
	struct builder b;
	struct value *cnt, *rn, *nll;

	begin(&b, m, model, "step");
	add_params(&b, true);
	cnt = count_labels(&b, b.f->param[1]);
	rn = emit(&b, OP_RECIP, (struct arg[]){arg_value(cnt)}, 1, "rn",
	    scalar(&b));
	clear_gradients(&b);
	nll = module_dim(m, "mb") ? micro_steps(&b, rn) : one_step(&b, rn);
	update(&b, emit(&b, OP_MUL, (struct arg[]){arg_value(nll),
	    arg_value(rn)}, 2, "loss", scalar(&b)));
	remove_dead(b.f);
}

/* --------------------------------------------------------- eval and logits */

void
eval_build(struct module *m, struct func *model)
{
	struct builder b;
	struct value *nll, *cnt;

	begin(&b, m, model, "eval");
	add_params(&b, false);
	for (int i = 0; i < model->nparam; i++)
		b.c.map[model->param[i]->id] = b.f->param[i];
	nll = copy_model(&b);
	cnt = count_labels(&b, b.f->param[1]);
	return_two(&b, nll, cnt);
	remove_dead(b.f);
}

/* Marks the ops that the head's logits need; false if that takes labels. */
static bool
mark_needed(const struct func *model, const struct op *head, bool *needed,
    bool *want)
{
	for (int i = 0; i < head->nin - 1; i++)
		if (head->in[i].v)
			want[head->in[i].v->id] = true;
	for (int i = model->body.n - 1; i >= 0; i--) {
		const struct op *op = model->body.op[i];

		for (int j = 0; j < op->nout; j++)
			needed[i] |= want[op->out[j]->id];
		if (needed[i])
			want_operands(op, want);
	}
	return !want[labels_of(model)->id];
}

static struct arg
mapped(const struct builder *b, const struct arg *a)
{
	struct arg copy = *a;

	copy.v = b->c.map[a->v->id];
	return copy;
}

/* h[.., s, ..] at the wanted position */
static struct arg
pick(struct builder *b, struct arg h, struct value *at, const char *name)
{
	struct arg in[2] = {h, arg_value(at)};
	const struct type *t = h.v->type;
	int s = type_find(t, module_namez(b->m, "s"));
	struct value *v;

	v = emit(b, OP_PICK, in, 2, name, type_drop(b->m, t, s));
	op_set_dim(b->m, v->def, ATTR_OVER, module_namez(b->m, "s"));
	return arg_value(v);
}

/* The one dim of W that h lacks. */
static const struct type *
logits_type(struct builder *b, const struct type *h, const struct type *w)
{
	struct type t = *h;

	t.rank = 0;
	t.dtype = DT_F32;
	for (int i = 0; i < h->rank; i++)
		if (type_find(w, h->d[i].name) < 0)
			t.d[t.rank++] = h->d[i];
	for (int i = 0; i < w->rank; i++)
		if (type_find(h, w->d[i].name) < 0)
			t.d[t.rank++] = w->d[i];
	return type_intern(b->m, &t);
}

static void
emit_logits(struct builder *b, const struct op *head, struct value *at)
{
	struct arg h = mapped(b, &head->in[0]), w;
	struct value *lg;

	if (head->code == OP_XENT_DOT) {
		w = mapped(b, &head->in[1]);
		h = pick(b, h, at, "hat");
		lg = emit(b, OP_DOT, (struct arg[]){h, w}, 2, "lg",
		    logits_type(b, h.v->type, arg_type(b->m, &w)));
	} else {
		lg = pick(b, h, at, "lgat").v;
		if (lg->type->dtype != DT_F32)
			lg = emit(b, OP_CAST, (struct arg[]){arg_value(lg)}, 1,
			    "lg", type_with_dtype(b->m, lg->type, DT_F32));
	}
	return_two(b, lg, NULL);
}

/* The labels' place among the parameters is taken by the position. */
static struct value *
logits_params(struct builder *b)
{
	struct value *at = NULL;

	for (int i = 0; i < b->model->nparam; i++) {
		struct value *p = b->model->param[i];

		if (p == labels_of(b->model))
			at = func_add_param(b->m, b->f, "at",
			    type_scalar(b->m, DT_I32), p->at);
		else
			b->c.map[p->id] = func_add_param(b->m, b->f, p->name,
			    p->type, p->at);
	}
	return at;
}

void
logits_build(struct module *m, struct func *model)
{
	struct op *head = model_head(model);
	struct builder b;
	bool *needed = NEW_N(m->mem, bool, (size_t)model->body.n + 1);
	struct value *at;

	if (!head || type_find(arg_type(m, &head->in[0]),
	    module_namez(m, "s")) < 0)
		return;
	if (!mark_needed(model, head, needed, NEW_N(m->mem, bool,
	    (size_t)model->nvalue + 1)))
		return;
	begin(&b, m, model, "logits");
	at = logits_params(&b);
	for (int i = 0; i < model->body.n; i++)
		if (needed[i])
			region_append(m, b.out, copier_op(&b.c,
			    model->body.op[i]));
	emit_logits(&b, head, at);
}
