/*
 * fuse: neighbours that run over the same rows become one kernel.
 *
 *   before                               after (group in the margin)
 *   y = add x, p : f32[b,s,e]         0|  y = add x, p : f32[b,s,e]
 *   n = rmsnorm y, w.n2 : f32[b,s,e]  0|  n = rmsnorm y, w.n2 : f32[b,s,e]
 *   u = dot n, w.w1 : f32[b,s,f]       |  u = dot n, w.w1 : f32[b,s,f]
 *
 * A value that only its own group reads never reaches memory.  Constants,
 * parameter reads and stores of finished sums do not end a group: none of them
 * computes anything the group could miss.
 *
 * A field of a bundle that flows (starts a carry, is yielded, passed, saved or
 * returned) becomes a value first, for only values have places of their own.
 *
 * needs: forward and backward.  keeps: order, values.  leaves: op->group.
 */
#include "config.h"

#include <string.h>

#include "ir/group.h"
#include "passes/pass.h"

static bool
flows(const struct op *op)
{
	return op_info[op->code].group == GROUP_FLOW;
}

/* v = cast w.x, and v instead of w.x. */
static void
copy_field(struct module *m, struct func *f, struct region *r, int at, int in)
{
	struct op *user = r->op[at];
	struct op *cast = op_new(m, OP_CAST, 1, 1, user->at);

	cast->in[0] = user->in[in];
	cast->out[0] = func_value(m, f, func_fresh(m, f, "copy"),
	    arg_type(m, &user->in[in]), user->at);
	cast->out[0]->def = cast;
	region_insert(m, r, at, cast);
	user->in[in] = arg_value(cast->out[0]);
}

static void
copy_fields(struct module *m, struct func *f, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		for (int j = 0; j < op->nin && flows(op); j++)
			if (op->in[j].kind == ARG_FIELD) {
				copy_field(m, f, r, i, j);
				i++;
			}
		if (op->code == OP_FOR)
			copy_fields(m, f, &op->body);
	}
}

/* A kernel stands where its first op does: not before a copy that the others
 * read is made (plan.copies = layer). */
static bool
makes_copy(const struct module *m, const struct op *op)
{
	return op->code == OP_PARAMS && op->in[0].b->dtype !=
	    op->out[0]->dtype && strcmp(module_text(m, "plan.copies", "all"),
	    "layer") == 0;
}

static bool
transparent(const struct module *m, const struct op *op)
{
	return op->code == OP_CONST || op->code == OP_ACCUM ||
	    (op->code == OP_PARAMS && !makes_copy(m, op));
}

static void fuse_region(struct module *m, struct region *r, int *next);

static void
fuse_op(struct module *m, struct op *op, struct op_list *open, int *next)
{
	if (op->code == OP_FOR)
		fuse_region(m, &op->body, next);
	if (transparent(m, op))
		return;
	if (!group_fusable(m, op)) {
		open->n = 0;
		return;
	}
	if (open->n && group_fits(m, open->op, open->n, op)) {
		op->group = open->op[0]->group;
	} else {
		open->n = 0;
		op->group = (*next)++;
	}
	open->op[open->n++] = op;
}

static void
fuse_region(struct module *m, struct region *r, int *next)
{
	struct op_list open = {.n = 0};

	for (int i = 0; i < r->n; i++) {
		r->op[i]->group = -1;
		fuse_op(m, r->op[i], &open, next);
	}
}

static int
fuse(struct module *m)
{
	for (int i = 0; i < m->nfunc; i++) {
		int next = 0;

		copy_fields(m, m->func[i], &m->func[i]->body);
		fuse_region(m, &m->func[i]->body, &next);
	}
	return 0;
}

const struct pass pass_fuse = {
	.name = "fuse",
	.summary = "neighbours over the same rows become one kernel",
	.run = fuse,
};
