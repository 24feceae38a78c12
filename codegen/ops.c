/* Single ops as statements of the host: calls of the runtime, moves. */
#include "config.h"

#include <inttypes.h>

#include "codegen/host.h"
#include "codegen/layout.h"
#include "codegen/target.h"
#include "ir/group.h"

static uint64_t
bytes_of(struct emit *e, const struct value *v)
{
	return type_local_bytes(e->m, v->type);
}

static void
emit_nothing(struct emit *e, const struct op *op)
{
	(void)e;
	(void)op;
}

/* Fields are written later; one in flight stands for no transfer at all. */
static void
emit_local(struct emit *e, const struct op *op)
{
	if (op->out[0]->future)
		emit_both(e, "lt_token %s = 0;", emit_token(e, op->out[0]));
}

static void
emit_zeros(struct emit *e, const struct op *op)
{
	const struct type *t = op->out[0]->type;

	if (t->dtype == DT_F32)
		emit_line(e, "%s%s, 0, %" PRIu64 ");", emit_callee(e, CALL_SET),
		    emit_result_ptr(e, op, 0), type_local_count(e->m, t));
	else
		emit_zero_bytes(e, emit_result_ptr(e, op, 0),
		    bytes_of(e, op->out[0]));
}

static void
emit_neginf(struct emit *e, const struct op *op)
{
	emit_line(e, "%s%s, -INFINITY, %" PRIu64 ");", emit_callee(e, CALL_SET),
	    emit_result_ptr(e, op, 0), type_local_count(e->m, op->out[0]->type));
}

/* Other names for the dims, the same elements in the same order. */
static void
emit_rename(struct emit *e, const struct op *op)
{
	emit_memcpy(e, "", emit_result_ptr(e, op, 0),
	    emit_arg_ptr(e, &op->in[0]), bytes_of(e, op->out[0]));
}

static void
emit_iota(struct emit *e, const struct op *op)
{
	const struct type *t = op->out[0]->type;

	emit_line(e, "lt_iota(%s, (const struct lt_runs[]){%s});",
	    emit_result_ptr(e, op, 0), emit_runs(e, &t->d[0]));
}

/* An address inside the operand. */
static void
emit_take(struct emit *e, const struct op *op)
{
	e->place[op->out[0]->id] = arena_printf(e->m->mem,
	    "%s + (size_t)(%s) * %" PRIu64, emit_arg_ptr(e, &op->in[0]),
	    emit_affine(e, &op->index),
	    type_local_count(e->m, op->out[0]->type));
}

struct span_of
emit_part_of(struct emit *e, const struct type *whole, const struct type *part)
{
	struct span_of s = {.outer = 1};
	uint64_t rows;
	int i = 0;

	while (i + 1 < part->rank && dim_equal(&whole->d[i], &part->d[i]))
		s.outer *= dim_local_size(e->m, &whole->d[i++]);
	rows = dim_local_size(e->m, &part->d[i]);
	s.all = type_local_count(e->m, whole) / s.outer;
	s.n = type_local_count(e->m, part) / s.outer;
	s.from = part->d[i].s[part->d[i].n - 1].from * (s.n / rows);
	return s;
}

static void
emit_part(struct emit *e, const struct op *op)
{
	const struct type *t = arg_type(e->m, &op->in[0]);
	struct span_of s = emit_part_of(e, t, op->out[0]->type);
	uint64_t size = dtype_size[t->dtype];

	emit_line(e, "for (long i = 0; i < %" PRIu64 "; i++)", s.outer);
	emit_line(e, "\tmemcpy((char *)%s + i * %" PRIu64 ", (const char *)%s "
	    "+ i * %" PRIu64 " + %" PRIu64 ", %" PRIu64 ");",
	    emit_result_ptr(e, op, 0), s.n * size,
	    emit_arg_ptr(e, &op->in[0]), s.all * size, s.from * size,
	    s.n * size);
}

static void
emit_part_add(struct emit *e, const struct op *op)
{
	struct span_of s = emit_part_of(e, op->out[0]->type,
	    arg_type(e->m, &op->in[0]));

	emit_copy_if_moved(e, op->out[0], NULL, op->in[1].v, NULL);
	emit_line(e, "for (long i = 0; i < %" PRIu64 "; i++)", s.outer);
	emit_line(e, "\tfor (long j = 0; j < %" PRIu64 "; j++)", s.n);
	emit_line(e, "\t\t(%s)[i * %" PRIu64 " + %" PRIu64 " + j] += "
	    "(%s)[i * %" PRIu64 " + j];", emit_result_ptr(e, op, 0), s.all,
	    s.from, emit_arg_ptr(e, &op->in[0]), s.n);
}

struct pick_of
emit_pick_row(struct emit *e, const struct op *op)
{
	const struct type *t = arg_type(e->m, &op->in[0]);
	int i = type_find(t, op_dim(op, ATTR_OVER));
	struct pick_of p = {1, dim_local_size(e->m, &t->d[i]),
	    dtype_size[t->dtype]};

	for (int j = 0; j < i; j++)
		p.outer *= dim_local_size(e->m, &t->d[j]);
	for (int j = i + 1; j < t->rank; j++)
		p.bytes *= dim_local_size(e->m, &t->d[j]);
	emit_line(e, "{");
	e->indent++;
	emit_line(e, "const struct lt_runs at = %s;", emit_runs(e, &t->d[i]));
	emit_line(e, "const int64_t row = lt_find(&at, (uint64_t)rt->at);\n");
	return p;
}

static void
emit_pick(struct emit *e, const struct op *op)
{
	struct pick_of p = emit_pick_row(e, op);

	emit_line(e, "memset(%s, 0, %" PRIu64 ");", emit_result_ptr(e, op, 0),
	    p.outer * p.bytes);
	emit_line(e, "for (long i = 0; row >= 0 && i < %" PRIu64 "; i++)",
	    p.outer);
	emit_line(e, "\tmemcpy((char *)%s + i * %" PRIu64 ", (const char *)%s "
	    "+ (i * %" PRIu64 " + row) * %" PRIu64 ", %" PRIu64 ");",
	    emit_result_ptr(e, op, 0), p.bytes, emit_arg_ptr(e, &op->in[0]),
	    p.n, p.bytes, p.bytes);
	e->indent--;
	emit_line(e, "}");
}

static uint64_t
table_width(struct emit *e, const struct type *t)
{
	return type_local_count(e->m, t) / dim_local_size(e->m, &t->d[0]);
}

static void
emit_embed(struct emit *e, const struct op *op)
{
	const struct type *t = arg_type(e->m, &op->in[0]);
	bool round = emit_arg_dtype(e, &op->in[0]) != (enum dtype)t->dtype;

	emit_line(e, "%s%" PRIu64 ", %" PRIu64 ", %s, %s, %s);",
	    emit_callee(e, round ? CALL_EMBED_ROUND : CALL_EMBED),
	    type_local_count(e->m, op->in[1].v->type),
	    table_width(e, t) * (round ? 1 : dtype_size[t->dtype]),
	    emit_arg_ptr(e, &op->in[0]), emit_arg_ptr(e, &op->in[1]),
	    emit_result_ptr(e, op, 0));
}

static void
emit_embed_bwd(struct emit *e, const struct op *op)
{
	const struct type *t = op->out[0]->type;

	if (!op->target_add)
		emit_zeros(e, op);
	emit_line(e, "%s%" PRIu64 ", %" PRIu64 ", %" PRIu64
	    ", %s, %s, %s, %s);", emit_callee(e, CALL_EMBED_BWD),
	    type_local_count(e->m, op->in[1].v->type),
	    dim_local_size(e->m, &t->d[0]), table_width(e, t),
	    emit_ltype((enum dtype)arg_type(e->m, &op->in[0])->dtype),
	    emit_arg_ptr(e, &op->in[0]), emit_arg_ptr(e, &op->in[1]),
	    emit_result_ptr(e, op, 0));
}

static void
emit_count(struct emit *e, const struct op *op)
{
	emit_line(e, "*%s = lt_count(%" PRIu64 ", %s, %" PRId64 ");",
	    emit_result_ptr(e, op, 0),
	    type_local_count(e->m, op->in[0].v->type),
	    emit_arg_ptr(e, &op->in[0]), op_int(op, ATTR_IGNORE));
}

static void
emit_amax(struct emit *e, const struct op *op)
{
	emit_line(e, "lt_amax(rt->pool, %" PRIu64 ", %s, %s);",
	    type_local_count(e->m, arg_type(e->m, &op->in[0])),
	    emit_arg_ptr(e, &op->in[0]), emit_result_ptr(e, op, 0));
}

/* How many dims of x moved behind the others to make t. */
static int
moved_dims(const struct type *x, const struct type *t)
{
	int by = 0;

	while (by < x->rank && x->d[by].name != t->d[0].name)
		by++;
	return by == x->rank ? 0 : by;
}

/* One layout or both at once: [first dims][others] and the other way round. */
static void
emit_round(struct emit *e, const struct op *op, int plain, int turned)
{
	const struct type *x = arg_type(e->m, &op->in[0]);
	const struct type *t = op->out[turned < 0 ? plain : turned]->type;
	int by = moved_dims(x, t);
	uint64_t rows = 1;

	for (int i = 0; i < by; i++)
		rows *= dim_local_size(e->m, &x->d[i]);
	emit_line(e, "%s%s, %" PRIu64 ", %" PRIu64 ", %s, %s,",
	    emit_callee(e, CALL_FP8_ROUND), emit_ltype((enum dtype)t->dtype),
	    rows, type_local_count(e->m, x) / rows,
	    emit_arg_ptr(e, &op->in[0]), emit_arg_ptr(e, &op->in[1]));
	emit_line(e, "    %s, %s);", plain < 0 ? "NULL" :
	    emit_result_ptr(e, op, plain), turned < 0 ? "NULL" :
	    emit_result_ptr(e, op, turned));
}

static void
emit_quantized(struct emit *e, const struct op *op)
{
	const struct type *x = arg_type(e->m, &op->in[0]);
	int plain = -1, turned = -1;

	for (int i = 0; i < op->nout; i++) {
		int *which = moved_dims(x, op->out[i]->type) ? &turned :
		    &plain;

		if (*which >= 0)
			emit_round(e, op, -1, i);
		else
			*which = i;
	}
	emit_round(e, op, plain, turned);
}

static void
emit_recip(struct emit *e, const struct op *op)
{
	const char *x = emit_arg_ptr(e, &op->in[0]);

	emit_line(e, "*%s = *%s != 0 ? 1 / *%s : 0;", emit_result_ptr(e, op, 0),
	    x, x);
}

static void
emit_clip(struct emit *e, const struct op *op)
{
	const char *x = emit_arg_ptr(e, &op->in[0]);
	double max = op_real(op, ATTR_MAX);

	if (max <= 0)
		emit_line(e, "*%s = 1;", emit_result_ptr(e, op, 0));
	else
		emit_line(e, "*%s = *%s > (float)%a ? (float)%a / *%s : 1;",
		    emit_result_ptr(e, op, 0), x, max, max, x);
}

static uint64_t
layers_of(const struct module *m, const struct bundle *b)
{
	return b->stack ? module_dim(m, b->stack)->size : 1;
}

/* Elements an argument @b, @b[l] or @b.field covers in one field. */
static uint64_t
field_count(struct emit *e, const struct arg *a, int field)
{
	uint64_t n = type_local_count(e->m, a->b->field[field].type);

	return a->indexed ? n : n * layers_of(e->m, a->b);
}

static const char *
arg_field_ptr(struct emit *e, const struct arg *a, int field, enum dtype dt)
{
	return emit_field_ptr(e, a->b, field, a->indexed ? &a->index : NULL,
	    dt);
}

static void
emit_zero(struct emit *e, const struct op *op)
{
	for (int i = 0; i < op->nin; i++) {
		const struct arg *a = &op->in[i];
		bool one = a->kind == ARG_BUNDLE_FIELD;

		if (bundle_is_image(e->m, a->b)) {
			emit_image_zero(e, a);
			continue;
		}
		for (int j = one ? a->field : 0;
		    j < (one ? a->field + 1 : a->b->nfield); j++)
			emit_line(e, "%s%s, 0, %" PRIu64 ");",
			    emit_callee(e, CALL_SET), arg_field_ptr(e, a, j, DT_F32),
			    field_count(e, a, j));
	}
}

int
emit_squares_count(struct emit *e, const struct arg *a)
{
	return bundle_is_image(e->m, a->b) ? 1 : a->b->nfield;
}

void
emit_squares(struct emit *e, const struct arg *a)
{
	if (bundle_is_image(e->m, a->b)) {
		emit_image_sumsq(e, a);
		return;
	}
	for (int j = 0; j < a->b->nfield; j++)
		e->to->square(e, field_count(e, a, j),
		    arg_field_ptr(e, a, j, DT_F32));
}

static void
emit_sumsq(struct emit *e, const struct op *op)
{
	emit_line(e, "{");
	e->indent++;
	emit_line(e, "double sum = 0;");
	for (int i = 0; i < op->nin; i++)
		emit_squares(e, &op->in[i]);
	emit_line(e, "*%s = (float)sum;", emit_result_ptr(e, op, 0));
	e->indent--;
	emit_line(e, "}");
}

static bool
stands_in(const struct op *outer, const struct op *op)
{
	bool found = outer == op;

	for (int i = 0; i < outer->body.n && !found; i++)
		found = stands_in(outer->body.op[i], op);
	return found;
}

/* Is v made before op?  Only then can the finite check read it. */
static bool
made_before(const struct func *f, const struct value *v, const struct op *op)
{
	for (int i = 0; i < f->body.n && !stands_in(f->body.op[i], op); i++)
		if (v->def == f->body.op[i])
			return true;
	return false;
}

/*
 * Before the first update: nothing changes if the step is not finite.  In a
 * loop over layers (passes/update.c) only the loss can be known.
 */
static void
emit_check(struct emit *e, const struct op *op)
{
	const struct op *ret = region_last(&e->f->body);
	int n = e->nloop ? 1 : 2;

	if (e->checked >= n || ret->nin < 2)
		return;
	e->checked = n;
	for (int i = 0; i < n; i++)
		if (!made_before(e->f, ret->in[i].v, op)) {
			emit_broken(e, op, "parameters change before %s, "
			    "which step returns, is known",
			    ret->in[i].v->name);
			return;
		}
	e->to->check_step(e, emit_arg_ptr(e, &ret->in[0]),
	    n == 1 ? NULL : emit_arg_ptr(e, &ret->in[1]));
}

/* Copies of all layers are the optimizer's to make; of one, that layer's. */
static uint64_t
copies_of(struct emit *e, const struct bundle *b, int field)
{
	const struct slot *s = bundle_slot(e->m, b, field, ".cast");

	return s ? s->count : 0;
}

static void
emit_params(struct emit *e, const struct op *op)
{
	const struct arg *a = &op->in[0];
	bool copy = op->out[0]->dtype != a->b->dtype && a->indexed &&
	    !bundle_is_image(e->m, a->b) && layers_of(e->m, a->b) > 1;

	for (int i = 0; copy && i < a->b->nfield; i++)
		if (copies_of(e, a->b, i) == 1)
			emit_line(e, "%s%" PRIu64 ", %s, %s);",
			    emit_callee(e, CALL_ROUND), field_count(e, a, i),
			    arg_field_ptr(e, a, i, DT_F32),
			    arg_field_ptr(e, a, i, DT_BF16));
}

static void
emit_adamw(struct emit *e, const struct op *op)
{
	const struct arg *a = op->in;

	if (!e->f->index)
		emit_check(e, op);
	if (bundle_is_image(e->m, a[0].b)) {
		emit_image_adamw(e, op);
		return;
	}
	for (int j = 0; j < a[0].b->nfield; j++) {
		emit_line(e, "%s%" PRIu64 ", %s,",
		    emit_callee(e, CALL_ADAMW), field_count(e, &a[0], j),
		    arg_field_ptr(e, &a[0], j, DT_F32));
		emit_line(e, "    %s, %s, %s,",
		    arg_field_ptr(e, &a[1], j, DT_F32),
		    arg_field_ptr(e, &a[2], j, DT_F32),
		    arg_field_ptr(e, &a[3], j, DT_F32));
		emit_line(e, "    %s, %s, %s);", copies_of(e, a[0].b, j) >=
		    layers_of(e->m, a[0].b) ?
		    arg_field_ptr(e, &a[0], j, DT_BF16) : "NULL",
		    emit_factor(e, op->nin > 4 ? &a[4] : NULL),
		    a[0].b->field[j].decay ? "true" : "false");
	}
}

static void
emit_accum(struct emit *e, const struct op *op)
{
	const struct type *t = op->out[0]->type;

	if (op->target.kind == ARG_BUNDLE) {
		emit_image_accum(e, op);
		return;
	}
	if (e->at > 0 && group_head_store(e->f, e->region, e->at - 1) == op &&
	    !e->place[op->in[0].v->id])
		return; /* the head has written there */
	emit_line(e, "%s%" PRIu64 ", %s, %s, %s, %s);",
	    emit_callee(e, CALL_ACCUM), type_local_count(e->m, t),
	    emit_ltype((enum dtype)
	    arg_type(e->m, &op->in[0])->dtype),
	    emit_arg_ptr(e, &op->in[0]), emit_result_ptr(e, op, 0),
	    op->target_add ? "true" : "false");
}

/* What a function keeps but was not given there: moves to where it stays. */
static void
emit_save(struct emit *e, const struct op *op)
{
	for (int i = 0; i < op->nin; i++) {
		const struct value *v = op->in[i].v;
		const struct slot *s = v->slot ?
		    module_slot(e->m, v->slot) : NULL;
		const char *to;

		if (v->def || !s)
			continue;
		to = emit_slot_ptr(e, s, v->slot_indexed ? &v->slot_index :
		    NULL, (enum dtype)v->type->dtype);
		emit_line(e, "if (%s != %s)", emit_value_ptr(e, v), to);
		emit_memcpy(e, "\t", to, emit_value_ptr(e, v),
		    bytes_of(e, v));
	}
}

static const emit_fn emitters[OP_COUNT] = {
	[OP_CONST] = emit_nothing,
	[OP_ZEROS] = emit_zeros,
	[OP_NEGINF] = emit_neginf,
	[OP_IOTA] = emit_iota,
	[OP_RENAME] = emit_rename,
	[OP_TAKE] = emit_take,
	[OP_PART] = emit_part,
	[OP_PART_ADD] = emit_part_add,
	[OP_PICK] = emit_pick,
	[OP_DOT] = emit_dot,
	[OP_EMBED] = emit_embed,
	[OP_EMBED_BWD] = emit_embed_bwd,
	[OP_SUM] = emit_sum,
	[OP_SOFTMAX] = emit_softmax_lines,
	[OP_SOFTMAX_BWD] = emit_softmax_bwd_lines,
	[OP_ROPE] = emit_rope_lines,
	[OP_ROPE_BWD] = emit_rope_lines,
	[OP_ATTN] = emit_attn,
	[OP_ATTN_BWD] = emit_attn_bwd,
	[OP_ATTN_STEP] = emit_attn_step,
	[OP_ATTN_STEP_BWD] = emit_attn_step_bwd,
	[OP_XENT_DOT] = emit_head,
	[OP_XENT_DOT_BWD] = emit_head,
	[OP_LABELS] = emit_count,
	[OP_AMAX] = emit_amax,
	[OP_E4M3] = emit_quantized,
	[OP_E5M2] = emit_quantized,
	[OP_RECIP] = emit_recip,
	[OP_CLIP] = emit_clip,
	[OP_PARAMS] = emit_params,
	[OP_LOCAL] = emit_local,
	[OP_ACCUM] = emit_accum,
	[OP_ZERO] = emit_zero,
	[OP_SUMSQ] = emit_sumsq,
	[OP_ADAMW] = emit_adamw,
	[OP_ALLREDUCE] = emit_comm,
	[OP_GATHER] = emit_comm,
	[OP_RSCATTER] = emit_comm,
	[OP_A2A] = emit_comm,
	[OP_SHIFT] = emit_comm,
	[OP_WAIT] = emit_wait,
	[OP_OFFLOAD] = emit_host_copy,
	[OP_FETCH] = emit_host_copy,
	[OP_SAVE] = emit_save,
	[OP_LOAD] = emit_nothing,
	[OP_YIELD] = emit_nothing,
};

bool
emit_op(struct emit *e, const struct op *op)
{
	emit_fn own = e->to->op ? e->to->op[op->code] : NULL;

	if (!own)
		own = emitters[op->code];
	if (own)
		own(e, op);
	return own != NULL;
}
