/*
 * partition: one program for all ranks of the mesh (stage b).
 *
 *   before                                after, mesh dp=2 co=2 ci=2 hp=2
 *   fn layer(l:L, x : f32[b,s,e]) {       fn layer(l:L, x : f32[b/dp,s/zz(co,ci)/hp,e]) {
 *     q1 = rope q : f32[b,s,k,g,d]          q1 = rope q : f32[b/dp,s/zz(co,ci)/hp,k,g,d]
 *                                           q1A = a2a q1 on hp s>k : f32[b/dp,s/zz(co,ci),k/hp,g,d]
 *     o, z = attn q1, c1, v                 o, z = attn q1A, c1A, vA on co,ci
 *                                           oT = a2a o on hp k>s
 *     o1 = dot o, w.wo                      o1 = dot oT, w.wo
 *   fn step(tok, lab) {
 *     cnt = count lab : f32[]               cnt = count lab : f32[] +all
 *                                           cnt1 = allreduce cnt on dp,co,ci,hp : f32[]
 *     rn = recip cnt                        rn = recip cnt1
 *     ss = sumsq @GW, @GE                   @RW = allreduce @GW on dp,co,ci,hp
 *                                           ss = sumsq @RW, @RE
 *
 * Nothing is searched for.  Tokens are cut over all axes; attention has its
 * heads cut over the head axes instead of its tokens (an all-to-all there and
 * back); parameters are on every rank.  With more head ranks than kv heads, k
 * is cut by hk and the group by hr, kv heads are gathered over hr, and their
 * gradients, pending on hr by the type of attn.bwd, are scattered over it.
 * Types then say what is pending: the count of labels, the loss, gradients;
 * each is added up once, where an op needs it complete.  A gradient has the
 * layout of what it is the gradient of.  Backward loads what forward had in
 * the layout it needs, so nothing is moved twice.
 *
 * 2D attention is LoongTrain's (arXiv 2406.18485, section 3.2); zigzag pieces
 * balance a causal mask (section 4.2.1).
 *
 * needs: stage a, differentiated, a mesh.  keeps: values and their names.
 * leaves: stage b; attention over context axes is one op still.
 */
#include "config.h"

#include <string.h>

#include "passes/partition.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

/* ------------------------------------------------------------------ types */

bool
partition_infer(struct partition *p, struct op *op)
{
	for (int i = 0; i < op->nout; i++) {
		struct value *v = op->out[i];

		if (v->type)
			v->type = partition_type(p->m, &p->roles, v->type,
			    TOKENS, NULL);
	}
	if (!op_infer_again(p->m, op))
		p->failed = true;
	return !p->failed;
}

/* -------------------------------------------------------------- attention */

/* The first operand that is q-like or k-like, by opcode; -1: no attention. */
static int
query_of(const struct op *op)
{
	return op->code == OP_ATTN ? 0 : op->code == OP_ATTN_BWD ? 1 :
	    op->code == OP_ATTN_DELTA ? 0 : -1;
}

/* q is [b,s,k,g..,d]; without g no group can be spread. */
static struct heads
heads_of(const struct type *q)
{
	struct heads h = {.k = q->rank > 3 ? q->d[2].name : NULL};

	if (q->rank > 4)
		h.g = q->d[3].name;
	return h;
}

/* What backward needs as attention has it, forward has already: saved too. */
static struct value *
from_twin(struct partition *p, struct value *v, enum layout l)
{
	const char *suffix = l == ATTENTION ? "A" : "T";
	struct func *twin = p->f->twin;
	struct op *load = v->def, *save = NULL;
	struct value *there, *here;

	if (!load || load->code != OP_LOAD || !twin)
		return NULL;
	there = func_find(twin, arena_printf(p->m->mem, "%s%s", v->name,
	    suffix));
	for (int i = 0; i < twin->body.n; i++)
		if (twin->body.op[i]->code == OP_SAVE)
			save = twin->body.op[i];
	if (!there || !save)
		return NULL;
	op_add_in(p->m, save, there);
	here = func_value(p->m, p->f, there->name, there->type, v->at);
	op_add_out(p->m, load, here);
	return here;
}

static struct value *
as(struct partition *p, struct value *v, enum layout l, const struct heads *h,
    struct span at)
{
	struct value *x = partition_known(p, v, l, h);

	if (x)
		return x;
	x = from_twin(p, v, l);
	if (x)
		partition_note(p, v, l, x);
	return x ? x : partition_coerce(p, v, l, h, at);
}

static void
set_context(struct partition *p, struct op *op)
{
	if (op->code == OP_ATTN_DELTA || p->roles.nctx == 0)
		return;
	op_set_hops(p->m, op, p->roles.nctx);
	for (int i = 0; i < p->roles.nctx; i++)
		op->hop[i].axis = (uint8_t)p->roles.ctx[i];
}

static void
cut_attention(struct partition *p, struct op *op)
{
	struct heads h = heads_of(arg_type(p->m, &op->in[query_of(op)]));

	for (int i = 0; i < op->nin && !p->failed; i++)
		op->in[i].v = as(p, op->in[i].v, ATTENTION, &h, op->at);
	set_context(p, op);
	if (!p->failed && !op_infer_again(p->m, op))
		p->failed = true;
}

/* ------------------------------------------------------------ reductions */

static axis_set
pending(const struct partition *p, const struct arg *a)
{
	const struct type *t = arg_type(p->m, a);

	return t ? t->pend : 0;
}

/* Right behind what gives v, if that is in this region; else here. */
static void
put_behind(struct partition *p, const struct value *v, struct op *op)
{
	int i = 0;

	while (i < p->r->n && p->r->op[i] != v->def)
		i++;
	region_insert(p->m, p->r, i < p->r->n ? i + 1 : p->at, op);
	p->at++;
}

/* The complete value, added up as soon as it is there. */
static void
complete(struct partition *p, struct op *op, int i)
{
	axis_set pend = pending(p, &op->in[i]);
	struct value *v = op->in[i].v;
	struct op *sum;
	int n = 0;

	if (!pend || op->in[i].kind != ARG_VALUE)
		return;
	sum = op_make(p->m, OP_ALLREDUCE, &op->in[i], 1, 1, v->at);
	op_set_hops(p->m, sum, p->m->naxis);
	for (int a = 0; a < p->m->naxis; a++)
		if (pend >> a & 1)
			sum->hop[n++].axis = (uint8_t)a;
	sum->nhop = (uint8_t)n;
	sum->out[0] = func_value(p->m, p->f, func_fresh(p->m, p->f, v->name),
	    NULL, v->at);
	sum->out[0]->def = sum;
	put_behind(p, v, sum);
	p->failed |= !op_infer(p->m, sum);
	op->in[i] = arg_value(sum->out[0]);
}

/* Rows of the batch that other ranks have. */
static void
collect_rows(struct partition *p, struct op *op, int i)
{
	const struct type *t = arg_type(p->m, &op->in[i]);
	struct value *v = op->in[i].v;
	struct op *all;

	if (p->roles.dp < 0 || t->rank == 0 ||
	    !(dim_axes(&t->d[0]) >> p->roles.dp & 1))
		return;
	all = op_make(p->m, OP_GATHER, &op->in[i], 1, 1, v->at);
	op_set_hops(p->m, all, 1)->axis = (uint8_t)p->roles.dp;
	all->out[0] = func_value(p->m, p->f, func_fresh(p->m, p->f, v->name),
	    NULL, v->at);
	all->out[0]->def = all;
	region_insert(p->m, p->r, p->at++, all);
	p->failed |= !op_infer(p->m, all);
	op->in[i] = arg_value(all->out[0]);
}

/* What the host is given is whole and added up. */
static void
finish_entry(struct partition *p, struct op *ret)
{
	for (int i = 0; i < ret->nin && !p->f->index; i++) {
		complete(p, ret, i);
		collect_rows(p, ret, i);
	}
}

/* ---------------------------------------------------------------- regions */

static void cut_region(struct partition *p, struct region *r);

/* A sum over tokens that starts at zero: each rank adds up its own. */
static void
share_sums(struct partition *p, struct op *loop)
{
	for (int i = 0; i < loop->nin; i++) {
		struct value *init = loop->in[i].v;
		struct type t;

		if (!init->type || init->type->rank || !init->def ||
		    init->def->code != OP_ZEROS)
			continue;
		t = *init->type;
		t.pend = (axis_set)((1u << p->m->naxis) - 1);
		init->type = type_intern(p->m, &t);
	}
}

static void
cut_loop(struct partition *p, struct op *op)
{
	struct region *outer = p->r;
	int at = p->at;

	share_sums(p, op);
	for (int i = 0; i < op->nin; i++)
		op->carry[i]->type = arg_type(p->m, &op->in[i]);
	cut_region(p, &op->body);
	for (int i = 0; i < op->nout; i++)
		op->out[i]->type = op->carry[i]->type;
	p->r = outer;
	p->at = at;
}

/* Results are what the callee returns. */
static void
cut_call(struct partition *p, struct op *op)
{
	const struct op *ret = region_last(&op->callee->body);

	for (int i = 0; i < op->nout; i++)
		op->out[i]->type = arg_type(p->m, &ret->in[i]);
}

static void
cut_load(struct partition *p, struct op *op)
{
	for (int i = 0; i < op->nout; i++)
		op->out[i]->type = func_find(p->f->twin,
		    op->out[i]->name)->type;
}

/* Operands as tokens lie; saved values stay as they are. */
static void
tokens_in(struct partition *p, struct op *op)
{
	struct heads h;

	for (int i = 0; i < op->nin && op->code != OP_SAVE; i++) {
		struct arg *a = &op->in[i];

		if (a->kind != ARG_VALUE || a->v->bundle || p->failed)
			continue;
		h = heads_of(a->v->type);
		a->v = as(p, a->v, TOKENS, &h, op->at);
	}
}

static void
cut_op(struct partition *p, struct op *op)
{
	if (query_of(op) >= 0) {
		cut_attention(p, op);
		return;
	}
	tokens_in(p, op);
	if (op->code == OP_RECIP && !p->failed)
		complete(p, op, 0);
	if (op->code == OP_RETURN && !p->failed)
		finish_entry(p, op);
	if (p->failed)
		return;
	if (op->code == OP_FOR)
		cut_loop(p, op);
	else if (op->code == OP_CALL)
		cut_call(p, op);
	else if (op->code == OP_LOAD)
		cut_load(p, op);
	else if (op->nout)
		partition_infer(p, op);
}

static void
cut_region(struct partition *p, struct region *r)
{
	p->r = r;
	for (p->at = 0; p->at < r->n && !p->failed; p->at++)
		cut_op(p, r->op[p->at]);
}

static void
keep_saved(struct func *twin, const char *name, bool keep)
{
	for (int i = 0; i < twin->body.n; i++) {
		struct op *save = twin->body.op[i];
		int n = 0;

		for (int j = 0; save->code == OP_SAVE && j < save->nin; j++)
			if (keep || save->in[j].v->name != name)
				save->in[n++] = save->in[j];
		if (save->code == OP_SAVE)
			save->nin = n;
	}
}

/* Loaded values that nobody reads are not saved either. */
static void
drop_unused(struct partition *p)
{
	for (int i = 0; i < p->f->body.n && p->f->twin; i++) {
		struct op *load = p->f->body.op[i];
		int n = 0;

		for (int j = 0; load->code == OP_LOAD && j < load->nout; j++) {
			struct value *v = load->out[j];
			bool keep = count_uses(p->f, v) > 0;

			keep_saved(p->f->twin, v->name, keep);
			if (keep)
				load->out[n++] = v;
		}
		if (load->code == OP_LOAD)
			load->nout = n;
	}
}

static void
cut_func(struct partition *p, struct func *f)
{
	p->f = f;
	p->nversion = 0;
	for (int i = 0; i < f->nparam; i++)
		f->param[i]->type = partition_type(p->m, &p->roles,
		    f->param[i]->type, TOKENS, NULL);
	cut_region(p, &f->body);
	if (!p->failed)
		drop_unused(p);
}

/* -------------------------------------------------------------- gradients */

static struct bundle *
reduced(struct module *m, struct bundle *g)
{
	struct bundle *r = module_derive_bundle(m, arena_printf(m->mem, "R%s",
	    g->of->name), g->of, ROLE_GRAD, (enum dtype)g->dtype);

	r->over = g;
	return r;
}

static void
use_reduced(struct op *op, void *arg)
{
	struct bundle **to = arg; /* what, by what */

	for (int i = 0; i < op->nin && (op->code == OP_SUMSQ ||
	    op->code == OP_ADAMW); i++)
		if (op->in[i].kind == ARG_BUNDLE && op->in[i].b == to[0])
			op->in[i].b = to[1];
}

static int
first_sumsq(const struct region *r)
{
	int i = 0;

	while (i < r->n && r->op[i]->code != OP_SUMSQ &&
	    r->op[i]->code != OP_ADAMW)
		i++;
	return i;
}

/* @RW = allreduce @GW, once a step, after the last microbatch. */
static void
add_up(struct partition *p, struct func *step, struct bundle *g, int at)
{
	struct module *m = p->m;
	struct bundle *pair[2] = {g, reduced(m, g)};
	struct op *op = op_make(m, OP_ALLREDUCE, (struct arg[]){arg_bundle(g)},
	    1, 1, step->at);
	struct value *v = func_value(m, step, NULL, NULL, step->at);

	op_set_hops(m, op, m->naxis);
	for (int i = 0; i < m->naxis; i++)
		op->hop[i].axis = (uint8_t)i;
	op->has_target = true;
	op->target = arg_bundle(pair[1]);
	v->bundle = pair[1];
	v->dtype = pair[1]->dtype;
	op->out[0] = v;
	region_walk(&step->body, use_reduced, pair);
	region_insert(m, &step->body, at, op);
}

static void
add_up_all(struct partition *p)
{
	struct func *step = module_func(p->m, "step");
	int at = step ? first_sumsq(&step->body) : 0, n = p->m->nbundle;

	for (int i = 0; step && i < n; i++)
		if (p->m->bundle[i]->role == ROLE_GRAD &&
		    at < step->body.n)
			add_up(p, step, p->m->bundle[i], at++);
}

/* --------------------------------------------------------------- the pass */

/* A band is as much work everywhere: no need to pair pieces. */
static void
see_mask(struct op *op, void *arg)
{
	bool *window = arg;

	if (op->code == OP_ATTN && op_int(op, ATTR_MASK) != 2)
		*window = false;
}

static bool
all_windows(const struct module *m)
{
	bool window = true;

	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, see_mask, &window);
	return window;
}

static int
partition(struct module *m)
{
	struct partition p = {.m = m};

	if (m->naxis == 0)
		return 0;
	if (!partition_roles(m, &p.roles))
		return 1;
	p.roles.zigzag = !all_windows(m);
	m->stage = 'b';
	for (int i = 0; i < m->nbundle; i++)
		if (m->bundle[i]->role == ROLE_GRAD)
			m->bundle[i]->pend = (axis_set)((1u << m->naxis) - 1);
	add_up_all(&p);
	for (int i = 0; i < m->nfunc && !p.failed; i++)
		cut_func(&p, m->func[i]);
	return p.failed;
}

const struct pass pass_partition = {
	.name = "partition",
	.summary = "one program for all ranks: tokens cut over the mesh, heads "
	    "for attention",
	.run = partition,
};
