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

struct names { /* of one function, by value id */
	int *uses;
	struct value **is; /* what readers of a value read instead, or NULL */
};

/* True if v is silu of something and nobody else wants it. */
static bool
is_silu(const struct names *n, const struct arg *a)
{
	return a->kind == ARG_VALUE && a->v->def &&
	    a->v->def->code == OP_SILU && n->uses[a->v->id] == 1;
}

static void
make_swiglu(struct names *n, struct op *mul)
{
	int i = is_silu(n, &mul->in[0]) ? 0 : 1;
	struct arg u, t = mul->in[1 - i];

	if (!is_silu(n, &mul->in[i]))
		return;
	u = mul->in[i].v->def->in[0];
	if (u.kind != ARG_VALUE || t.kind != ARG_VALUE ||
	    u.v->type != t.v->type)
		return;
	n->uses[mul->in[i].v->id]--;
	n->uses[u.v->id]++;
	mul->code = OP_SWIGLU;
	mul->in[0] = u;
	mul->in[1] = t;
}

/* Readers come later, so none has been visited. */
static void
skip_cast(struct names *n, const struct op *op)
{
	struct value *x = op->in[0].v, *y = op->out[0];

	if (op->in[0].kind != ARG_VALUE || op->has_target ||
	    x->type != y->type)
		return;
	n->is[y->id] = x;
	n->uses[x->id] += n->uses[y->id];
	n->uses[y->id] = 0;
}

static void
simplify_region(struct names *n, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];

		for (int j = 0; j < op->nin; j++)
			if (op->in[j].v && n->is[op->in[j].v->id])
				op->in[j].v = n->is[op->in[j].v->id];
		if (op->code == OP_MUL)
			make_swiglu(n, op);
		if (op->code == OP_CAST)
			skip_cast(n, op);
		simplify_region(n, &op->body);
	}
}

static void
simplify_func(struct func *f)
{
	struct arena mem = {0};
	size_t n = (size_t)f->nvalue + 1;
	struct names names = {NEW_N(&mem, int, n),
	    NEW_N(&mem, struct value *, n)};

	count_reads(&f->body, names.uses);
	simplify_region(&names, &f->body);
	arena_free(&mem);
	remove_dead(f);
}

static int
simplify(struct module *m)
{
	for (int i = 0; i < m->nfunc; i++)
		simplify_func(m->func[i]);
	return 0;
}

const struct pass pass_simplify = {
	.name = "simplify",
	.summary = "silu and product become swiglu; casts to the same go",
	.run = simplify,
};
