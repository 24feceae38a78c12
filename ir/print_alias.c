/*
 * Names for layouts and types, so that a dump can be read.
 *
 * A layout is how the first two dims of a value are cut, whatever turns round
 * with loop variables.  Of the two that a whole program has most often, the
 * one with more shards is T, where tokens are; A is where attention is.  Operands and
 * results of attention have names of their own.  Nothing is named that occurs
 * seldom: then the names are longer than what they stand for.
 */
#include "config.h"

#include <string.h>

#include "ir/printer.h"
#include "ir/typetable.h"

enum { SAVES = 200, SOMETIMES = 3, MAX_LAYS = 16 }; /* characters, uses */

/* ---- what is alike but for skews ---- */

static bool
same_shard(const struct shard *a, const struct shard *b)
{
	if (a->kind != b->kind || a->n != b->n || a->from != b->from ||
	    a->to != b->to)
		return false;
	for (int i = 0; i < a->n; i++)
		if (a->c[i].axis != b->c[i].axis)
			return false;
	return true;
}

static bool
same_dim(const struct dim *a, const struct dim *b)
{
	bool same = a->name == b->name && a->n == b->n;

	for (int i = 0; same && i < a->n; i++)
		same = same_shard(&a->s[i], &b->s[i]);
	return same;
}

static bool
same_dims(const struct type *a, const struct type *b, int n)
{
	for (int i = 0; i < n; i++)
		if (!same_dim(&a->d[i], &b->d[i]))
			return false;
	return true;
}

static bool
same_type(const struct type *a, const struct type *b)
{
	return a->dtype == b->dtype && a->rank == b->rank &&
	    a->pend == b->pend && a->pend_op == b->pend_op &&
	    same_dims(a, b, a->rank);
}

static bool
is_skewed(const struct coord *c)
{
	bool lin = c->k != 0;

	for (int i = 0; i < MAX_LOOPS; i++)
		lin |= c->lin[i] != 0;
	return lin;
}

static bool
shard_turns(const struct shard *s)
{
	for (int i = 0; i < s->n; i++)
		if (is_skewed(&s->c[i]))
			return true;
	return false;
}

/* Only the first shard of the second dim may turn: parameters stand there. */
static bool
has_layout(const struct type *t)
{
	int shards = 0;

	if (!t || t->rank < ALIAS_DIMS)
		return false;
	for (int i = 0; i < t->rank; i++)
		for (int j = 0; j < t->d[i].n; j++) {
			const struct shard *s = &t->d[i].s[j];

			if (s->kind == SHARD_PART || (shard_turns(s) &&
			    !(i == 1 && j == 0)))
				return false;
			shards += i < ALIAS_DIMS;
		}
	return shards > 0 && t->d[1].n > 0;
}

/* ---- choice ---- */

struct choice {
	struct alias_lay lay[MAX_LAYS];
	int n;
};

static void
see(struct choice *c, const struct type *t)
{
	int i = 0;

	if (!has_layout(t))
		return;
	while (i < c->n && !same_dims(c->lay[i].like, t, ALIAS_DIMS))
		i++;
	if (i == MAX_LAYS)
		return;
	if (i == c->n)
		c->lay[c->n++] = (struct alias_lay){.like = t};
	c->lay[i].uses++;
	c->lay[i].turns |= shard_turns(&t->d[1].s[0]);
}

/* Characters that a name of one letter saves. */
static size_t
saves(const struct alias_lay *l, const struct module *m)
{
	struct buf b = {0};
	size_t n;

	for (int i = 0; i < ALIAS_DIMS; i++)
		dim_print_in(m, &l->like->d[i], NULL, 0, &b);
	n = b.len * (size_t)l->uses;
	buf_free(&b);
	return n;
}

static void
take_most(struct aliases *a, int at, const char *name, struct choice *c,
    const struct module *m)
{
	struct alias_lay *best = &c->lay[0];

	for (int i = 1; i < c->n; i++)
		if (c->lay[i].uses > best->uses)
			best = &c->lay[i];
	if (c->n == 0 || saves(best, m) < SAVES)
		return;
	a->lay[at] = *best;
	a->lay[at].name = name;
	best->uses = 0;
}

static const struct alias_lay *
lay_of(const struct aliases *a, const struct type *t)
{
	for (int i = 0; i < 2 && has_layout(t); i++)
		if (a->lay[i].name && same_dims(a->lay[i].like, t, ALIAS_DIMS))
			return &a->lay[i];
	return NULL;
}

static const struct alias_type *
type_of(const struct aliases *a, const struct type *t)
{
	for (int i = 0; i < a->ntype; i++)
		if (lay_of(a, t) && same_type(a->type[i].like, t))
			return &a->type[i];
	return NULL;
}

static void
name_type(struct aliases *a, const char *name, const struct type *t)
{
	if (lay_of(a, t) && !type_of(a, t) && a->ntype < ALIAS_TYPES)
		a->type[a->ntype++] = (struct alias_type){name, t, 0};
}

static int
shards(const struct alias_lay *l)
{
	return l->like ? l->like->d[0].n + l->like->d[1].n : 0;
}

/* Tokens are cut over all axes; attention has heads for some of them. */
static void
tokens_first(struct aliases *a)
{
	struct alias_lay l = a->lay[0];

	if (shards(&a->lay[1]) <= shards(&l))
		return;
	a->lay[0] = a->lay[1];
	a->lay[1] = l;
	a->lay[0].name = l.name;
	a->lay[1].name = "A";
}

struct seen {
	struct aliases *a;
	const struct module *m;
};

/* Operands of attention, the dtype of what is added up first. */
static void
see_attention(struct op *op, void *arg)
{
	struct seen *s = arg;

	if (op->code == OP_ATTN || op->code == OP_ATTN_STEP) {
		name_type(s->a, "Q", arg_type(s->m, &op->in[0]));
		name_type(s->a, "KV", arg_type(s->m, &op->in[1]));
		name_type(s->a, "QF", op->out[0]->type);
		name_type(s->a, "Z", op->out[1]->type);
	} else if (op->code == OP_ATTN_STEP_BWD) {
		name_type(s->a, "KVF", op->out[1]->type);
	}
}

static void
each_value(const struct module *m, void (*fn)(void *arg, const struct type *t),
    void *arg)
{
	for (int i = 0; i < m->nfunc; i++)
		for (int j = 0; j < m->func[i]->nvalue; j++)
			if (m->func[i]->value[j])
				fn(arg, m->func[i]->value[j]->type);
}

static void
see_value(void *arg, const struct type *t)
{
	see(arg, t);
}

static void
count_value(void *arg, const struct type *t)
{
	struct alias_type *x = (struct alias_type *)type_of(arg, t);

	if (x)
		x->uses++;
}

/* A dim or bundle of the program may have the name already. */
static bool
names_are_free(const struct module *m)
{
	static const char *const name[] = {"T", "A", "Q", "KV", "QF", "KVF",
	    "Z", "x", "y", "z"};

	for (size_t i = 0; i < sizeof name / sizeof *name; i++)
		if (module_dim(m, name[i]) || module_axis(m, name[i]) >= 0)
			return false;
	return true;
}

void
alias_choose(struct aliases *a, const struct module *m)
{
	struct choice c = {.n = 0};
	struct seen s = {a, m};
	int n = 0;

	*a = (struct aliases){.ntype = 0};
	if (m->naxis == 0 || !module_func(m, "step") || !names_are_free(m))
		return;
	each_value(m, see_value, &c);
	take_most(a, 0, "T", &c, m);
	if (a->lay[0].name)
		take_most(a, 1, "A", &c, m);
	tokens_first(a);
	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, see_attention, &s);
	each_value(m, count_value, a);
	for (int i = 0; i < a->ntype; i++)
		if (a->type[i].uses >= SOMETIMES)
			a->type[n++] = a->type[i];
	a->ntype = n;
}

/* ---- text ---- */

static const char *const param_name[MAX_COORDS] = {"x", "y", "z"};

static void
put_params(const struct alias_lay *l, const struct module *m, struct buf *b)
{
	const struct shard *s = &l->like->d[1].s[0];

	for (int i = 0; i < s->n && l->turns; i++)
		buf_printf(b, "%s%s=%s", i ? "," : "(", param_name[i],
		    m->axis[s->c[i].axis].name);
	buf_puts(b, l->turns ? ")" : "");
}

/* The second dim with parameters for the coordinates of its first shard. */
static void
put_second(const struct alias_lay *l, const struct module *m, struct buf *b)
{
	struct dim d = l->like->d[1], rest = d;

	if (!l->turns) {
		dim_print_in(m, &d, NULL, 0, b);
		return;
	}
	buf_printf(b, "%s/%s(", d.name,
	    d.s[0].kind == SHARD_ZIGZAG ? "zz" : "");
	for (int i = 0; i < d.s[0].n; i++)
		buf_printf(b, "%s%s", i ? "," : "", param_name[i]);
	buf_putc(b, ')');
	rest.n = (uint8_t)(d.n - 1);
	memmove(rest.s, rest.s + 1, (size_t)rest.n * sizeof *rest.s);
	rest.name = "";
	dim_print_in(m, &rest, NULL, 0, b);
}

static void
put_rest(const struct module *m, const struct type *t, struct buf *b)
{
	for (int i = ALIAS_DIMS; i < t->rank; i++) {
		buf_putc(b, ',');
		dim_print_in(m, &t->d[i], NULL, 0, b);
	}
	buf_putc(b, ']');
	pending_print(m, t, b);
}

static void
print_type_alias(const struct aliases *a, const struct alias_type *x,
    const struct module *m, struct buf *b)
{
	const struct alias_lay *l = lay_of(a, x->like);
	const struct shard *s = &l->like->d[1].s[0];

	buf_printf(b, "type   %s", x->name);
	put_params(l, m, b);
	buf_printf(b, " = %s[%s", dtype_name[x->like->dtype], l->name);
	for (int i = 0; i < s->n && l->turns; i++)
		buf_printf(b, "%s%s", i ? "," : "(", param_name[i]);
	buf_puts(b, l->turns ? ")" : "");
	put_rest(m, x->like, b);
	buf_putc(b, '\n');
}

void
alias_print(const struct aliases *a, const struct module *m, struct buf *b,
    size_t *above)
{
	size_t from;

	for (int i = 0; i < 2; i++) {
		const struct alias_lay *l = &a->lay[i];

		if (!l->name)
			continue;
		from = b->len;
		buf_printf(b, "lay    %s", l->name);
		put_params(l, m, b);
		buf_puts(b, " = ");
		dim_print_in(m, &l->like->d[0], NULL, 0, b);
		buf_putc(b, ',');
		put_second(l, m, b);
		buf_putc(b, '\n');
		print_line(b, above, from);
	}
	for (int i = 0; i < a->ntype; i++) {
		from = b->len;
		print_type_alias(a, &a->type[i], m, b);
		print_line(b, above, from);
	}
}

static void
put_turn(const struct module *m, const struct type *t,
    const char *const *loop, int nloop, struct buf *b)
{
	const struct shard *s = &t->d[1].s[0];

	if (!shard_turns(s))
		return;
	buf_putc(b, '(');
	coords_print_in(m, s, loop, nloop, b);
	buf_putc(b, ')');
}

void
alias_type_print(const struct aliases *a, const struct module *m,
    const struct type *t, const char *const *loop, int nloop, struct buf *b)
{
	const struct alias_type *x = type_of(a, t);
	const struct alias_lay *l = lay_of(a, t);

	if (!l) {
		type_print_in(m, t, loop, nloop, b);
		return;
	}
	if (x) {
		buf_puts(b, x->name);
		put_turn(m, t, loop, nloop, b);
		return;
	}
	buf_printf(b, "%s[%s", dtype_name[t->dtype], l->name);
	put_turn(m, t, loop, nloop, b);
	put_rest(m, t, b);
}
