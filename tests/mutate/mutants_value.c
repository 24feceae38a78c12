/* Mutations of what is computed, and from which value. */
#include "config.h"

#include "tests/mutate/mutate.h"

#include <string.h>

static struct value *
tokens(const struct mut *x, const struct value *lab)
{
	struct value *v = lab->name && strcmp(lab->name, "lab") == 0 ?
	    func_find(x->f, module_namez(x->m, "tok")) : NULL;

	return v && v->type == lab->type ? v : NULL;
}

static bool
labels_at(struct mut *x, struct op *op, int i)
{
	struct value *tok = mut_value(op, i) ? tokens(x, op->in[i].v) : NULL;

	if (!tok || !mut_here(x, op))
		return false;
	op->in[i].v = tok;
	return true;
}

bool
label_other(struct mut *x, struct op *op)
{
	return (op->code == OP_XENT_DOT && labels_at(x, op, 2)) ||
	    (op->code == OP_XENT_DOT_BWD && labels_at(x, op, 3));
}

bool
count_other(struct mut *x, struct op *op)
{
	return op->code == OP_LABELS && labels_at(x, op, 0);
}

bool
rope_lost(struct mut *x, struct op *op)
{
	if ((op->code != OP_ROPE && op->code != OP_ROPE_BWD) ||
	    !mut_here(x, op))
		return false;
	mut_bypass(x, op);
	return true;
}

bool
rope_base(struct mut *x, struct op *op)
{
	if ((op->code != OP_ROPE && op->code != OP_ROPE_BWD) ||
	    !mut_here(x, op))
		return false;
	op_set_real(x->m, op, ATTR_BASE, 2 * op_real(op, ATTR_BASE));
	return true;
}

/* Another value of the type, made before in the region; none: NULL. */
static struct value *
other(const struct mut *x, const struct op *op, int i)
{
	for (int j = 0; j < x->at; j++)
		for (int k = 0; k < x->r->op[j]->nout; k++) {
			struct value *v = x->r->op[j]->out[k];
			bool used = false;

			for (int n = 0; n < op->nin; n++)
				used |= op->in[n].v == v;
			if (!used && v->name && !v->future &&
			    v->type == op->in[i].v->type)
				return v;
		}
	return NULL;
}

static bool
read_other(struct mut *x, struct op *op, int i)
{
	struct value *v = mut_value(op, i) ? other(x, op, i) : NULL;

	if (!v || !mut_here(x, op))
		return false;
	op->in[i].v = v;
	return true;
}

bool
operand_other(struct mut *x, struct op *op)
{
	return op->code == OP_ADD && read_other(x, op, 1);
}

bool
recompute_other(struct mut *x, struct op *op)
{
	return strstr(x->f->name, ".bwd") && (op->code == OP_RMSNORM ||
	    op->code == OP_SWIGLU || op->code == OP_ROPE) &&
	    read_other(x, op, 0);
}

bool
sign(struct mut *x, struct op *op)
{
	if (op->code != OP_ADD || !mut_here(x, op))
		return false;
	op->code = OP_SUB;
	return true;
}
