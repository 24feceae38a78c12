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

enum role { KEPT_A, KEPT_B, SUMMED, BATCH };

struct dims {
	const struct type *a, *b, *c;
	uint64_t m, n, k;
	bool ta, tb, swap;
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

/* Element stride of dim i of t. */
static uint64_t
stride(const struct module *m, const struct type *t, int i)
{
	uint64_t n = 1;

	while (++i < t->rank)
		n *= dim_local_size(m, &t->d[i]);
	return n;
}

static const char *
offset_of(struct emit *e, const struct type *t)
{
	const char *s = "0";

	for (int i = 0; i < t->rank; i++)
		s = arena_printf(e->m->mem, "%s + d_%s * %" PRIu64, s,
		    t->d[i].name, stride(e->m, t, i));
	return s;
}

static const char *
read_as_float(struct emit *e, const char *p, enum dtype dt, const char *at)
{
	return arena_printf(e->m->mem, dt == DT_BF16 ? "lt_from_bf16(%s[%s])" :
	    "%s[%s]", p, at);
}

/* Any dims in any order: one loop over results, one per summed dim. */
static void
emit_loops(struct emit *e, const struct op *op, const struct dims *d)
{
	FILE *o = e->kernels;
	int id = e->nkernel++;
	uint64_t total = type_local_count(e->m, d->c);
	bool acc = op->target_add || op->into;

	fprintf(o, "struct k%d {\n\tconst %s *a;\n\tconst %s *b;\n\t%s *c;\n"
	    "};\n\n", id, emit_ctype(d->a->dtype), emit_ctype(d->b->dtype),
	    emit_ctype(d->c->dtype));
	fprintf(o, "LT_CLONES static void\nk%d(void *arg, int part, int parts)\n{\n"
	    "\tconst struct k%d *a = arg;\n\n\tfor (long i = %" PRIu64
	    " * (long)part / parts; i < %" PRIu64
	    " * (long)(part + 1) / parts; i++) {\n\t\tfloat sum = 0;\n", id,
	    id, total, total);
	for (int i = 0; i < d->c->rank; i++)
		fprintf(o, "\t\tconst long d_%s = i / %" PRIu64 " %% %" PRIu64
		    ";\n", d->c->d[i].name, stride(e->m, d->c, i),
		    dim_local_size(e->m, &d->c->d[i]));
	for (int i = 0; i < d->a->rank; i++)
		if (type_find(d->c, d->a->d[i].name) < 0)
			fprintf(o, "\t\tfor (long d_%s = 0; d_%s < %" PRIu64
			    "; d_%s++)\n", d->a->d[i].name, d->a->d[i].name,
			    dim_local_size(e->m, &d->a->d[i]),
			    d->a->d[i].name);
	fprintf(o, "\t\t\tsum += %s * %s;\n",
	    read_as_float(e, "a->a", d->a->dtype, offset_of(e, d->a)),
	    read_as_float(e, "a->b", d->b->dtype, offset_of(e, d->b)));
	if (d->c->dtype == DT_BF16)
		fputs("\t\ta->c[i] = lt_to_bf16(sum);\n", o);
	else
		fprintf(o, "\t\ta->c[i] %s sum;\n", acc ? "+=" : "=");
	fputs("\t}\n}\n\n", o);
	emit_line(e, "lt_pool_run(rt->pool, k%d, &(struct k%d){%s, %s, %s});",
	    id, id, emit_arg_ptr(e, &op->in[0]), emit_arg_ptr(e, &op->in[1]),
	    emit_result_ptr(e, op));
}

/* Before an accumulation the old value must be where the result goes. */
static void
emit_accumulator(struct emit *e, const struct op *op)
{
	const char *from, *to;

	if (!op->into)
		return;
	from = emit_arg_ptr(e, &op->in[2]);
	to = emit_result_ptr(e, op);
	if (strcmp(from, to) != 0)
		emit_line(e, "memcpy(%s, %s, %" PRIu64 ");", to, from,
		    type_local_bytes(e->m, op->in[2].v->type));
}

void
emit_dot(struct emit *e, const struct op *op)
{
	struct dims d = {arg_type(e->m, &op->in[0]),
	    arg_type(e->m, &op->in[1]), op->out[0]->type};
	const char *a = emit_arg_ptr(e, &op->in[0]);
	const char *b = emit_arg_ptr(e, &op->in[1]);
	bool acc = op->target_add || op->into;
	const char *lit;

	emit_accumulator(e, op);
	if (!as_matrices(e->m, &d) || (acc && d.c->dtype == DT_BF16)) {
		emit_loops(e, op, &d);
		return;
	}
	if (d.swap) { /* c' = b' a' */
		const struct dims s = d;
		const char *t = a;

		a = b;
		b = t;
		d.m = s.n;
		d.n = s.m;
		d.ta = !s.tb;
		d.tb = !s.ta;
	}
	lit = arena_printf(e->m->mem, "{.m = %" PRIu64 ", .n = %" PRIu64
	    ", .k = %" PRIu64 ", .lda = %" PRIu64 ", .ldb = %" PRIu64
	    ", .ldc = %" PRIu64 ", .ta = %d, .tb = %d, .acc = %d, "
	    ".a = %s, .b = %s, .c = %s}", d.m, d.n, d.k, d.ta ? d.m : d.k,
	    d.tb ? d.k : d.n, d.n, d.ta, d.tb, acc,
	    emit_ltype(d.a->dtype), emit_ltype(d.b->dtype),
	    emit_ltype(d.c->dtype));
	emit_work(e, arena_printf(e->m->mem,
	    "lt_gemm_workspace(&(struct lt_gemm)%s, threads)", lit));
	emit_line(e, "lt_gemm(rt->pool, &(struct lt_gemm)%s,", lit);
	emit_line(e, "    %s, %s, %s, NULL, rt->arena[LT_WORK]);", a, b,
	    emit_result_ptr(e, op));
}

static void
emit_sum_loops(struct emit *e, const struct op *op, const struct type *x,
    const struct type *y)
{
	FILE *o = e->kernels;
	int id = e->nkernel++;
	uint64_t total = type_local_count(e->m, y);

	fprintf(o, "struct k%d {\n\tconst %s *x;\n\tfloat *y;\n};\n\n", id,
	    emit_ctype(x->dtype));
	fprintf(o, "LT_CLONES static void\nk%d(void *arg, int part, int parts)\n{\n"
	    "\tconst struct k%d *a = arg;\n\n\tfor (long i = %" PRIu64
	    " * (long)part / parts; i < %" PRIu64
	    " * (long)(part + 1) / parts; i++) {\n\t\tdouble sum = 0;\n", id,
	    id, total, total);
	for (int i = 0; i < y->rank; i++)
		fprintf(o, "\t\tconst long d_%s = i / %" PRIu64 " %% %" PRIu64
		    ";\n", y->d[i].name, stride(e->m, y, i),
		    dim_local_size(e->m, &y->d[i]));
	for (int i = 0; i < x->rank; i++)
		if (type_find(y, x->d[i].name) < 0)
			fprintf(o, "\t\tfor (long d_%s = 0; d_%s < %" PRIu64
			    "; d_%s++)\n", x->d[i].name, x->d[i].name,
			    dim_local_size(e->m, &x->d[i]), x->d[i].name);
	fprintf(o, "\t\t\tsum += %s;\n\t\ta->y[i] %s (float)sum;\n\t}\n}\n\n",
	    read_as_float(e, "a->x", x->dtype, offset_of(e, x)),
	    op->target_add ? "+=" : "=");
	emit_line(e, "lt_pool_run(rt->pool, k%d, &(struct k%d){%s, %s});", id,
	    id, emit_arg_ptr(e, &op->in[0]), emit_result_ptr(e, op));
}

void
emit_sum(struct emit *e, const struct op *op)
{
	emit_sum_loops(e, op, arg_type(e->m, &op->in[0]), op->out[0]->type);
}
