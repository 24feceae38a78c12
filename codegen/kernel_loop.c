/* Loops over the columns of a row: operands, results, reductions. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/kernel.h"

static bool
same_arg(const struct arg *a, const struct arg *b)
{
	return a->kind == b->kind && a->v == b->v && a->b == b->b &&
	    a->field == b->field;
}

struct input *
kernel_input(struct kernel *k, const struct arg *a)
{
	for (int i = 0; i < k->nin; i++)
		if (same_arg(&k->in[i].arg, a))
			return &k->in[i];
	return NULL;
}

struct member *
kernel_member(struct kernel *k, const struct op *op, int out)
{
	for (int i = 0; i < k->nmem; i++)
		if (k->mem[i].op == op && k->mem[i].v == op->out[out])
			return &k->mem[i];
	return NULL;
}

/* The member that a reads, if the group makes it. */
static struct member *
member_read(struct kernel *k, const struct arg *a)
{
	for (int i = 0; a->kind == ARG_VALUE && i < k->nmem; i++)
		if (k->mem[i].v == a->v)
			return &k->mem[i];
	return NULL;
}

/* ---- phases: where values are made and last read ---- */

struct phases {
	uint16_t code;
	uint8_t loops; /* before the result exists */
	bool again;    /* operands are read in the last of them too */
	bool alone;    /* the op writes a loop of its own */
};

static const struct phases phase_rows[] = {
	{OP_RMSNORM, 1, true, false},
	{OP_RMSNORM_BWD, 1, true, false},
	{OP_LAYERNORM, 2, true, false},
	{OP_LAYERNORM_BWD, 3, true, false},
	{OP_SOFTMAX, 2, true, false},
	{OP_SOFTMAX_BWD, 1, true, false},
	{OP_XENT, 2, true, false},
	{OP_XENT_BWD, 2, true, false},
	{OP_ATTN_DELTA, 1, false, false},
	{OP_ROPE, 1, true, true},
	{OP_ROPE_BWD, 1, true, true},
};

static struct phases
phases_of(const struct op *op)
{
	if (op->code == OP_SUM)
		return (struct phases){OP_SUM, group_result(op, 0) !=
		    RESULT_COLS, false, false};
	for (size_t i = 0; i < COUNT_OF(phase_rows); i++)
		if (phase_rows[i].code == op->code)
			return phase_rows[i];
	return (struct phases){.code = op->code};
}

void
kernel_plan_phases(struct kernel *k)
{
	int p = 0;

	for (int i = 0; i < k->n; i++) {
		const struct op *op = k->op[i];
		struct phases f = phases_of(op);

		for (int j = 0; j < op->nin; j++) {
			struct member *t = member_read(k, &op->in[j]);
			int last = p + (f.again ? f.loops : 0);

			if (t && last > t->last_phase)
				t->last_phase = last;
		}
		p += f.loops;
		for (int j = 0; j < op->nout; j++) {
			struct member *t = kernel_member(k, op, j);

			if (t)
				t->def_phase = t->last_phase = p;
		}
		p += f.alone;
	}
	for (int i = 0; i < k->nmem; i++)
		k->mem[i].array = k->mem[i].last_phase > k->mem[i].def_phase;
}

void
kernel_begin_loop(struct kernel *k)
{
	k->loop = open_memstream(&k->loop_text, &k->loop_size);
	if (!k->loop)
		abort();
	k->reductions = "";
	k->loop_used = false;
	for (int i = 0; i < k->nin; i++)
		if (k->in[i].has_cols)
			k->in[i].declared = -1;
	for (int i = 0; i < k->nmem; i++)
		k->mem[i].declared = -1;
}

void
kernel_end_loop(struct kernel *k)
{
	fclose(k->loop);
	if (k->loop_used)
		k->d->finish_loop(k);
	free(k->loop_text);
	k->phase++;
	kernel_begin_loop(k);
}

/* ---- operands and results ---- */

/* The shortest decimal of a float, as a C constant. */
const char *
kernel_constant(struct kernel *k, double x)
{
	char text[40];
	const char *dot;

	if (x != x)
		return "NAN";
	if (x - x != 0)
		return x > 0 ? "INFINITY" : "(-INFINITY)";
	for (int digits = 1; digits <= 9; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, x);
		if (strtof(text, NULL) == (float)x)
			break;
	}
	dot = strpbrk(text, ".e") ? "" : ".0";
	return TEXT(k, x < 0 ? "(%s%sf)" : "%s%sf", text, dot);
}

static bool
is_const(const struct arg *a)
{
	return a->kind == ARG_VALUE && a->v->def &&
	    a->v->def->code == OP_CONST;
}

const char *
kernel_element(struct kernel *k, const struct arg *a)
{
	struct member *t = member_read(k, a);
	struct input *x;

	k->loop_used = true;
	if (is_const(a))
		return kernel_constant(k, op_real(a->v->def, ATTR_VALUE));
	if (t) {
		if (t->declared != k->phase && t->def_phase != k->phase)
			fprintf(k->loop, "\t\t\tconst float %s = %s;\n",
			    t->name, k->d->recall(k, t));
		t->declared = k->phase;
		return t->name;
	}
	x = kernel_input(k, a);
	if (x->has_cols && x->declared != k->phase) {
		fprintf(k->loop, "\t\t\tconst float %s = %s;\n", x->name,
		    k->d->read(k, x));
		x->declared = k->phase;
	}
	return x->name;
}

const char *
kernel_element_at(struct kernel *k, const struct arg *a, const char *index)
{
	struct member *t = member_read(k, a);

	return k->d->element_at(k, t, t ? NULL : kernel_input(k, a), index);
}

/* Targets are f32. */
bool
kernel_stores_half(const struct member *t)
{
	return !(t->op->out[0] == t->v && t->op->has_target) &&
	    t->v->type->dtype == DT_BF16;
}

void
kernel_define(struct kernel *k, const struct op *op, int out, const char *expr)
{
	struct member *t = kernel_member(k, op, out);

	k->loop_used = true;
	t->declared = k->phase;
	fprintf(k->loop, "\t\t\tconst float %s = %s;\n", t->name, expr);
	k->d->keep(k, t);
}

void
kernel_reduce(struct kernel *k, const char *op, const char *name,
    const char *first, const char *expr)
{
	k->loop_used = true;
	k->d->reduce(k, op, name, first);
	if (strcmp(op, "max") == 0)
		fprintf(k->loop, "\t\t\t%s = %s > %s ? %s : %s;\n", name, expr,
		    name, expr, name);
	else
		fprintf(k->loop, "\t\t\t%s += %s;\n", name, expr);
}

static int
sum_index(const struct kernel *k, const struct op *op, int out)
{
	for (int i = 0; i < k->nsum; i++)
		if (k->sum[i].op == op && k->sum[i].out == out)
			return i;
	return -1;
}

/* A sum for each column grows in the loop, the sum of all after it. */
void
kernel_add_sum(struct kernel *k, const struct op *op, int out,
    const char *expr)
{
	bool all = group_result(op, out) == RESULT_ALL;

	k->loop_used |= !all;
	k->d->add_sum(k, sum_index(k, op, out), all, expr);
}
