/* Groups of single numbers: statements of the host, no kernel. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/host.h"
#include "codegen/kernel.h"

/* Is v made by op[0..n)?  Then a local variable holds it. */
static bool
made_here(struct op *const *op, int n, const struct value *v)
{
	for (int i = 0; i < n; i++)
		if (v->def == op[i])
			return true;
	return false;
}

static const char *
read(struct emit *e, struct op *const *op, int n, const struct arg *a)
{
	struct kernel k = {.e = e};
	const struct type *t = arg_type(e->m, a);

	if (a->kind == ARG_VALUE && a->v->def && a->v->def->code == OP_CONST)
		return kernel_constant(&k, op_real(a->v->def, ATTR_VALUE));
	if (a->kind == ARG_VALUE && made_here(op, n, a->v))
		return emit_mangle(e, "t_", a->v->name);
	return arena_printf(e->m->mem, t->dtype == DT_BF16 ?
	    "lt_from_bf16(*%s)" : "*%s", emit_arg_ptr(e, a));
}

static void
write(struct emit *e, struct op *const *op, int n, const struct op *o, int out,
    const char *expr)
{
	const struct value *v = o->out[out];
	bool target = o->has_target && out == 0;
	bool half = !target && v->type->dtype == DT_BF16;

	if (!target && n > 1) {
		const char *t = emit_mangle(e, "t_", v->name);

		emit_line(e, "const float %s = %s;", t, expr);
		expr = t;
		if (!group_used_outside(e->f, v, op, n))
			return;
	}
	emit_line(e, half ? "*%s %s lt_to_bf16(%s);" : "*%s %s %s;",
	    emit_result_ptr(e, o, out), target && o->target_add ? "+=" : "=",
	    expr);
}

void
emit_scalars(struct emit *e, struct op *const *op, int n)
{
	const char *arg[4] = {0};

	if (n > 1)
		emit_line(e, "{");
	e->indent += n > 1;
	for (int i = 0; i < n; i++) {
		for (int j = 0; j < op[i]->nin && j < 4; j++)
			arg[j] = read(e, op, n, &op[i]->in[j]);
		for (int j = 0; j < op[i]->nout; j++)
			write(e, op, n, op[i], j, kernel_expand(e->m->mem,
			    kernel_formula(op[i], j), arg));
	}
	e->indent -= n > 1;
	if (n > 1)
		emit_line(e, "}");
}
