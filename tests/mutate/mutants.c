/* Mutations of modules, each a bug for certain where it applies. */
#include "config.h"

#include "tests/mutate/mutate.h"

#include <string.h>

#include "passes/rewrite.h"

bool
mut_here(struct mut *x, const struct op *op)
{
	const struct value *v = op->nout ? op->out[0] : NULL;

	if (x->left-- > 0)
		return false;
	x->where = arena_printf(x->m->mem, "fn %s: %s%s%s", x->f->name,
	    v && v->name ? v->name : "", v && v->name ? " = " : "",
	    op_info[op->code].name);
	return true;
}

static bool
walk(struct mut *x, struct region *r, mutation *fn)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		x->r = r;
		x->at = i;
		if (fn(x, op))
			return true;
		if (op->code == OP_FOR && walk(x, &op->body, fn))
			return true;
	}
	return false;
}

bool
mut_apply(struct module *m, mutation *fn, int site, const char **where)
{
	struct mut x = {.m = m, .left = site};

	for (int i = 0; i < m->nfunc; i++) {
		x.f = m->func[i];
		if (walk(&x, &x.f->body, fn)) {
			*where = x.where;
			return true;
		}
	}
	return false;
}

/* ---- helpers ---- */

static bool
is_comm(const struct op *op)
{
	return op_info[op->code].group == GROUP_COMM && op->code != OP_WAIT;
}

static bool
of_value(const struct op *op, int i)
{
	return i < op->nin && op->in[i].kind == ARG_VALUE && op->in[i].v->type;
}

static void
remove_op(struct mut *x)
{
	memmove(&x->r->op[x->at], &x->r->op[x->at + 1],
	    (size_t)(x->r->n - x->at - 1) * sizeof *x->r->op);
	x->r->n--;
}

/* What is left of op: its operands under its results' names. */
static void
pass_through(struct mut *x, struct op *op)
{
	for (int i = 0; i < op->nout && i < op->nin; i++)
		replace_uses(x->f, op->out[i], op->in[i].v);
	remove_op(x);
}

static bool
same_type(const struct op *op, int i, int j)
{
	return of_value(op, i) && of_value(op, j) &&
	    op->in[i].v->type == op->in[j].v->type &&
	    op->in[i].v != op->in[j].v;
}

static void
swap_in(struct op *op, int i, int j)
{
	struct arg a = op->in[i];

	op->in[i] = op->in[j];
	op->in[j] = a;
}

/* ---- collectives ---- */

bool
axis_lost(struct mut *x, struct op *op)
{
	if (!is_comm(op) || op->nhop < 1 || op->code == OP_SHIFT ||
	    !mut_here(x, op))
		return false;
	op->nhop--;
	return true;
}

bool
axis_other(struct mut *x, struct op *op)
{
	int a = 0;

	while (a < x->m->naxis && op_axes(op) >> a & 1)
		a++;
	if (!is_comm(op) || op->code == OP_SHIFT || a == x->m->naxis ||
	    !mut_here(x, op))
		return false;
	op->hop[0].axis = (uint8_t)a;
	return true;
}

bool
axis_order(struct mut *x, struct op *op)
{
	struct hop h;

	if (!is_comm(op) || op->nhop < 2 ||
	    (op->code != OP_GATHER && op->code != OP_RSCATTER) ||
	    !mut_here(x, op))
		return false;
	h = op->hop[0];
	op->hop[0] = op->hop[1];
	op->hop[1] = h;
	return true;
}

bool
hops_swapped(struct mut *x, struct op *op)
{
	const char *to;

	if (op->code != OP_A2A || op->nhop < 2 ||
	    op->hop[0].to == op->hop[1].to || !mut_here(x, op))
		return false;
	to = op->hop[0].to;
	op->hop[0].to = op->hop[1].to;
	op->hop[1].to = to;
	return true;
}

bool
dim_other(struct mut *x, struct op *op)
{
	const struct type *t = of_value(op, 0) ? op->in[0].v->type : NULL;

	if (op->code != OP_A2A || !t)
		return false;
	for (int i = t->rank - 1; i >= 0; i--)
		if (t->d[i].name != op->hop[0].to &&
		    t->d[i].name != op->hop[0].from) {
			if (!mut_here(x, op))
				return false;
			op->hop[0].to = t->d[i].name;
			return true;
		}
	return false;
}

bool
comm_dropped(struct mut *x, struct op *op)
{
	if (!is_comm(op) || op->code == OP_SHIFT || op->has_target ||
	    !of_value(op, 0) || !mut_here(x, op))
		return false;
	pass_through(x, op);
	return true;
}

bool
replica_lost(struct mut *x, struct op *op)
{
	struct type t;

	if (op->code != OP_ATTN_BWD || !op->out[1]->type->pend ||
	    !mut_here(x, op))
		return false;
	t = *op->out[1]->type;
	t.pend = 0;
	op->out[1]->type = type_intern(x->m, &t);
	return true;
}

bool
recip_local(struct mut *x, struct op *op)
{
	struct op *sum;

	if (op->code != OP_RECIP || !op->in[0].v->def)
		return false;
	sum = op->in[0].v->def;
	if (sum->code != OP_ALLREDUCE || !mut_here(x, op))
		return false;
	op->in[0] = sum->in[0];
	return true;
}

bool
return_local(struct mut *x, struct op *op)
{
	if (op->code != OP_RETURN || strcmp(x->f->name, "step") != 0 ||
	    !op->in[0].v->def || op->in[0].v->def->code != OP_ALLREDUCE ||
	    !mut_here(x, op))
		return false;
	op->in[0] = op->in[0].v->def->in[0];
	return true;
}

bool
sum_dropped(struct mut *x, struct op *op)
{
	if (!is_comm(op) || !op->has_target || !mut_here(x, op))
		return false;
	remove_op(x);
	return true;
}

static struct bundle *
under(const struct bundle *b)
{
	return b->over;
}

bool
sumsq_local(struct mut *x, struct op *op)
{
	if (op->code != OP_SUMSQ || !under(op->in[0].b) || !mut_here(x, op))
		return false;
	op->in[0].b = under(op->in[0].b);
	return true;
}

bool
adamw_local(struct mut *x, struct op *op)
{
	if (op->code != OP_ADAMW || !under(op->in[1].b) || !mut_here(x, op))
		return false;
	op->in[1].b = under(op->in[1].b);
	return true;
}

bool
norm_local(struct mut *x, struct op *op)
{
	struct op *sum = op->nin == 1 && op->in[0].kind == ARG_VALUE ?
	    op->in[0].v->def : NULL;

	if (op->code != OP_SQRT || !sum || sum->code != OP_ALLREDUCE ||
	    !mut_here(x, op))
		return false;
	op->in[0] = sum->in[0];
	return true;
}

/* ---- types ---- */

bool
pend_lost(struct mut *x, struct op *op)
{
	struct type t;

	if (!op->nout || op->out[0]->bundle || !op->out[0]->type->pend ||
	    is_comm(op) || op->code == OP_LOAD || op->code == OP_FOR ||
	    op->code == OP_CALL || !mut_here(x, op))
		return false;
	t = *op->out[0]->type;
	t.pend = 0;
	op->out[0]->type = type_intern(x->m, &t);
	return true;
}

bool
pend_bundle(struct mut *x, struct op *op)
{
	struct bundle *b = op->has_target && op->target.kind == ARG_BUNDLE ?
	    op->target.b : NULL;

	if (!b || b->role != ROLE_GRAD || !b->pend || !mut_here(x, op))
		return false;
	b->pend = 0;
	return true;
}

bool
zigzag_lost(struct mut *x, struct op *op)
{
	struct type t;
	bool any = false;

	if (!op->nout || op->out[0]->bundle || op->code == OP_LOAD ||
	    op->code == OP_FOR || op->code == OP_CALL)
		return false;
	t = *op->out[0]->type;
	for (int i = 0; i < t.rank; i++)
		for (int j = 0; j < t.d[i].n; j++)
			if (t.d[i].s[j].kind == SHARD_ZIGZAG) {
				t.d[i].s[j].kind = SHARD_BLOCK;
				any = true;
			}
	if (!any || !mut_here(x, op))
		return false;
	op->out[0]->type = type_intern(x->m, &t);
	return true;
}

/* ---- values ---- */

static struct value *
tokens(const struct mut *x, const struct value *lab)
{
	struct value *v = lab->name && strcmp(lab->name, "lab") == 0 ?
	    func_find(x->f, module_namez(x->m, "tok")) : NULL;

	return v && v->type == lab->type ? v : NULL;
}

static bool
labels_at(struct mut *x, struct op *op, int i)
{
	struct value *tok = of_value(op, i) ? tokens(x, op->in[i].v) : NULL;

	if (!tok || !mut_here(x, op))
		return false;
	op->in[i].v = tok;
	return true;
}

bool
label_other(struct mut *x, struct op *op)
{
	return (op->code == OP_XENT_DOT && labels_at(x, op, 2)) ||
	    (op->code == OP_XENT_DOT_BWD && labels_at(x, op, 3));
}

bool
count_other(struct mut *x, struct op *op)
{
	return op->code == OP_LABELS && labels_at(x, op, 0);
}

bool
rope_lost(struct mut *x, struct op *op)
{
	if ((op->code != OP_ROPE && op->code != OP_ROPE_BWD) ||
	    !mut_here(x, op))
		return false;
	pass_through(x, op);
	return true;
}

bool
rope_base(struct mut *x, struct op *op)
{
	if ((op->code != OP_ROPE && op->code != OP_ROPE_BWD) ||
	    !mut_here(x, op))
		return false;
	op_set_real(x->m, op, ATTR_BASE, 2 * op_real(op, ATTR_BASE));
	return true;
}

/* Another value of the type, made before in the region; none: NULL. */
static struct value *
other(const struct mut *x, const struct op *op, int i)
{
	for (int j = 0; j < x->at; j++)
		for (int k = 0; k < x->r->op[j]->nout; k++) {
			struct value *v = x->r->op[j]->out[k];
			bool used = false;

			for (int n = 0; n < op->nin; n++)
				used |= op->in[n].v == v;
			if (!used && v->name && !v->future &&
			    v->type == op->in[i].v->type)
				return v;
		}
	return NULL;
}

static bool
read_other(struct mut *x, struct op *op, int i)
{
	struct value *v = of_value(op, i) ? other(x, op, i) : NULL;

	if (!v || !mut_here(x, op))
		return false;
	op->in[i].v = v;
	return true;
}

bool
operand_other(struct mut *x, struct op *op)
{
	return op->code == OP_ADD && read_other(x, op, 1);
}

bool
recompute_other(struct mut *x, struct op *op)
{
	return strstr(x->f->name, ".bwd") && (op->code == OP_RMSNORM ||
	    op->code == OP_SWIGLU || op->code == OP_ROPE) &&
	    read_other(x, op, 0);
}

bool
sign(struct mut *x, struct op *op)
{
	if (op->code != OP_ADD || !mut_here(x, op))
		return false;
	op->code = OP_SUB;
	return true;
}

/* ---- rings ---- */

bool
hop_dropped(struct mut *x, struct op *op)
{
	if (op->code != OP_SHIFT || !mut_here(x, op))
		return false;
	pass_through(x, op);
	return true;
}

bool
hop_far(struct mut *x, struct op *op)
{
	if (op->code != OP_SHIFT || !mut_here(x, op))
		return false;
	op->hop[0].by++;
	return true;
}

bool
hop_back(struct mut *x, struct op *op)
{
	if (op->code != OP_SHIFT ||
	    x->m->axis[op->hop[0].axis].size == 2 || !mut_here(x, op))
		return false;
	op->hop[0].by = -op->hop[0].by;
	return true;
}

bool
hop_when(struct mut *x, struct op *op)
{
	if (op->code != OP_SHIFT || !op->when.set || !mut_here(x, op))
		return false;
	op->when.b.k--;
	return true;
}

/* The guard of another shift of the loop on one that had none. */
bool
hop_guarded(struct mut *x, struct op *op)
{
	if (op->code != OP_SHIFT || op->when.set)
		return false;
	for (int i = 0; i < x->r->n; i++)
		if (x->r->op[i]->code == OP_SHIFT && x->r->op[i]->when.set) {
			if (!mut_here(x, op))
				return false;
			op->when = x->r->op[i]->when;
			return true;
		}
	return false;
}

static bool
swap_alike(struct mut *x, struct op *op)
{
	for (int i = 0; i + 1 < op->nin; i++)
		if (same_type(op, i, i + 1)) {
			if (!mut_here(x, op))
				return false;
			swap_in(op, i, i + 1);
			return true;
		}
	return false;
}

bool
yield_swapped(struct mut *x, struct op *op)
{
	return op->code == OP_YIELD && swap_alike(x, op);
}

bool
init_swapped(struct mut *x, struct op *op)
{
	return op->code == OP_FOR && swap_alike(x, op);
}

bool
operands_swapped(struct mut *x, struct op *op)
{
	return op->code == OP_SHIFT && swap_alike(x, op);
}

/* Yields the last carry of the loop itself, not what came of it. */
bool
yield_stale(struct mut *x, struct op *op)
{
	struct value *carry = NULL;

	if (op->code != OP_YIELD || op->nin == 0)
		return false;
	for (int i = 0; i < x->f->nvalue; i++) {
		struct value *v = x->f->value[i];

		if (v && !v->def && v->type && v->name &&
		    of_value(op, op->nin - 1) &&
		    v->type->rank == op->in[op->nin - 1].v->type->rank)
			for (int j = 0; j < x->r->n; j++)
				for (int k = 0; k < x->r->op[j]->nin; k++)
					if (x->r->op[j]->in[k].v == v &&
					    x->r->op[j]->code == OP_SHIFT)
						carry = v;
	}
	if (!carry || !mut_here(x, op))
		return false;
	op->in[op->nin - 1].v = carry;
	return true;
}

static bool
is_step(const struct op *op)
{
	return op->code == OP_ATTN_STEP || op->code == OP_ATTN_STEP_BWD;
}

bool
step_swapped(struct mut *x, struct op *op)
{
	int k = op->code == OP_ATTN_STEP_BWD ? 2 : 1;

	if (!is_step(op) || !same_type(op, k, k + 1) || !mut_here(x, op))
		return false;
	swap_in(op, k, k + 1);
	return true;
}

bool
mask_other(struct mut *x, struct op *op)
{
	if (!is_step(op) || !mut_here(x, op))
		return false;
	op_set_int(x->m, op, ATTR_MASK, 1);
	return true;
}

bool
scale_other(struct mut *x, struct op *op)
{
	if (!is_step(op) || !mut_here(x, op))
		return false;
	op_set_real(x->m, op, ATTR_SCALE, 1.25);
	return true;
}

bool
lse_zero(struct mut *x, struct op *op)
{
	if (op->code != OP_NEGINF || !mut_here(x, op))
		return false;
	op->code = OP_ZEROS;
	return true;
}

bool
loop_short(struct mut *x, struct op *op)
{
	if (op->code != OP_FOR || op->hi.dim == NULL ||
	    module_axis(x->m, op->hi.dim) < 0 || !mut_here(x, op))
		return false;
	op->hi.k--;
	return true;
}

/* Accumulators go on as they were. */
bool
step_dropped(struct mut *x, struct op *op)
{
	if (!is_step(op) || !mut_here(x, op))
		return false;
	for (int i = 0; i < op->nout; i++)
		replace_uses(x->f, op->out[i],
		    op->in[op->nin - op->into + i].v);
	remove_op(x);
	return true;
}

bool
window_other(struct mut *x, struct op *op)
{
	if (!is_step(op) || !op_attr(op, ATTR_WINDOW) || !mut_here(x, op))
		return false;
	op_set_int(x->m, op, ATTR_WINDOW, op_int(op, ATTR_WINDOW) + 1);
	return true;
}

bool
part_short(struct mut *x, struct op *op)
{
	if (op->code != OP_PART ||
	    op_int(op, ATTR_TO) - op_int(op, ATTR_FROM) < 2 ||
	    !mut_here(x, op))
		return false;
	op_set_int(x->m, op, ATTR_FROM, op_int(op, ATTR_FROM) + 1);
	return true;
}

/* ---- state ---- */

static bool
to_first(struct arg *a)
{
	if (!a->indexed || a->index.n == 0)
		return false;
	a->index = affine_const(0);
	return true;
}

bool
layer_first(struct mut *x, struct op *op)
{
	if ((op->code != OP_GATHER && op->code != OP_PARAMS) ||
	    op->in[0].kind != ARG_BUNDLE || op->in[0].index.n == 0 ||
	    !mut_here(x, op))
		return false;
	return to_first(&op->in[0]);
}

bool
accum_first(struct mut *x, struct op *op)
{
	if (!op->has_target || op->target.kind != ARG_BUNDLE ||
	    op->target.index.n == 0 || !mut_here(x, op))
		return false;
	return to_first(&op->target);
}

bool
accum_set(struct mut *x, struct op *op)
{
	if (!op->has_target || !op->target_add ||
	    op->target.kind != ARG_BUNDLE || !mut_here(x, op))
		return false;
	op->target_add = false;
	return true;
}

bool
call_first(struct mut *x, struct op *op)
{
	if (op->code != OP_CALL || op->index.n == 0 || !mut_here(x, op))
		return false;
	op->index = affine_const(0);
	return true;
}

bool
loop_forward(struct mut *x, struct op *op)
{
	if (op->code != OP_FOR || !op->rev || !mut_here(x, op))
		return false;
	op->rev = false;
	return true;
}

/* ---- schedule ---- */

bool
wait_lost(struct mut *x, struct op *op)
{
	if (op->code != OP_WAIT || !mut_here(x, op))
		return false;
	pass_through(x, op);
	return true;
}

static bool
reads(const struct op *op, const struct op *maker)
{
	for (int i = 0; i < op->nin; i++)
		for (int j = 0; j < maker->nout; j++)
			if ((op->in[i].kind == ARG_VALUE ||
			    op->in[i].kind == ARG_FIELD) &&
			    op->in[i].v == maker->out[j])
				return true;
	return false;
}

static void
move_op(struct mut *x, int to)
{
	struct op *op = x->r->op[x->at];
	int at = x->at, way = to > at ? 1 : -1;

	for (; at != to; at += way)
		x->r->op[at] = x->r->op[at + way];
	x->r->op[to] = op;
}

bool
wait_late(struct mut *x, struct op *op)
{
	int reader = x->at + 1;

	if (op->code != OP_WAIT)
		return false;
	while (reader < x->r->n && !reads(x->r->op[reader], op))
		reader++;
	if (reader >= x->r->n - 1 || !mut_here(x, op))
		return false;
	move_op(x, reader);
	return true;
}

bool
start_early(struct mut *x, struct op *op)
{
	int maker = x->at - 1;

	if (!is_comm(op) || !op->nout || !op->out[0]->future)
		return false;
	while (maker >= 0 && !reads(op, x->r->op[maker]))
		maker--;
	if (maker < 0 || !mut_here(x, op))
		return false;
	move_op(x, maker);
	return true;
}

/* ---- memory ---- */

static bool
placed(const struct value *v)
{
	return v->slot != NULL && v->type;
}

static void
place_at(struct value *v, const struct value *there)
{
	v->slot = there->slot;
	v->slot_indexed = there->slot_indexed;
	v->slot_index = there->slot_index;
}

bool
receive_source(struct mut *x, struct op *op)
{
	struct op *wait = NULL;

	if (op->code != OP_SHIFT && op->code != OP_A2A)
		return false;
	for (int i = 0; i < x->r->n; i++)
		if (x->r->op[i]->code == OP_WAIT && reads(x->r->op[i], op))
			wait = x->r->op[i];
	if (!wait || !of_value(op, 0) || !placed(op->in[0].v) ||
	    !placed(op->out[0]) || op->out[0]->type == NULL ||
	    !mut_here(x, op))
		return false;
	place_at(op->out[0], op->in[0].v);
	for (int i = 0; i < wait->nin; i++)
		if (wait->in[i].v == op->out[0])
			place_at(wait->out[i], op->in[0].v);
	return true;
}

static struct value *
in_turn(struct op *op)
{
	for (int i = 0; i < op->nout && is_comm(op); i++)
		if (op->out[i]->slot_indexed && op->out[i]->slot_index.mod > 1 &&
		    op->out[i]->slot_index.n > 0)
			return op->out[i];
	return NULL;
}

bool
parity(struct mut *x, struct op *op)
{
	struct value *v = in_turn(op);

	if (!v || op->code == OP_WAIT || !mut_here(x, op))
		return false;
	v->slot_index.k++;
	return true;
}

bool
one_place(struct mut *x, struct op *op)
{
	struct value *v = in_turn(op);

	if (!v || op->code == OP_WAIT || !mut_here(x, op))
		return false;
	v->slot_index = affine_const(0);
	for (int i = 0; i < x->f->nvalue; i++)
		if (x->f->value[i] && x->f->value[i]->slot == v->slot)
			x->f->value[i]->slot_index = affine_const(0);
	return true;
}

bool
saved_first(struct mut *x, struct op *op)
{
	struct value *v = op->nout ? op->out[0] : NULL;

	if (!v || !x->f->index || op->code == OP_LOAD || !v->slot_indexed ||
	    v->slot_index.mod || v->slot_index.n == 0 || op->code == OP_FOR ||
	    v->future || op->code == OP_WAIT || op->into || !mut_here(x, op))
		return false;
	for (int i = 0; i < x->m->nfunc; i++)
		for (int j = 0; j < x->m->func[i]->nvalue; j++) {
			struct value *w = x->m->func[i]->value[j];

			if (w && w->slot == v->slot)
				w->slot_index = affine_const(0);
		}
	return true;
}

bool
result_operand(struct mut *x, struct op *op)
{
	if (op->code != OP_DOT || op->into || op->has_target ||
	    !of_value(op, 0) || !placed(op->in[0].v) ||
	    !placed(op->out[0]) || op->in[0].v->slot_indexed ||
	    type_local_bytes(x->m, op->out[0]->type) >
	    type_local_bytes(x->m, op->in[0].v->type) || !mut_here(x, op))
		return false;
	place_at(op->out[0], op->in[0].v);
	return true;
}

bool
slot_moved(struct mut *x, struct op *op)
{
	struct slot *from, *to;

	if (op->code != OP_SHIFT || !of_value(op, 0) ||
	    !placed(op->in[0].v) || !placed(op->out[0]))
		return false;
	from = module_slot(x->m, op->in[0].v->slot);
	to = module_slot(x->m, op->out[0]->slot);
	if (from == to || from->arena != ARENA_ACT || to->arena != ARENA_ACT ||
	    !mut_here(x, op))
		return false;
	to->offset = from->offset;
	to->stride = from->stride;
	return true;
}

bool
arena_small(struct mut *x, struct op *op)
{
	static const enum arena_id arena[] = {ARENA_ACT, ARENA_KEEP};

	if (x->at != 0 || x->left > 1)
		return false;
	x->m->arena_size[arena[x->left]]--;
	x->left = 0;
	return mut_here(x, op);
}

/* A result that is made while a transfer is in flight, in its source. */
bool
source_written(struct mut *x, struct op *op)
{
	if (!is_comm(op) || !op->nout || !op->out[0]->future ||
	    !of_value(op, 0) || !placed(op->in[0].v))
		return false;
	for (int i = x->at + 1; i < x->r->n; i++) {
		struct op *next = x->r->op[i];

		if (next->code == OP_WAIT && reads(next, op))
			return false;
		if (next->code != OP_DOT || next->has_target || next->into ||
		    !placed(next->out[0]) ||
		    type_local_bytes(x->m, next->out[0]->type) >
		    type_local_bytes(x->m, op->in[0].v->type))
			continue;
		if (!mut_here(x, op))
			return false;
		place_at(next->out[0], op->in[0].v);
		return true;
	}
	return false;
}
