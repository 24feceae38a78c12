/* Attention and the loss head: parameters of the runtime's blocked kernels. */
#include "config.h"

#include <inttypes.h>
#include <math.h>

#include "codegen/host.h"

enum { MASK_CAUSAL, MASK_FULL, MASK_WINDOW, MASK_SAME };

static uint64_t
dim_of(struct emit *e, const struct type *t, int i)
{
	return dim_local_size(e->m, &t->d[i]);
}

/*
 * The C literal of the shape.  q is [b, s, kv heads.., groups.., d] and k
 * [b, s, kv heads.., d]: what q has more stands just before d.
 */
static const char *
attn_shape(struct emit *e, const struct op *op, const struct type *q,
    const struct type *k, const char *doc)
{
	int64_t mask = op_int(op, ATTR_MASK);
	uint64_t heads = 1, group = 1, d = dim_of(e, q, q->rank - 1);
	double scale = op_real(op, ATTR_SCALE);

	for (int i = 2; i < q->rank - 1; i++)
		if (type_find(k, q->d[i].name) >= 0)
			heads *= dim_of(e, q, i);
		else
			group *= dim_of(e, q, i);
	if (scale == 0)
		scale = 1 / sqrt((double)d);
	return arena_printf(e->m->mem, "{.b = %" PRIu64 ", .sq = %" PRIu64
	    ", .sk = %" PRIu64 ", .k = %" PRIu64 ", .g = %" PRIu64 ", .d = %"
	    PRIu64 ",\n\t    .scale = (float)%a, .causal = %d, .window = %"
	    PRId64 ", .qdoc = %s, .kdoc = %s, .type = %s}",
	    dim_of(e, q, 0), dim_of(e, q, 1), dim_of(e, k, 1), heads, group, d,
	    scale, mask != MASK_FULL,
	    mask == MASK_WINDOW ? op_int(op, ATTR_WINDOW) : (int64_t)0, doc,
	    doc, emit_ltype((enum dtype)q->dtype));
}

void
emit_attn(struct emit *e, const struct op *op)
{
	const char *doc = op->nin > 3 ? emit_arg_ptr(e, &op->in[3]) : "NULL";
	const struct type *q = op->in[0].v->type, *k = op->in[1].v->type;

	emit_work(e, arena_printf(e->m->mem, "lt_attn_fwd_workspace("
	    "&(struct lt_attn)%s, threads)", attn_shape(e, op, q, k, "NULL")));
	emit_line(e, "lt_attn_fwd(rt->pool, &(struct lt_attn)%s,",
	    attn_shape(e, op, q, k, doc));
	emit_line(e, "    %s, %s, %s,", emit_arg_ptr(e, &op->in[0]),
	    emit_arg_ptr(e, &op->in[1]), emit_arg_ptr(e, &op->in[2]));
	emit_line(e, "    %s, %s, rt->arena[LT_WORK]);",
	    emit_value_ptr(e, op->out[0]), emit_value_ptr(e, op->out[1]));
}

void
emit_attn_bwd(struct emit *e, const struct op *op)
{
	const char *doc = op->nin > 6 ? emit_arg_ptr(e, &op->in[6]) : "NULL";
	const struct type *q = op->in[1].v->type, *k = op->in[2].v->type;

	emit_work(e, arena_printf(e->m->mem, "lt_attn_bwd_workspace("
	    "&(struct lt_attn)%s, threads)", attn_shape(e, op, q, k, "NULL")));
	emit_line(e, "lt_attn_bwd(rt->pool, &(struct lt_attn)%s,",
	    attn_shape(e, op, q, k, doc));
	for (int i = 0; i < 6; i += 3)
		emit_line(e, "    %s, %s, %s,", emit_arg_ptr(e, &op->in[i]),
		    emit_arg_ptr(e, &op->in[i + 1]),
		    emit_arg_ptr(e, &op->in[i + 2]));
	emit_line(e, "    %s, %s, %s, rt->arena[LT_WORK]);",
	    emit_value_ptr(e, op->out[0]), emit_value_ptr(e, op->out[1]),
	    emit_value_ptr(e, op->out[2]));
}

/* xent.dot h, W, labels and xent.dot.bwd dn, h, W, labels */
void
emit_head(struct emit *e, const struct op *op)
{
	bool bwd = op->code == OP_XENT_DOT_BWD;
	const struct arg *h = &op->in[bwd], *w = &op->in[bwd + 1];
	const struct type *th = h->v->type, *tw = arg_type(e->m, w);
	uint64_t width = dim_of(e, th, th->rank - 1);
	bool transposed = tw->d[tw->rank - 1].name != th->d[th->rank - 1].name;
	const char *lit = arena_printf(e->m->mem, "{.tokens = %" PRIu64
	    ", .width = %" PRIu64 ", .vocab = %" PRIu64 ", .chunk = %" PRId64
	    ",\n\t    .ignore = %" PRId64 ", .rows_are_width = %d, .type = %s}",
	    type_local_count(e->m, th) / width, width,
	    type_local_count(e->m, tw) / width, op_int(op, ATTR_CHUNK),
	    op_int(op, ATTR_IGNORE), transposed,
	    emit_ltype((enum dtype)th->dtype));
	const char *scratch = emit_slot_ptr(e,
	    module_slot(e->m, op->scratch), NULL, DT_F32);

	emit_work(e, arena_printf(e->m->mem,
	    "lt_head_workspace(&(struct lt_head)%s, threads)", lit));
	emit_line(e, "lt_head%s(rt->pool, &(struct lt_head)%s,",
	    bwd ? "_bwd" : "", lit);
	if (bwd)
		emit_line(e, "    *%s,", emit_arg_ptr(e, &op->in[0]));
	emit_line(e, "    %s, %s, %s,", emit_arg_ptr(e, h),
	    emit_arg_ptr(e, w), emit_arg_ptr(e, &op->in[bwd + 2]));
	emit_line(e, "    %s,", emit_value_ptr(e, op->out[0]));
	if (bwd)
		emit_line(e, "    %s, %s,", emit_value_ptr(e, op->out[1]),
		    emit_value_ptr(e, op->out[2]));
	emit_line(e, "    %s, rt->arena[LT_WORK]);", scratch);
}
