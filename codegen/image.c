/*
 * What is stored as images: a bundle is one array of blocks, layer after
 * layer, and everything that is done to all of its fields is done to that.
 *
 *	w = gather @W[l] on hp : f32
 *
 *	lt_finish(rt, lt_start(rt, &moves[M_layer_w_0], 1,
 *	    (const struct lt_pair[]){{v_w, AT(float, LT_STATE, ..), 48}}));
 */
#include "config.h"

#include <inttypes.h>

#include "codegen/host.h"
#include "codegen/target.h"

static uint64_t
layers_of(const struct module *m, const struct bundle *b)
{
	return b->stack ? module_dim(m, b->stack)->size : 1;
}

static uint64_t
block_of(struct emit *e, const struct bundle *b)
{
	return bundle_block(e->m, b, &b->flat);
}

/* The block of a layer, or where those of all layers begin. */
static const char *
block_ptr(struct emit *e, const struct arg *a)
{
	const struct slot *s;

	if (a->kind != ARG_BUNDLE)
		return emit_value_ptr(e, a->v);
	s = bundle_image_slot(e->m, a->b);
	if (s)
		return emit_slot_ptr(e, s, a->indexed ? &a->index : NULL,
		    (enum dtype)a->b->dtype);
	emit_broken(e, NULL, "@%s has no place", a->b->name);
	return "NULL";
}

static enum dtype
dtype_of(const struct arg *a)
{
	return (enum dtype)(a->kind == ARG_BUNDLE ? a->b->dtype : a->v->dtype);
}

/* Elements on one rank of what an argument names, all its layers. */
static uint64_t
count_of(struct emit *e, const struct arg *a)
{
	if (a->kind != ARG_BUNDLE)
		return value_local_count(e->m, a->v);
	return block_of(e, a->b) * (a->indexed ? 1 : layers_of(e->m, a->b));
}

static bool
many_layers(struct emit *e, const struct arg *a)
{
	return a->kind == ARG_BUNDLE && !a->indexed &&
	    layers_of(e->m, a->b) > 1;
}

const char *
emit_image_field(struct emit *e, const struct bundle *b, int field,
    const struct affine *index)
{
	const struct slot *s = bundle_image_slot(e->m, b);
	struct slot at;

	if (!s || b->flat.n) {
		emit_broken(e, NULL, "@%s.%s has no place on one rank",
		    b->name, b->field[field].name);
		return "NULL";
	}
	at = *s;
	at.offset += bundle_image_at(e->m, b, field) * dtype_size[b->dtype];
	return emit_address(e, &at, index, (enum dtype)b->dtype);
}

/* ---- moves ---- */

/* What lies between the fields is sent, and must not be anything. */
static void
clear_gaps(struct emit *e, const struct value *g)
{
	const struct bundle *b = g->bundle;
	const char *p = emit_value_ptr(e, g);

	for (int i = 0; i < b->nfield; i++) {
		uint64_t at = bundle_image_at(e->m, b, i) +
		    type_local_count(e->m, b->field[i].type);
		uint64_t next = i + 1 < b->nfield ?
		    bundle_image_at(e->m, b, i + 1) : bundle_image(e->m, b);

		if (at < next)
			emit_zero_bytes(e, arena_printf(e->m->mem,
			    "%s + %" PRIu64, p, at),
			    (next - at) * sizeof(float));
	}
}

/* Whole bundles: a pair for each layer. */
static void
move_layers(struct emit *e, const struct op *op, const char *move)
{
	const struct arg *from = &op->in[0], *to = &op->target;
	uint64_t n = layers_of(e->m, from->b), src = block_of(e, from->b);

	emit_both(e, "{");
	e->indent++;
	emit_both(e, "struct lt_pair pair[%" PRIu64 "];", n);
	emit_both(e, "for (int i = 0; i < %" PRIu64 "; i++)", n);
	emit_rehearse(e, "\tpair[i] = (struct lt_pair){NULL, NULL, %" PRIu64
	    "};", src);
	emit_line(e, "\tpair[i] = (struct lt_pair){%s + i * %" PRIu64 ",",
	    block_ptr(e, to), block_of(e, to->b));
	emit_line(e, "\t    %s + i * %" PRIu64 ", %" PRIu64 "};",
	    block_ptr(e, from), src, src);
	emit_both(e, "lt_finish(rt, lt_start(rt, &moves[%s], %" PRIu64
	    ", pair));", move, n);
	e->indent--;
	emit_both(e, "}");
}

/* The same in another dtype: rounded layer by layer, then sent. */
static void
move_rounded(struct emit *e, const struct op *op, const char *move)
{
	const struct arg *from = &op->in[0], *to = &op->target;
	uint64_t src = block_of(e, from->b);

	emit_work(e, arena_printf(e->m->mem, "%" PRIu64, src *
	    dtype_size[DT_BF16]));
	emit_both(e, "for (int i = 0; i < %" PRIu64 "; i++) {",
	    layers_of(e->m, from->b));
	e->indent++;
	emit_line(e, "%s%" PRIu64 ", %s + i * %" PRIu64 ",",
	    emit_callee(e, CALL_ROUND), src, block_ptr(e, from), src);
	emit_line(e, "    AT(uint16_t, LT_WORK, 0));");
	emit_both(e, "lt_finish(rt, lt_start(rt, &moves[%s], 1,", move);
	emit_line(e, "    (const struct lt_pair[]){{%s + i * %" PRIu64 ",",
	    block_ptr(e, to), block_of(e, to->b));
	emit_line(e, "    AT(uint16_t, LT_WORK, 0), %" PRIu64 "}}));", src);
	emit_rehearse(e, "    (const struct lt_pair[]){{NULL, NULL, %" PRIu64
	    "}}));", src);
	e->indent--;
	emit_both(e, "}");
}

/* A gather or rscatter of blocks, or an allreduce. */
void
emit_image_move(struct emit *e, const struct op *op)
{
	const struct arg *from = &op->in[0];
	struct arg to = op->has_target ? op->target : arg_value(op->out[0]);
	bool whole = op->code == OP_ALLREDUCE || !many_layers(e, from);
	uint64_t n = whole ? count_of(e, from) : block_of(e, from->b);
	const char *move = emit_move(e, op, NULL, dtype_of(&to), n);
	struct pairs p = {0};

	if (op->code == OP_RSCATTER && from->kind != ARG_BUNDLE)
		clear_gaps(e, from->v);
	if (dtype_of(&to) != dtype_of(from) && op->has_target)
		move_rounded(e, op, move);
	else if (!whole)
		move_layers(e, op, move);
	else {
		emit_pair(e, &p, block_ptr(e, &to), block_ptr(e, from), n);
		emit_transfer(e, op, move, &p);
	}
}

/* ---- what is done to all fields ---- */

/* @B[l] = accum s, += accum s; @B = accum @C, rounded if C is wider. */
void
emit_image_accum(struct emit *e, const struct op *op)
{
	const struct arg *from = &op->in[0], *to = &op->target;
	uint64_t n = count_of(e, from);

	if (dtype_of(to) != DT_F32)
		emit_line(e, "%s%" PRIu64 ", %s, %s);",
		    emit_callee(e, CALL_ROUND), n,
		    block_ptr(e, from), block_ptr(e, to));
	else if (from->kind != ARG_BUNDLE || bundle_image_slot(e->m, from->b)
	    != bundle_image_slot(e->m, to->b))
		emit_line(e, "%s%" PRIu64 ", LT_F32, %s, %s, %s);",
		    emit_callee(e, CALL_ACCUM), n, block_ptr(e, from), block_ptr(e, to),
		    op->target_add ? "true" : "false");
}

void
emit_image_zero(struct emit *e, const struct arg *a)
{
	uint64_t n = a->kind == ARG_BUNDLE ? count_of(e, a) :
	    type_local_count(e->m, a->b->field[a->field].type);
	uint64_t layers = a->kind == ARG_BUNDLE || a->indexed ? 1 :
	    layers_of(e->m, a->b);
	const char *p = a->kind == ARG_BUNDLE ? block_ptr(e, a) :
	    emit_image_field(e, a->b, a->field,
	    a->indexed ? &a->index : NULL);

	if (layers > 1)
		emit_line(e, "for (int i = 0; i < %" PRIu64 "; i++)", layers);
	emit_line(e, "%s%s%s%s, 0, %" PRIu64 ");", layers > 1 ? "\t" : "",
	    emit_callee(e, CALL_SET), p, layers > 1 ? arena_printf(e->m->mem,
	    " + i * %" PRIu64, block_of(e, a->b)) : "", n);
}

void
emit_image_sumsq(struct emit *e, const struct arg *a)
{
	e->to->square(e, count_of(e, a), block_ptr(e, a));
}

/* The part of the image where weights decay; neighbours are one. */
static int
print_decay(struct emit *e, const struct bundle *b)
{
	uint64_t lo = 0, hi = 0;
	int n = 0;

	for (int i = 0; i < b->nfield; i++) {
		uint64_t at = bundle_image_at(e->m, b, i);
		uint64_t end = i + 1 < b->nfield ?
		    bundle_image_at(e->m, b, i + 1) : bundle_image(e->m, b);

		if (!b->field[i].decay)
			continue;
		if (hi != at || hi == lo) {
			if (hi > lo)
				emit_line(e, "    {%" PRIu64 ", %" PRIu64 "},",
				    lo, hi);
			n++;
			lo = at;
		}
		hi = end;
	}
	emit_line(e, "    {%" PRIu64 ", %" PRIu64 "}},", lo, hi);
	return n ? n : 1; /* an empty one */
}

void
emit_image_adamw(struct emit *e, const struct op *op)
{
	const struct arg *a = op->in;
	int n;

	emit_line(e, "%s&flats[%d], (const struct lt_range[]){",
	    emit_callee(e, CALL_ADAMW_BLOCKS), emit_flat_index(e, a[0].b));
	n = print_decay(e, a[0].b);
	emit_line(e, "    %d, %s, %s, %s, %s, %s);", n, block_ptr(e, &a[0]),
	    block_ptr(e, &a[1]), block_ptr(e, &a[2]), block_ptr(e, &a[3]),
	    emit_factor(e, op->nin > 4 ? &a[4] : NULL));
}

/* ---- table ---- */

/* Complete gradients or moments of b, which are cut as b is. */
static void
print_state(struct emit *e, const char *key, const struct bundle *b,
    enum bundle_role role)
{
	const struct module *m = e->m;

	for (int i = 0; i < m->nbundle; i++) {
		const struct bundle *x = m->bundle[i];
		const struct slot *s;

		if (x->of != b || x->role != role || x->pend ||
		    !axis_list_equal(&x->flat, &b->flat))
			continue;
		s = bundle_image_slot(m, x);
		if (s) {
			fprintf(e->tables, ", .%s = UINT64_C(%" PRIu64 ")",
			    key, s->offset);
			return;
		}
	}
	fprintf(e->tables, ", .%s = UINT64_MAX", key);
}

static bool
has_row(const struct module *m, const struct bundle *b)
{
	return b->role == ROLE_PARAM && bundle_is_image(m, b);
}

int
emit_flat_index(struct emit *e, const struct bundle *b)
{
	int n = 0;

	if (!has_row(e->m, b))
		return -1;
	for (int i = 0; e->m->bundle[i] != b; i++)
		n += has_row(e->m, e->m->bundle[i]);
	return n;
}

static void
print_flat(struct emit *e, const struct bundle *b)
{
	const struct slot *s = bundle_image_slot(e->m, b);

	fputs("\t{.name = ", e->tables);
	emit_quoted(e->tables, b->name);
	fprintf(e->tables, ", .layers = %" PRIu64 ", .image = UINT64_C(%" PRIu64
	    "), .n = %d, .axis = {", layers_of(e->m, b),
	    bundle_image(e->m, b), b->flat.n);
	for (int i = 0; i < b->flat.n; i++)
		fprintf(e->tables, "%s%d", i ? ", " : "", b->flat.axis[i]);
	fprintf(e->tables, "},\n\t .master = UINT64_C(%" PRIu64 ")",
	    s ? s->offset : UINT64_MAX);
	print_state(e, "grad", b, ROLE_GRAD);
	print_state(e, "moment1", b, ROLE_MOMENT1);
	print_state(e, "moment2", b, ROLE_MOMENT2);
	fputs("},\n", e->tables);
}

int
emit_flats(struct emit *e)
{
	const struct module *m = e->m;
	int n = 0;

	for (int i = 0; i < m->nbundle; i++)
		n += has_row(m, m->bundle[i]);
	if (!n)
		return 0;
	fputs("\n/* Images that ranks share, one block each. */\n"
	    "static const struct lt_flat flats[] = {\n", e->tables);
	for (int i = 0; i < m->nbundle; i++)
		if (has_row(m, m->bundle[i]))
			print_flat(e, m->bundle[i]);
	fputs("};\n", e->tables);
	return n;
}
