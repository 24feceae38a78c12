/*
 * simplify: patterns that other passes and kernels know by one name.
 *
 *   before                          after
 *   u1 = silu u                     a = swiglu u, t
 *   a = mul u1, t
 *   y = cast x : f32[b,s,e]         (readers of y read x, already f32)
 *
 * Then what nobody reads goes.  Nothing here rounds differently in f32; with
 * bf16, swiglu rounds once where silu and mul rounded twice.
 *
 * needs: nothing.  keeps: names of what remains.  leaves: no dead ops.
 */
#include "config.h"

#include "passes/pass.h"
#include "passes/rewrite.h"

/* True if v is silu of something and nobody else wants it. */
static bool
is_silu(struct func *f, const struct arg *a)
{
	return a->kind == ARG_VALUE && a->v->def &&
	    a->v->def->code == OP_SILU && count_uses(f, a->v) == 1;
}

static void
make_swiglu(struct func *f, struct op *mul)
{
	int i = is_silu(f, &mul->in[0]) ? 0 : 1;
	struct arg u, t = mul->in[1 - i];

	if (!is_silu(f, &mul->in[i]))
		return;
	u = mul->in[i].v->def->in[0];
	if (u.kind != ARG_VALUE || t.kind != ARG_VALUE ||
	    u.v->type != t.v->type)
		return;
	mul->code = OP_SWIGLU;
	mul->in[0] = u;
	mul->in[1] = t;
}

static void
skip_cast(struct func *f, struct op *op)
{
	if (op->in[0].kind == ARG_VALUE && !op->has_target &&
	    op->in[0].v->type == op->out[0]->type)
		replace_uses(f, op->out[0], op->in[0].v);
}

static void
simplify_region(struct func *f, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		if (op->code == OP_MUL)
			make_swiglu(f, op);
		if (op->code == OP_CAST)
			skip_cast(f, op);
		simplify_region(f, &op->body);
	}
}

static int
simplify(struct module *m)
{
	for (int i = 0; i < m->nfunc; i++) {
		simplify_region(m->func[i], &m->func[i]->body);
		remove_dead(m->func[i]);
	}
	return 0;
}

const struct pass pass_simplify = {
	.name = "simplify",
	.summary = "silu and product become swiglu; casts to the same go",
	.run = simplify,
};
