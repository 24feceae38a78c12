/* Counts transfers by running the loops and calls of a step, and no ops. */
#include "config.h"

#include "codegen/traffic.h"

#include "plan/cost.h"

struct tally {
	const struct module *m;
	bool (*counts)(const struct op *op);
	struct traffic *row;
	int n, cap;
};

/* Variables of the function: the layer index first, then loops. */
struct scope {
	const char *var[MAX_LOOPS + 1];
	int64_t val[MAX_LOOPS + 1];
	int n;
};

static void
add_row(struct tally *t, const struct func *f, const struct op *op)
{
	struct traffic *old = t->row;

	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->row = NEW_N(t->m->mem, struct traffic, (size_t)t->cap);
		for (int i = 0; i < t->n; i++)
			t->row[i] = old[i];
	}
	t->row[t->n++] = (struct traffic){f, op, 0, cost_is_host_copy(op) ?
	    cost_local_bytes(t->m, op) :
	    cost_sent_bytes(t->m, op) / cost_transfers(t->m, op)};
}

static void
list_region(struct tally *t, const struct func *f, const struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		if (t->counts(r->op[i]))
			add_row(t, f, r->op[i]);
		list_region(t, f, &r->op[i]->body);
	}
}

static struct traffic *
row_of(struct tally *t, const struct op *op)
{
	int i = 0;

	while (t->row[i].op != op)
		i++;
	return &t->row[i];
}

static void count_region(struct tally *t, const struct region *r,
    struct scope *s);

static void
count_loop(struct tally *t, const struct op *op, struct scope *s)
{
	int64_t lo = (int64_t)bound_eval(t->m, &op->lo);
	int64_t hi = (int64_t)bound_eval(t->m, &op->hi);

	s->var[s->n++] = op->var;
	for (int64_t i = lo; i < hi; i++) {
		s->val[s->n - 1] = i;
		count_region(t, &op->body, s);
	}
	s->n--;
}

static void
count_call(struct tally *t, const struct op *op, const struct scope *s)
{
	struct scope inner = {.n = op->indexed};

	inner.var[0] = op->callee->index;
	if (op->indexed)
		inner.val[0] = affine_eval(&op->index, s->var, s->val, s->n);
	count_region(t, &op->callee->body, &inner);
}

static void
count_region(struct tally *t, const struct region *r, struct scope *s)
{
	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];

		if (!cond_holds(t->m, &op->when, s->var, s->val, s->n))
			continue;
		if (op->code == OP_FOR)
			count_loop(t, op, s);
		else if (op->code == OP_CALL)
			count_call(t, op, s);
		else if (t->counts(op))
			row_of(t, op)->calls += cost_is_host_copy(op) ? 1 :
			    cost_transfers(t->m, op);
	}
}

static struct traffic *
count_step(const struct module *m, bool (*counts)(const struct op *op), int *n)
{
	const struct func *step = module_func(m, "step");
	struct tally t = {.m = m, .counts = counts};
	struct scope s = {.n = 0};
	int used = 0;

	for (int i = 0; i < m->nfunc; i++)
		list_region(&t, m->func[i], &m->func[i]->body);
	if (step && t.n /* else there is nothing to count */)
		count_region(&t, &step->body, &s);
	for (int i = 0; i < t.n; i++)
		if (t.row[i].calls)
			t.row[used++] = t.row[i];
	*n = used;
	return t.row;
}

struct traffic *
traffic_of_step(const struct module *m, int *n)
{
	return count_step(m, cost_is_transfer, n);
}

struct traffic *
copies_of_step(const struct module *m, int *n)
{
	return count_step(m, cost_is_host_copy, n);
}
