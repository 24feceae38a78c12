/* Attention and the loss head: parameters of the runtime's blocked kernels. */
#include "config.h"

#include <inttypes.h>
#include <math.h>

#include "codegen/host.h"
#include "codegen/layout.h"
#include "codegen/library.h"
#include "codegen/target.h"
#include "ir/group.h"
#include "ir/rules.h"

enum { MASK_CAUSAL, MASK_FULL, MASK_WINDOW, MASK_SAME };
enum { HEAD_MAX = 256 }; /* LT_ATTN_D_MAX of the runtime */

static uint64_t
dim_of(struct emit *e, const struct type *t, int i)
{
	return dim_local_size(e->m, &t->d[i]);
}

/* Positions of the rows that are here; all of them in order need no words. */
static const char *
positions(struct emit *e, const struct type *q, const struct type *k)
{
	const struct dim *dq = &q->d[type_position(e->m, q)];
	const struct dim *dk = &k->d[type_position(e->m, k)];

	if (!dq->n && !dk->n)
		return "";
	return arena_printf(e->m->mem, ",\n\t    .qpos = %s,\n\t    "
	    ".kpos = %s", emit_runs(e, dq), emit_runs(e, dk));
}

/*
 * The C literal of the shape.  q is [b.., s, kv heads.., groups.., d] and k
 * [b.., s, kv heads.., d]: what q has more stands just before d.
 */
static const char *
attn_shape(struct emit *e, const struct op *op, const struct type *q,
    const struct type *k, const char *more)
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
	library_attention(e, op, d, (enum dtype)q->dtype);
	if (scale == 0)
		scale = 1 / sqrt((double)d);
	return arena_printf(e->m->mem, "{.b = %" PRIu64 ", .sq = %" PRIu64
	    ", .sk = %" PRIu64 ", .k = %" PRIu64 ", .g = %" PRIu64 ", .d = %"
	    PRIu64 ",\n\t    .scale = (float)%a, .causal = %d, .window = %"
	    PRId64 ", .type = %s%s}",
	    batch, dim_of(e, q, pos), dim_of(e, k, pos), heads, group, d,
	    scale, mask != MASK_FULL,
	    mask == MASK_WINDOW ? op_int(op, ATTR_WINDOW) : (int64_t)0,
	    emit_ltype((enum dtype)q->dtype), more);
}

/* Documents of queries and keys, operands q and k, if there are any. */
static const char *
documents(struct emit *e, const struct op *op, int q, int k)
{
	if (op->nin - op->into <= q)
		return "";
	return arena_printf(e->m->mem, ", .qdoc = %s, .kdoc = %s",
	    emit_arg_ptr(e, &op->in[q]), emit_arg_ptr(e, &op->in[k]));
}

/*
 * `lt_attn_..(rt->pool, &(struct lt_attn){..},` and n operands.  first: q,
 * after which come k and v; the documents follow v or what backward needs.
 */
static void
begin_attn(struct emit *e, const struct op *op, enum callee name, int first,
    const char *more)
{
	const struct type *q = arg_type(e->m, &op->in[first]);
	const struct type *k = arg_type(e->m, &op->in[first + 1]);
	int n = first ? 6 : 3, doc = op->into ? n + 1 : n;

	emit_work(e, arena_printf(e->m->mem, "%s"
	    "&(struct lt_attn)%s, threads)", emit_callee(e, first ?
	    CALL_ATTN_BWD_WORK : CALL_ATTN_FWD_WORK), attn_shape(e, op, q, k, more)));
	more = arena_printf(e->m->mem, "%s%s%s", more,
	    documents(e, op, n, doc), positions(e, q, k));
	emit_line(e, "%s&(struct lt_attn)%s,", emit_callee(e, name),
	    attn_shape(e, op, q, k, more));
	for (int i = 0; i < n; i += 3)
		emit_line(e, "    %s, %s, %s,", emit_arg_ptr(e, &op->in[i]),
		    emit_arg_ptr(e, &op->in[i + 1]),
		    emit_arg_ptr(e, &op->in[i + 2]));
}

static void
end_attn(struct emit *e, const struct op *op)
{
	const char *out = "", *sep = "";

	for (int i = 0; i < op->nout; i++, sep = ", ")
		out = arena_printf(e->m->mem, "%s%s%s", out, sep,
		    emit_result_ptr(e, op, i));
	emit_line(e, "    %s%s);", out, e->to->work);
}

void
emit_attn(struct emit *e, const struct op *op)
{
	begin_attn(e, op, CALL_ATTN_FWD, 0, "");
	end_attn(e, op);
}

void
emit_attn_bwd(struct emit *e, const struct op *op)
{
	begin_attn(e, op, CALL_ATTN_BWD, 1, "");
	end_attn(e, op);
}

/* The sums so far must be where the result goes. */
static void
bring_sums(struct emit *e, const struct op *op)
{
	for (int i = 0; i < op->nout; i++)
		emit_copy_if_moved(e, op->out[i], NULL,
		    op->in[op->nin - op->into + i].v, NULL);
}

void
emit_attn_step(struct emit *e, const struct op *op)
{
	bring_sums(e, op);
	begin_attn(e, op, CALL_ATTN_STEP, 0, "");
	end_attn(e, op);
}

void
emit_attn_step_bwd(struct emit *e, const struct op *op)
{
	bring_sums(e, op);
	begin_attn(e, op, CALL_ATTN_BWD, 1, ", .acc = 1");
	end_attn(e, op);
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
	    ",\n\t    .ignore = %" PRId64 ", .rows_are_width = %d, .type = %s, .w = %s}",
	    tokens, width, type_local_count(e->m, tw) / width,
	    chunk && chunk < tokens ? chunk : tokens,
	    op_int(op, ATTR_IGNORE), rows_are_width,
	    emit_ltype((enum dtype)th->dtype),
	    emit_ltype(emit_arg_dtype(e, w)));
	const struct slot *s = op->scratch ?
	    module_slot(e->m, op->scratch) : NULL;
	const struct op *store = bwd && !e->place[op->out[2]->id] ?
	    group_head_store(e->f, e->region, e->at) : NULL;

	if (!s) {
		emit_broken(e, op, "no scratch for the logits");
		return;
	}
	emit_work(e, arena_printf(e->m->mem,
	    "%s&(struct lt_head)%s, threads)", emit_callee(e, CALL_HEAD_WORK),
	    lit));
	emit_line(e, "%s&(struct lt_head)%s,",
	    emit_callee(e, bwd ? CALL_HEAD_BWD : CALL_HEAD), lit);
	if (bwd)
		emit_line(e, "    %s,", emit_factor(e, &op->in[0]));
	emit_line(e, "    %s, %s, %s,", emit_arg_ptr(e, h),
	    emit_arg_ptr(e, w), emit_arg_ptr(e, &op->in[bwd + 2]));
	emit_line(e, "    %s,", emit_result_ptr(e, op, 0));
	if (bwd)
		emit_line(e, "    %s, %s, %s,", emit_value_ptr(e, op->out[1]),
		    store ? emit_arg_ptr(e, &store->target) :
		    emit_value_ptr(e, op->out[2]),
		    store && store->target_add ? "true" : "false");
	emit_line(e, "    %s%s);", emit_slot_ptr(e, s, NULL, DT_F32),
	    e->to->work);
}
