/* Attention and the loss head: parameters of the runtime's blocked kernels. */
#include "config.h"

#include <inttypes.h>
#include <math.h>

#include "codegen/host.h"
#include "ir/group.h"
#include "ir/rules.h"

enum { MASK_CAUSAL, MASK_FULL, MASK_WINDOW, MASK_SAME };
enum { HEAD_MAX = 256 }; /* LT_ATTN_D_MAX of the runtime */

static uint64_t
dim_of(struct emit *e, const struct type *t, int i)
{
	return dim_local_size(e->m, &t->d[i]);
}

/*
 * The C literal of the shape.  q is [b.., s, kv heads.., groups.., d] and k
 * [b.., s, kv heads.., d]: what q has more stands just before d.
 */
static const char *
attn_shape(struct emit *e, const struct op *op, const struct type *q,
    const struct type *k, const char *doc)
{
	int64_t mask = op_int(op, ATTR_MASK);
	int pos = type_position(e->m, k);
	uint64_t batch = 1, heads = 1, group = 1;
	uint64_t d = dim_of(e, q, q->rank - 1);
	double scale = op_real(op, ATTR_SCALE);

	if (d > HEAD_MAX)
		emit_broken(e, op, "heads of %" PRIu64 ", at most %d are "
		    "supported", d, HEAD_MAX);
	for (int i = 0; i < q->rank - 1; i++)
		if (i < pos)
			batch *= dim_of(e, q, i);
		else if (i > pos && type_find(k, q->d[i].name) >= 0)
			heads *= dim_of(e, q, i);
		else if (i > pos)
			group *= dim_of(e, q, i);
	if (scale == 0)
		scale = 1 / sqrt((double)d);
	return arena_printf(e->m->mem, "{.b = %" PRIu64 ", .sq = %" PRIu64
	    ", .sk = %" PRIu64 ", .k = %" PRIu64 ", .g = %" PRIu64 ", .d = %"
	    PRIu64 ",\n\t    .scale = (float)%a, .causal = %d, .window = %"
	    PRId64 ", .qdoc = %s, .kdoc = %s, .type = %s}",
	    batch, dim_of(e, q, pos), dim_of(e, k, pos), heads, group, d,
	    scale, mask != MASK_FULL,
	    mask == MASK_WINDOW ? op_int(op, ATTR_WINDOW) : (int64_t)0, doc,
	    doc, emit_ltype((enum dtype)q->dtype));
}

void
emit_attn(struct emit *e, const struct op *op)
{
	const char *doc = op->nin > 3 ? emit_arg_ptr(e, &op->in[3]) : "NULL";
	const struct type *q = arg_type(e->m, &op->in[0]);
	const struct type *k = arg_type(e->m, &op->in[1]);

	emit_work(e, arena_printf(e->m->mem, "lt_attn_fwd_workspace("
	    "&(struct lt_attn)%s, threads)", attn_shape(e, op, q, k, "NULL")));
	emit_line(e, "lt_attn_fwd(rt->pool, &(struct lt_attn)%s,",
	    attn_shape(e, op, q, k, doc));
	emit_line(e, "    %s, %s, %s,", emit_arg_ptr(e, &op->in[0]),
	    emit_arg_ptr(e, &op->in[1]), emit_arg_ptr(e, &op->in[2]));
	emit_line(e, "    %s, %s, rt->arena[LT_WORK]);",
	    emit_result_ptr(e, op, 0), emit_value_ptr(e, op->out[1]));
}

void
emit_attn_bwd(struct emit *e, const struct op *op)
{
	const char *doc = op->nin > 6 ? emit_arg_ptr(e, &op->in[6]) : "NULL";
	const struct type *q = arg_type(e->m, &op->in[1]);
	const struct type *k = arg_type(e->m, &op->in[2]);

	emit_work(e, arena_printf(e->m->mem, "lt_attn_bwd_workspace("
	    "&(struct lt_attn)%s, threads)", attn_shape(e, op, q, k, "NULL")));
	emit_line(e, "lt_attn_bwd(rt->pool, &(struct lt_attn)%s,",
	    attn_shape(e, op, q, k, doc));
	for (int i = 0; i < 6; i += 3)
		emit_line(e, "    %s, %s, %s,", emit_arg_ptr(e, &op->in[i]),
		    emit_arg_ptr(e, &op->in[i + 1]),
		    emit_arg_ptr(e, &op->in[i + 2]));
	emit_line(e, "    %s, %s, %s, rt->arena[LT_WORK]);",
	    emit_result_ptr(e, op, 0), emit_value_ptr(e, op->out[1]),
	    emit_value_ptr(e, op->out[2]));
}

/* What h has beyond the token dims of the labels. */
static uint64_t
width_of(struct emit *e, const struct type *h, const struct type *labels)
{
	return type_local_count(e->m, h) / type_local_count(e->m, labels);
}

/* xent.dot h, W, labels and xent.dot.bwd dn, h, W, labels */
void
emit_head(struct emit *e, const struct op *op)
{
	bool bwd = op->code == OP_XENT_DOT_BWD;
	const struct arg *h = &op->in[bwd], *w = &op->in[bwd + 1];
	const struct type *th = arg_type(e->m, h), *tw = arg_type(e->m, w);
	const struct type *labels = arg_type(e->m, &op->in[bwd + 2]);
	uint64_t width = width_of(e, th, labels);
	uint64_t tokens = type_local_count(e->m, labels);
	uint64_t chunk = (uint64_t)op_int(op, ATTR_CHUNK);
	bool rows_are_width =
	    tw->d[tw->rank - 1].name != th->d[th->rank - 1].name;
	const char *lit = arena_printf(e->m->mem, "{.tokens = %" PRIu64
	    ", .width = %" PRIu64 ", .vocab = %" PRIu64 ", .chunk = %" PRIu64
	    ",\n\t    .ignore = %" PRId64 ", .rows_are_width = %d, .type = %s}",
	    tokens, width, type_local_count(e->m, tw) / width,
	    chunk && chunk < tokens ? chunk : tokens,
	    op_int(op, ATTR_IGNORE), rows_are_width,
	    emit_ltype((enum dtype)th->dtype));
	const struct slot *s = op->scratch ?
	    module_slot(e->m, op->scratch) : NULL;
	const struct op *store = bwd && !e->place[op->out[2]->id] ?
	    group_head_store(e->f, e->region, e->at) : NULL;

	if (!s) {
		emit_broken(e, op, "no scratch for the logits");
		return;
	}
	emit_work(e, arena_printf(e->m->mem,
	    "lt_head_workspace(&(struct lt_head)%s, threads)", lit));
	emit_line(e, "lt_head%s(rt->pool, &(struct lt_head)%s,",
	    bwd ? "_bwd" : "", lit);
	if (bwd)
		emit_line(e, "    *%s,", emit_arg_ptr(e, &op->in[0]));
	emit_line(e, "    %s, %s, %s,", emit_arg_ptr(e, h),
	    emit_arg_ptr(e, w), emit_arg_ptr(e, &op->in[bwd + 2]));
	emit_line(e, "    %s,", emit_result_ptr(e, op, 0));
	if (bwd)
		emit_line(e, "    %s, %s, %s,", emit_value_ptr(e, op->out[1]),
		    store ? emit_arg_ptr(e, &store->target) :
		    emit_value_ptr(e, op->out[2]),
		    store && store->target_add ? "true" : "false");
	emit_line(e, "    %s, rt->arena[LT_WORK]);",
	    emit_slot_ptr(e, s, NULL, DT_F32));
}
