/* What goes to the memory of the host, and comes back. */
#include "config.h"

#include "ir/rules.h"

bool
value_on_host(const struct value *v)
{
	const struct op *op = v->def;

	for (int i = 0; op && op->code == OP_WAIT && i < op->nin; i++)
		if (op->out[i] == v)
			return op->in[i].kind == ARG_VALUE &&
			    value_on_host(op->in[i].v);
	return op && op->code == OP_OFFLOAD;
}

const struct value *
fetch_source(const struct op *op)
{
	return op->callee && op->kept ? func_find(op->callee, op->kept) : NULL;
}

bool
rule_offload(struct check *c)
{
	if (!all_typed(c, 1))
		return false;
	c->res[0] = c->in[0];
	return true;
}

bool
rule_fetch(struct check *c)
{
	c->res[0] = stated(c, 0);
	return need_stated(c);
}
