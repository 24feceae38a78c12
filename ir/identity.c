/*
 * What a checkpoint belongs to: a hash of the model alone.
 *
 * The model is its parameters (names, shapes) and its forward mathematics: the
 * ops of fn eval and what it calls, values numbered in order of definition.
 * Left out is what a run may change without becoming another model: names of
 * values, dtypes and casts, sizes of b, s and mb, chunks, saved values, places.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ir/attr.h"
#include "ir/identity.h"

struct reader {
	const struct module *m;
	FILE *out;
	const struct func *f;
	int *number; /* by value id */
	int count;
};

static void
write_fields(const struct module *m, FILE *out)
{
	for (int i = 0; i < m->nbundle; i++) {
		const struct bundle *b = m->bundle[i];

		for (int j = 0; b->role == ROLE_PARAM && j < b->nfield; j++) {
			const struct type *t = b->field[j].type;

			fprintf(out, "%s.%s %" PRIu64, b->path ? b->path :
			    b->name, b->field[j].name, b->stack ?
			    module_dim(m, b->stack)->size : 1);
			for (int k = 0; k < t->rank; k++)
				fprintf(out, " %s=%" PRIu64, t->d[k].name,
				    module_dim(m, t->d[k].name)->size);
			fputc('\n', out);
		}
	}
}

/* Ops whose result is their operand, as far as the model goes. */
static bool
transparent(const struct op *op)
{
	return op->code == OP_CAST || op->code == OP_TAKE;
}

static bool
silent(const struct op *op)
{
	return op->code == OP_SAVE || op->code == OP_PARAMS || transparent(op);
}

static void
write_arg(struct reader *r, const struct arg *a)
{
	if (a->kind == ARG_VALUE)
		fprintf(r->out, " %%%d", r->number[a->v->id]);
	else if (a->kind == ARG_FIELD)
		fprintf(r->out, " %s.%s", a->v->bundle->name,
		    a->v->bundle->field[a->field].name);
	else
		fprintf(r->out, " @%s", a->b->name);
}

static void
write_attrs(struct reader *r, const struct op *op)
{
	for (int k = 0; k < ATTR_COUNT; k++) {
		const struct attr *a = op_attr(op, (enum attr_key)k);

		if (!a || k == ATTR_CHUNK || attr_is_default(a))
			continue;
		fprintf(r->out, " %s=", attr_info[k].name);
		if (attr_info[k].kind == ATTRKIND_REAL)
			fprintf(r->out, "%a", a->real);
		else if (attr_info[k].kind == ATTRKIND_NAME)
			fputs(a->name, r->out);
		else
			fprintf(r->out, "%" PRId64, a->num);
	}
}

static void
number_values(struct reader *r, const struct op *op)
{
	for (int i = 0; i < op->nout; i++)
		if (!op->out[i]->bundle)
			r->number[op->out[i]->id] = transparent(op) ?
			    r->number[op->in[0].v->id] : r->count++;
}

static void
write_result_dims(struct reader *r, const struct op *op)
{
	for (int i = 0; i < op->nout; i++) {
		const struct type *t = op->out[i]->type;

		fputs(" :", r->out);
		for (int j = 0; t && j < t->rank; j++)
			fprintf(r->out, " %s", t->d[j].name);
	}
}

static void
write_region(struct reader *r, const struct region *region)
{
	for (int i = 0; i < region->n; i++) {
		const struct op *op = region->op[i];

		for (int j = 0; j < op->nin && op->code == OP_FOR; j++)
			r->number[op->carry[j]->id] = r->count++;
		number_values(r, op);
		if (silent(op))
			continue;
		fputs(op_info[op->code].name, r->out);
		write_attrs(r, op);
		for (int j = 0; j < op->nin; j++)
			write_arg(r, &op->in[j]);
		if (op->code == OP_CALL)
			fprintf(r->out, " %s", op->callee->name);
		write_result_dims(r, op);
		fputc('\n', r->out);
		if (op->code == OP_FOR)
			write_region(r, &op->body);
	}
}

static void
write_func(const struct module *m, const struct func *f, FILE *out)
{
	struct reader r = {.m = m, .out = out, .f = f};

	r.number = calloc((size_t)f->nvalue + 1, sizeof *r.number);
	if (!r.number)
		abort();
	for (int i = 0; i < f->nparam; i++)
		r.number[f->param[i]->id] = r.count++;
	fprintf(out, "fn %s\n", f->name);
	write_region(&r, &f->body);
	free(r.number);
}

static void
mark_callee(struct op *op, void *arg)
{
	const struct module *m = ((void **)arg)[0];
	bool *used = ((void **)arg)[1];

	for (int i = 0; op->code == OP_CALL && i < m->nfunc; i++)
		if (m->func[i] == op->callee)
			used[i] = true;
}

/* Callees stand before callers, so one walk backward finds them all. */
static void
write_funcs(struct module *m, FILE *out)
{
	bool *used = NEW_N(m->mem, bool, (size_t)m->nfunc + 1);
	void *arg[2] = {m, used};

	for (int i = m->nfunc - 1; i >= 0; i--) {
		used[i] |= strcmp(m->func[i]->name, "eval") == 0;
		if (used[i])
			region_walk(&m->func[i]->body, mark_callee, arg);
	}
	for (int i = 0; i < m->nfunc; i++)
		if (used[i])
			write_func(m, m->func[i], out);
}

static uint64_t
fnv1a(const char *s, size_t n)
{
	uint64_t h = UINT64_C(14695981039346656037);

	while (n--)
		h = (h ^ (unsigned char)*s++) * UINT64_C(1099511628211);
	return h;
}

void
identity_print(struct module *m, FILE *out)
{
	write_fields(m, out);
	write_funcs(m, out);
}

static const char kept[] = "model.hash";

static uint64_t
hash_of(struct module *m)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	uint64_t h;

	if (!f)
		abort();
	identity_print(m, f);
	fclose(f);
	h = fnv1a(text, n);
	free(text);
	return h;
}

uint64_t
identity_hash(struct module *m)
{
	const char *s = module_text(m, kept, NULL);

	return s ? strtoull(s, NULL, 16) : hash_of(m);
}

void
identity_keep(struct module *m)
{
	module_set_text(m, kept, arena_printf(m->mem, "%016" PRIx64,
	    identity_hash(m)), (struct span){0, 0});
}
