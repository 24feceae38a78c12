/*
 * Where a program says where it is, for messages, timelines and profilers:
 *
 *	lt_at(rt, "gqa.lt:20 attention");
 *	lt_enter(rt, "layer", i_l);
 *	f_layer(rt, i_l, ..);
 *	lt_leave(rt);
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/host.h"
#include "support/buf.h"

enum { NAMES = 3 }; /* of a group that are told */

/* Moves are told apart by what they bring. */
static const char *
object_of(const struct op *op)
{
	const struct value *v = op->nout ? op->out[0] : NULL;

	if (op_info[op->code].group != GROUP_COMM &&
	    op_info[op->code].group != GROUP_HOST && op->code != OP_WAIT)
		return NULL;
	if (op->has_target)
		return op->target.b->name;
	return v ? v->name : NULL;
}

static void
add_names(struct buf *b, struct op *const *op, int n)
{
	for (int i = 0; i < n && i < NAMES; i++)
		buf_printf(b, "%s%s", i ? "+" : "", op_info[op[i]->code].name);
	if (n > NAMES)
		buf_puts(b, "+..");
	if (object_of(op[0]))
		buf_printf(b, " %s", object_of(op[0]));
}

static void
print_call(struct emit *e, const char *call, const char *text,
    const char *rest)
{
	for (int i = 0; i < e->indent; i++)
		fputc('\t', e->out);
	fputs(call, e->out);
	emit_quoted(e->out, text);
	fprintf(e->out, "%s);\n", rest);
}

void
emit_at(struct emit *e, struct op *const *op, int n)
{
	const char *where = emit_where(e, op[0]);
	struct buf b = {0};

	if (where)
		buf_printf(&b, "%s ", where);
	add_names(&b, op, n);
	print_call(e, "lt_at(rt, ", buf_text(&b), "");
	buf_free(&b);
}

void
emit_enter(struct emit *e, const char *what, const char *index)
{
	print_call(e, "lt_enter(rt, ", what, arena_printf(e->m->mem, ", %s",
	    index));
}

void
emit_leave(struct emit *e)
{
	emit_line(e, "lt_leave(rt);");
}
