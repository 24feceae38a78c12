/*
 * Copies to the host and back.
 *
 *	ho | ~o_host1 = offload o : bf16[..]
 *
 *	lt_token t_o_host1 = lt_host_start(rt, v_o_host, v_o, 16384);
 */
#include "config.h"

#include <inttypes.h>

#include "codegen/host.h"
#include "codegen/target.h"

/* Where the layer that op names has what it has sent. */
static const char *
source(struct emit *e, const struct op *op)
{
	const struct value *v = op->nin ? NULL : fetch_source(op);
	const struct slot *s;

	if (!v)
		return emit_arg_ptr(e, &op->in[0]);
	s = module_slot(e->m, v->slot);
	return emit_slot_ptr(e, s, &op->index, (enum dtype)v->type->dtype);
}

void
emit_host_copy(struct emit *e, const struct op *op)
{
	const struct value *v = op->out[0];
	const char *call = arena_printf(e->m->mem, "%s%s, %s, %" PRIu64 ")",
	    emit_callee(e, CALL_HOST_COPY), emit_result_ptr(e, op, 0),
	    source(e, op), value_local_bytes(e->m, v));

	if (v->future) /* at once */
		emit_rehearse(e, "%s%s = LT_TOKEN_DONE;",
		    op->when.set ? "" : "lt_token ", emit_token(e, v));
	if (v->future)
		emit_line(e, "%s%s = %s;", op->when.set ? "" : "lt_token ",
		    emit_token(e, v), call);
	else
		emit_line(e, "lt_finish(rt, %s);", call);
}
