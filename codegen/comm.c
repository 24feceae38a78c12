/*
 * Communication: a table of moves, and a start and a finish for each op.
 *
 *	qA = a2a q on hp s>k : bf16[..]
 *
 *	[M_layer_qA] = {"layer.qA", LT_A2A, ..., .hop = {{1, 1, 2}}, ...}
 *	lt_finish(rt, lt_start(rt, &moves[M_layer_qA], 1,
 *	    (const struct lt_pair[]){{v_qA, v_q, 16384}}));
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/host.h"

static const char *
move_kind(const struct op *op)
{
	switch (op->code) {
	case OP_ALLREDUCE: return "LT_ALLREDUCE";
	case OP_GATHER:    return "LT_GATHER";
	case OP_RSCATTER:  return "LT_RSCATTER";
	case OP_A2A:       return "LT_A2A";
	default:           return "LT_SHIFT";
	}
}

/* What the op gives, for messages and for its entry in the table. */
static const char *
move_name(struct emit *e, const struct op *op)
{
	const struct bundle *b = op->has_target ? op->target.b : NULL;
	const char *result = b ? b->name : op->out[0]->name;

	return arena_printf(e->m->mem, "%s.%s", e->f->name,
	    result ? result : op_info[op->code].name);
}

/* By size alone: shape and hops as blocks of one array. */
static bool
flat_shape(const struct op *op)
{
	return op->code == OP_ALLREDUCE || op->code == OP_SHIFT;
}

static void
print_hops(struct emit *e, const struct op *op, const struct type *t)
{
	fputs("\t .hop = {", e->moves);
	for (int i = 0; i < op->nhop; i++) {
		const struct hop *h = &op->hop[i];
		bool dims = t && !flat_shape(op);
		int from = dims && h->from ? type_find(t, h->from) : -1;
		int to = dims && h->to ? type_find(t, h->to) : -1;

		if (!t && op->code == OP_GATHER)
			from = 0; /* blocks of one array */
		if (!t && op->code == OP_RSCATTER)
			to = 0;

		fprintf(e->moves, "%s{%d, %d, %d, %d}", i ? ", " : "",
		    h->axis, from, to, h->by);
	}
	fputs("},\n", e->moves);
}

static void
print_shape(struct emit *e, const struct op *op, const struct type *t,
    uint64_t count)
{
	if (!t || flat_shape(op)) {
		fprintf(e->moves, "\t .rank = 1, .src = {%" PRIu64 "}},\n",
		    count);
		return;
	}
	fprintf(e->moves, "\t .rank = %d, .src = {", t->rank);
	for (int i = 0; i < t->rank; i++)
		fprintf(e->moves, "%s%" PRIu64, i ? ", " : "",
		    dim_local_size(e->m, &t->d[i]));
	fputs("}},\n", e->moves);
}

const char *
emit_move(struct emit *e, const struct op *op, const struct type *t,
    enum dtype dt, uint64_t count)
{
	const char *name = move_name(e, op);
	const char *id = arena_printf(e->m->mem, "%s_%d",
	    emit_mangle(e, "M_", name), e->nmove);

	fprintf(e->move_ids, "\t%s,\n", id);
	fprintf(e->moves, "\t[%s] = {.name = \"%s\", .kind = %s, .lane = %d, "
	    ".type = %s,%s .n = %d,\n", id, name, move_kind(op), op->lane,
	    emit_ltype(dt), t && t->pend && t->pend_op == PEND_MAX ?
	    " .max = 1," : "", op->nhop);
	print_hops(e, op, t);
	print_shape(e, op, t, count);
	e->nmove++;
	return id;
}

/* All that one op starts has one token; what comes from a caller, a trip or a
 * call has its own. */
const char *
emit_token(struct emit *e, const struct value *future)
{
	const struct op *op = future->def;

	if (op && (op_info[op->code].group == GROUP_COMM ||
	    op_info[op->code].group == GROUP_HOST))
		future = op->out[0];
	return emit_mangle(e, "t_", future->name);
}

void
emit_wait(struct emit *e, const struct op *op)
{
	const char *last = "";

	for (int i = 0; i < op->nin; i++) {
		const char *token = emit_token(e, op->in[i].v);

		if (strcmp(token, last) != 0)
			emit_both(e, "lt_finish(rt, %s);", token);
		last = token;
	}
}

void
emit_pair(struct emit *e, struct pairs *p, const char *dst, const char *src,
    uint64_t count)
{
	const char *comma = p->n++ ? ", " : "";

	p->text = arena_printf(e->m->mem, "%s%s{%s, %s, %" PRIu64 "}",
	    p->text ? p->text : "", comma, dst, src, count);
	p->sizes = arena_printf(e->m->mem, "%s%s{NULL, NULL, %" PRIu64 "}",
	    p->sizes ? p->sizes : "", comma, count);
}

/* Starts op; finishes it too, unless its results are futures. */
void
emit_transfer(struct emit *e, const struct op *op, const char *move,
    const struct pairs *p)
{
	bool starts = op->nout && op->out[0]->future;

	if (starts)
		emit_both(e, "%s%s = lt_start(rt, &moves[%s], %d,",
		    op->when.set ? "" : "lt_token ",
		    emit_token(e, op->out[0]), move, p->n);
	else
		emit_both(e, "lt_finish(rt, lt_start(rt, &moves[%s], %d,",
		    move, p->n);
	emit_line(e, "    (const struct lt_pair[]){%s}%s);", p->text,
	    starts ? "" : ")");
	emit_rehearse(e, "    (const struct lt_pair[]){%s}%s);", p->sizes,
	    starts ? "" : ")");
}

/* ---- tensors ---- */

static void
move_tensors(struct emit *e, const struct op *op)
{
	const struct type *t = arg_type(e->m, &op->in[0]);
	const char *id = emit_move(e, op, t, (enum dtype)t->dtype,
	    type_local_count(e->m, t));
	struct pairs p = {0};

	for (int i = 0; i < op->nin; i++)
		emit_pair(e, &p, emit_result_ptr(e, op, i),
		    emit_arg_ptr(e, &op->in[i]), type_local_count(e->m,
		    arg_type(e->m, &op->in[i])));
	emit_transfer(e, op, id, &p);
}

/* ---- bundles ---- */

/*
 * All layers and fields of a bundle, which lie together; the bytes between
 * them are zero and stay so.
 */
static uint64_t
bundle_region(struct emit *e, const struct op *op, const struct bundle *b,
    uint64_t *count)
{
	uint64_t lo = UINT64_MAX, hi = 0;
	const struct module *m = e->m;

	for (int i = 0; i < b->nfield; i++) {
		const struct slot *s = bundle_slot(m, b, i, "");
		uint64_t end = s ? s->offset + s->stride * s->count : 0;

		lo = s && s->offset < lo ? s->offset : lo;
		hi = end > hi ? end : hi;
	}
	for (int i = 0; i < m->nslot; i++) {
		const struct slot *s = &m->slot[i];
		bool own = false;

		for (int j = 0; j < b->nfield; j++)
			own |= s == bundle_slot(m, b, j, "");
		if (s->arena == ARENA_STATE && !own && s->offset >= lo &&
		    s->offset < hi && s->size)
			emit_broken(e, op, "%s lies among the fields of @%s",
			    s->name, b->name);
	}
	*count = hi > lo ? (hi - lo) / sizeof(float) : 0;
	return lo;
}

static void
reduce_bundle(struct emit *e, const struct op *op)
{
	uint64_t n, size, dst, src = bundle_region(e, op, op->in[0].b, &n);
	struct arena *mem = e->m->mem;
	struct pairs p = {0};

	if (op->in[0].b->flat.n || op->in[0].indexed) {
		emit_broken(e, op, "only whole bundles that every rank has");
		return;
	}
	dst = bundle_region(e, op, op->target.b, &size);
	if (size != n)
		emit_broken(e, op, "@%s and @%s differ in size",
		    op->in[0].b->name, op->target.b->name);
	emit_pair(e, &p, arena_printf(mem, "AT(float, LT_STATE, %" PRIu64 ")",
	    dst), arena_printf(mem, "AT(float, LT_STATE, %" PRIu64 ")", src),
	    n);
	emit_transfer(e, op, emit_move(e, op, NULL, DT_F32, n), &p);
}

void
emit_comm(struct emit *e, const struct op *op)
{
	const struct arg *a = &op->in[0];
	bool bundle = a->kind == ARG_BUNDLE ||
	    (a->kind == ARG_VALUE && a->v->bundle);

	if (!bundle)
		move_tensors(e, op);
	else if (a->kind != ARG_BUNDLE || bundle_is_image(e->m, a->b))
		emit_image_move(e, op);
	else if (op->code == OP_ALLREDUCE && a->kind == ARG_BUNDLE)
		reduce_bundle(e, op);
	else
		emit_broken(e, op, "no such move of bundles");
}
