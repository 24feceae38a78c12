#include "config.h"

#include "plan/tell.h"

#include <inttypes.h>

void
tell_place(struct buf *b, const struct module *m, const struct op *op)
{
	const struct source *src = m->diag->src;
	uint32_t line = 1, column = 1;

	for (uint32_t i = 0; src && i < op->at.lo && i < src->len; i++) {
		column = src->text[i] == '\n' ? 1 : column + 1;
		line += src->text[i] == '\n';
	}
	buf_printf(b, "%s:%" PRIu32 ":%" PRIu32, src ? src->name : "?", line,
	    column);
}

void
tell_op(struct buf *b, const struct module *m, const struct op *op)
{
	if (op->has_target)
		buf_printf(b, "@%s = ", op->target.kind == ARG_BUNDLE ?
		    op->target.b->name : op->target.v->name);
	else if (op->nout && op->out[0]->name)
		buf_printf(b, "%s%s = ", op->out[0]->name,
		    op->nout > 1 ? ", ..." : "");
	buf_puts(b, op_info[op->code].name);
	for (int i = 0; i < op->nhop; i++)
		buf_printf(b, "%s%s", i ? "," : op->code == OP_SHIFT ? " by " :
		    " on ", m->axis[op->hop[i].axis].name);
}
