/* Types as text: what ir/readtype.c accepts. */
#include "config.h"

#include "ir/ir.h"
#include "ir/typetable.h"
#include "support/buf.h"

struct scope { /* names of the loops around the type */
	const struct module *m;
	const char *const *loop;
	int nloop;
	struct buf *b;
};

static const char *
axis_name(const struct module *m, int axis)
{
	return axis < m->naxis ? m->axis[axis].name : "?";
}

/* Of the skews that are equal modulo the axis, the shortest. */
static void
print_skew(struct scope *s, int axis, int coef, const char *var)
{
	int n = axis < s->m->naxis ? (int)s->m->axis[axis].size : 0;

	if (coef == 0)
		return;
	if (coef < 0 && -coef > n + coef)
		coef += n;
	buf_putc(s->b, coef < 0 ? '-' : '+');
	coef = coef < 0 ? -coef : coef;
	if (coef != 1 || !var)
		buf_printf(s->b, var ? "%d*" : "%d", coef);
	buf_puts(s->b, var ? var : "");
}

static void
print_coord(struct scope *s, const struct coord *c)
{
	buf_puts(s->b, axis_name(s->m, c->axis));
	for (int i = 0; i < MAX_LOOPS; i++)
		print_skew(s, c->axis, c->lin[i], i < s->nloop ? s->loop[i] : "?");
	print_skew(s, c->axis, c->k, NULL);
}

static bool
is_plain(const struct coord *c)
{
	for (int i = 0; i < MAX_LOOPS; i++)
		if (c->lin[i])
			return false;
	return c->k == 0;
}

static void
print_shard(struct scope *s, const struct shard *sh)
{
	bool bare = sh->kind == SHARD_BLOCK && sh->n == 1 &&
	    is_plain(&sh->c[0]);

	buf_puts(s->b, bare ? "/" : sh->kind == SHARD_ZIGZAG ? "/zz(" :
	    sh->kind == SHARD_PART ? "/part(" : "/(");
	if (sh->kind == SHARD_PART)
		buf_printf(s->b, "%u,%u", (unsigned)sh->from,
		    (unsigned)sh->to);
	for (int i = 0; i < sh->n; i++) {
		buf_puts(s->b, i ? "," : "");
		print_coord(s, &sh->c[i]);
	}
	buf_puts(s->b, bare ? "" : ")");
}

static void
print_dim(struct scope *s, const struct dim *d)
{
	buf_puts(s->b, d->name);
	for (int j = 0; j < d->n; j++)
		print_shard(s, &d->s[j]);
}

static void
print_dims(struct scope *s, const struct type *t)
{
	buf_putc(s->b, '[');
	for (int i = 0; i < t->rank; i++) {
		buf_puts(s->b, i ? "," : "");
		print_dim(s, &t->d[i]);
	}
	buf_putc(s->b, ']');
}

static void
print_axes(const struct module *m, axis_set set, struct buf *b)
{
	const char *sep = "(";

	for (int i = 0; i < m->naxis; i++)
		if (set >> i & 1) {
			buf_puts(b, sep);
			buf_puts(b, m->axis[i].name);
			sep = ",";
		}
	buf_putc(b, ')');
}

void
flat_print(const struct module *m, const struct axis_list *l, struct buf *b)
{
	for (int i = 0; i < l->n; i++)
		buf_printf(b, "%s%s", i ? "," : " flat/(",
		    m->axis[l->axis[i]].name);
	buf_puts(b, l->n ? ")" : "");
}

/* The pending reduction after a blank. */
void
pending_print(const struct module *m, const struct type *t, struct buf *b)
{
	axis_set all = (axis_set)((1u << m->naxis) - 1);

	if (!t->pend)
		return;
	if (t->pend_op == PEND_SUM && t->pend == all) {
		buf_puts(b, " +all");
		return;
	}
	buf_puts(b, t->pend_op == PEND_SUM ? " +" : " max");
	print_axes(m, t->pend, b);
}

void
dim_print_in(const struct module *m, const struct dim *d,
    const char *const *loop, int nloop, struct buf *b)
{
	struct scope s = {m, loop, nloop, b};

	print_dim(&s, d);
}

void
coords_print_in(const struct module *m, const struct shard *sh,
    const char *const *loop, int nloop, struct buf *b)
{
	struct scope s = {m, loop, nloop, b};

	for (int i = 0; i < sh->n; i++) {
		buf_puts(b, i ? "," : "");
		print_coord(&s, &sh->c[i]);
	}
}

void
dims_print(const struct module *m, const struct type *t, struct buf *b)
{
	struct scope s = {m, NULL, 0, b};

	print_dims(&s, t);
}

void
type_print_in(const struct module *m, const struct type *t,
    const char *const *loop, int nloop, struct buf *b)
{
	struct scope s = {m, loop, nloop, b};

	buf_puts(b, dtype_name[t->dtype]);
	print_dims(&s, t);
	pending_print(m, t, b);
}

void
type_print(const struct module *m, const struct type *t, struct buf *b)
{
	type_print_in(m, t, NULL, 0, b);
}
