/* What one rank posts otherwise than the others. */
#include "config.h"

#include "tests/mutate/mutate.h"

#include <string.h>

/* Sites are spread over the trace: the first, and then by strides. */
static int
pick(const struct trace *t, int site)
{
	return (int)((int64_t)t->n * site / 7 + site) % t->n;
}

static void
say(struct module *m, const struct trace_op *t, const char **where)
{
	*where = arena_printf(m->mem, "fn %s: %s on lane %s",
	    t->func->name, op_info[t->kind].name, lane_name[t->lane]);
}

static bool
same_channel(const struct trace_op *a, const struct trace_op *b)
{
	return a->lane == b->lane && a->group == b->group;
}

bool
skipped(struct module *m, struct trace *t, int site, const char **where)
{
	int i = pick(t, site);

	say(m, &t->op[i], where);
	memmove(&t->op[i], &t->op[i + 1],
	    (size_t)(t->n - i - 1) * sizeof *t->op);
	t->n--;
	return true;
}

/* In the place of the one behind it. */
bool
twice(struct module *m, struct trace *t, int site, const char **where)
{
	int i = pick(t, site);

	if (i + 1 >= t->n)
		return false;
	say(m, &t->op[i], where);
	t->op[i + 1] = t->op[i];
	return true;
}

bool
order(struct module *m, struct trace *t, int site, const char **where)
{
	for (int i = pick(t, site); i < t->n; i++)
		for (int j = i + 1; j < t->n; j++)
			if (same_channel(&t->op[i], &t->op[j])) {
				struct trace_op x = t->op[i];

				say(m, &x, where);
				t->op[i] = t->op[j];
				t->op[j] = x;
				return true;
			}
	return false;
}

bool
lanes(struct module *m, struct trace *t, int site, const char **where)
{
	struct trace_op *x = &t->op[pick(t, site)];

	say(m, x, where);
	x->lane = x->lane == LANE_KI ? LANE_KO : LANE_KI;
	return true;
}

bool
shorter(struct module *m, struct trace *t, int site, const char **where)
{
	struct trace_op *x = &t->op[pick(t, site)];

	say(m, x, where);
	x->count--;
	return true;
}

bool
narrower(struct module *m, struct trace *t, int site, const char **where)
{
	struct trace_op *x = &t->op[pick(t, site)];

	say(m, x, where);
	x->dtype = DT_BF16;
	return true;
}

bool
group(struct module *m, struct trace *t, int site, const char **where)
{
	struct trace_op *x = &t->op[pick(t, site)];

	say(m, x, where);
	x->group ^= 3;
	return true;
}

bool
direction(struct module *m, struct trace *t, int site, const char **where)
{
	for (int i = pick(t, site); i < t->n; i++)
		if (t->op[i].kind == OP_SHIFT) {
			say(m, &t->op[i], where);
			for (int a = 0; a < m->naxis && a < MAX_AXES; a++)
				if (t->op[i].group >> a & 1)
					t->op[i].by[a]++;
			return true;
		}
	return false;
}

/* A transfer that others share with it before one that they share, too. */
bool
deadlock(struct module *m, struct trace *t, int site, const char **where)
{
	for (int i = pick(t, site); i + 1 < t->n; i++) {
		struct trace_op *a = &t->op[i], *b = &t->op[i + 1];
		struct trace_op x = *a;

		if (a->lane == b->lane || !(a->group & b->group))
			continue;
		say(m, a, where);
		*a = *b;
		*b = x;
		return true;
	}
	return false;
}
