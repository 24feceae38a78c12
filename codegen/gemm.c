/*
 * dot: matrix products where the dims line up, loops where they do not.
 *
 *   q = dot h[b,s,e], wq[e,k,g,d] : [b,s,k,g,d]
 *   m = b s, contracted = e, n = k g d: one product, rows b*s
 *
 * The kept dims of a, the kept dims of b and the contracted dims must each
 * stand together and in one order wherever they occur; then no data moves.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/host.h"
#include "codegen/target.h"

enum role { KEPT_A, KEPT_B, SUMMED, BATCH };

struct dims {
	const struct type *a, *b, *c;
	uint64_t m, n, k;
	bool ta, tb, swap;
	const char *scale_a, *scale_b; /* of fp8, else NULL */
};

static enum role
role_of(const struct dims *d, const char *name)
{
	bool a = type_find(d->a, name) >= 0, b = type_find(d->b, name) >= 0;
	bool c = type_find(d->c, name) >= 0;

	if (a && b)
		return c ? BATCH : SUMMED;
	return a ? KEPT_A : KEPT_B;
}

/* t is [first role..., second role...]? */
static bool
splits(const struct dims *d, const struct type *t, enum role first,
    enum role second)
{
	int i = 0;

	while (i < t->rank && role_of(d, t->d[i].name) == first)
		i++;
	while (i < t->rank && role_of(d, t->d[i].name) == second)
		i++;
	return i == t->rank;
}

/* The dims of one role stand in one order in x and y. */
static bool
same_order(const struct dims *d, const struct type *x, const struct type *y,
    enum role r)
{
	int j = 0;

	for (int i = 0; i < x->rank; i++) {
		if (role_of(d, x->d[i].name) != r)
			continue;
		while (j < y->rank && role_of(d, y->d[j].name) != r)
			j++;
		if (j == y->rank || y->d[j].name != x->d[i].name)
			return false;
		j++;
	}
	return true;
}

static uint64_t
product(const struct module *m, const struct dims *d, const struct type *t,
    enum role r)
{
	uint64_t n = 1;

	for (int i = 0; i < t->rank; i++)
		if (role_of(d, t->d[i].name) == r)
			n *= dim_local_size(m, &t->d[i]);
	return n;
}

static bool
as_matrices(const struct module *m, struct dims *d)
{
	for (int i = 0; i < d->a->rank; i++)
		if (role_of(d, d->a->d[i].name) == BATCH)
			return false;
	d->swap = !splits(d, d->c, KEPT_A, KEPT_B);
	d->ta = !splits(d, d->a, KEPT_A, SUMMED);
	d->tb = !splits(d, d->b, SUMMED, KEPT_B);
	d->m = product(m, d, d->a, KEPT_A);
	d->n = product(m, d, d->b, KEPT_B);
	d->k = product(m, d, d->a, SUMMED);
	return (!d->swap || splits(d, d->c, KEPT_B, KEPT_A)) &&
	    (!d->ta || splits(d, d->a, SUMMED, KEPT_A)) &&
	    (!d->tb || splits(d, d->b, KEPT_B, SUMMED)) &&
	    same_order(d, d->a, d->c, KEPT_A) &&
	    same_order(d, d->b, d->c, KEPT_B) &&
	    same_order(d, d->a, d->b, SUMMED) && d->m <= UINT32_MAX &&
	    d->n <= UINT32_MAX && d->k <= UINT32_MAX;
}

/* Before an accumulation the old value must be where the result goes. */
static void
emit_accumulator(struct emit *e, const struct op *op)
{
	if (op->into)
		emit_copy_if_moved(e, op->out[0], NULL,
		    op->in[op->nin - 1].v, NULL);
}

/* In bf16 the old sum is the residual of the product's epilogue. */
static const char *
epilogue(struct emit *e, const struct op *op, const struct dims *d,
    const char *c)
{
	struct arena *mem = e->m->mem;
	bool resid = op->into && d->c->dtype == DT_BF16;
	const char *old = resid ? arena_printf(mem, ".resid = %s, "
	    ".resid_type = LT_BF16, .ldr = %" PRIu64, c, d->n) : "";

	if (!resid && !d->scale_a)
		return "NULL";
	if (!d->scale_a)
		return arena_printf(mem, "&(struct lt_gemm_epilogue){%s}", old);
	return arena_printf(mem, "&(struct lt_gemm_epilogue){%s%s\n\t"
	    "    .scale_a = %s, .scale_b = %s}", old, resid ? "," : "",
	    d->scale_a, d->scale_b);
}

static void
emit_gemm(struct emit *e, const struct op *op, const struct dims *d,
    const char *a, const char *b)
{
	const char *c = emit_result_ptr(e, op, 0);
	bool add = (op->has_target && op->target_add) ||
	    (op->into && d->c->dtype == DT_F32);
	const char *lit = arena_printf(e->m->mem, "{.m = %" PRIu64 ", .n = %"
	    PRIu64 ", .k = %" PRIu64 ",\n\t    .lda = %" PRIu64
	    ", .ldb = %" PRIu64 ", .ldc = %" PRIu64 ", .ta = %d, .tb = %d, "
	    ".acc = %d,\n\t    .a = %s, .b = %s, .c = %s}", d->m, d->n, d->k,
	    d->ta ? d->m : d->k, d->tb ? d->k : d->n, d->n, d->ta, d->tb, add,
	    emit_ltype((enum dtype)d->a->dtype),
	    emit_ltype((enum dtype)d->b->dtype),
	    emit_ltype((enum dtype)d->c->dtype));

	emit_work(e, arena_printf(e->m->mem,
	    "%s&(struct lt_gemm)%s, threads)", emit_callee(e, CALL_GEMM_WORK),
	    lit));
	emit_line(e, "%s&(struct lt_gemm)%s,", emit_callee(e, CALL_GEMM), lit);
	emit_line(e, "    %s, %s, %s, %s%s);", a, b, c, epilogue(e, op, d, c),
	    e->to->work);
}

void
emit_dot(struct emit *e, const struct op *op)
{
	struct dims d = {arg_type(e->m, &op->in[0]),
	    arg_type(e->m, &op->in[1]), op->out[0]->type};

	if (dtype_is_fp8(d.a->dtype)) {
		d.scale_a = emit_arg_ptr(e, &op->in[2]);
		d.scale_b = emit_arg_ptr(e, &op->in[3]);
	}
	emit_accumulator(e, op);
	if (!as_matrices(e->m, &d)) {
		if (d.scale_a)
			emit_broken(e, op, "fp8 that is no matrix");
		else
			emit_dot_loops(e, op);
	} else if (d.swap) { /* c' = b' a' */
		struct dims s = d;

		s.m = d.n;
		s.n = d.m;
		s.ta = !d.tb;
		s.tb = !d.ta;
		s.a = d.b;
		s.b = d.a;
		s.scale_a = d.scale_b;
		s.scale_b = d.scale_a;
		emit_gemm(e, op, &s, emit_arg_ptr(e, &op->in[1]),
		    emit_arg_ptr(e, &op->in[0]));
	} else {
		emit_gemm(e, op, &d, emit_arg_ptr(e, &op->in[0]),
		    emit_arg_ptr(e, &op->in[1]));
	}
}
