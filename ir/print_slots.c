/* The memory plan as text: a table above the functions, and which values have
 * to say where they are. */
#include "config.h"

#include <string.h>

#include "ir/printer.h"
#include "ir/slots.h"

enum { WIDE = 100 }; /* columns */

/* Exactly, in the largest unit that divides it: 92M, 909344K, 64. */
static void
put_bytes(struct buf *b, uint64_t n)
{
	static const char unit[] = {'K', 'M', 'G'};
	int i = -1;

	while (n && n % 1024 == 0 && i + 1 < (int)sizeof unit) {
		n /= 1024;
		i++;
	}
	buf_printf(b, "%llu", (unsigned long long)n);
	if (i >= 0)
		buf_putc(b, unit[i]);
}

static void
print_arenas(struct buf *b, const struct module *m)
{
	const char *sep = "arena  ";

	for (int i = 0; i < ARENA_COUNT; i++) {
		if (!m->arena_size[i])
			continue;
		buf_printf(b, "%s%s ", sep, arena_name[i]);
		put_bytes(b, m->arena_size[i]);
		sep = "; ";
	}
	buf_puts(b, sep[0] == ';' ? "\n" : "");
}

static bool
same_slot(const struct slot *a, const struct slot *b)
{
	return strcmp(a->name, b->name) == 0 && a->arena == b->arena &&
	    a->offset == b->offset && slot_same_shape(a, b);
}

/* Can a slot called name be the first one of b's?  Most are not, and all names
 * of a large bundle take long to write. */
static bool
may_begin(const char *name, const struct bundle *b, bool cast)
{
	size_t n = strlen(b->name), k;
	const char *field = b->nfield ? b->field[0].name : "";

	if (strncmp(name, b->name, n) != 0)
		return false;
	name += n;
	k = strlen(field);
	return !*name || (*name == '.' && strncmp(name + 1, field, k) == 0 &&
	    strcmp(name + 1 + k, cast ? ".cast" : "") == 0);
}

/* The slots from i on are those of b: how many, or 0. */
static int
run_of(const struct module *m, int i, const struct bundle *b, bool cast)
{
	const struct slot *have = &m->slot[i];
	struct slot *want;
	int k = 0, n;

	if (!may_begin(have->name, b, cast))
		return 0;
	want = NEW_N(m->mem, struct slot, (size_t)b->nfield + 1);
	n = slots_of_bundle((struct module *)m, b, cast, have->offset, want);
	while (k < n && i + k < m->nslot && same_slot(&want[k], &have[k]))
		k++;
	return k == n ? k : 0;
}

/* The function of whose values a slot is one; its name is name's start. */
static const char *
prefix_of(const struct module *m, const char *name)
{
	const char *dot = strrchr(name, '.');

	for (int i = 0; dot && i < m->nfunc; i++) {
		const char *f = m->func[i]->name;

		if (strlen(f) == (size_t)(dot - name) &&
		    strncmp(f, name, (size_t)(dot - name)) == 0)
			return f;
	}
	return NULL;
}

/* What differs from a slot right behind the one before it in the line. */
static void
put_place(struct buf *b, const struct slot *s, const struct slot *before,
    bool shape)
{
	if (!before || s->offset != slot_end(before)) {
		buf_putc(b, ' ');
		put_bytes(b, s->offset);
	}
	if (!shape || (before && slot_same_shape(s, before)))
		return;
	buf_puts(b, before && s->offset == slot_end(before) ? " +" : "+");
	put_bytes(b, s->size);
	if (s->count != 1)
		buf_printf(b, " x%u", s->count);
	if (s->stride != s->size) {
		buf_puts(b, " /");
		put_bytes(b, s->stride);
	}
}

/* Slots from i on, as one entry; how many they are. */
static int
put_entry(struct buf *b, const struct module *m, int i, const char *prefix,
    const struct slot *before)
{
	const struct slot *s = &m->slot[i];
	int n;

	for (int k = 0; k < 2 * m->nbundle && !prefix; k++) {
		n = run_of(m, i, m->bundle[k / 2], k % 2);
		if (!n)
			continue;
		buf_printf(b, "@%s%s", m->bundle[k / 2]->name,
		    k % 2 ? ".cast" : "");
		put_place(b, s, before, false);
		return n;
	}
	buf_puts(b, prefix ? strrchr(s->name, '.') + 1 : s->name);
	put_place(b, s, before, true);
	return 1;
}

/* One line for as many slots of an arena and a function as fit. */
static int
put_line(struct buf *b, const struct module *m, int i)
{
	const char *prefix = prefix_of(m, m->slot[i].name);
	enum arena_id arena = m->slot[i].arena;
	size_t start = b->len;

	buf_printf(b, "slot   %s %s%s", arena_name[arena],
	    prefix ? prefix : "", prefix ? ": " : "");
	i += put_entry(b, m, i, prefix, NULL);
	while (i < m->nslot && m->slot[i].arena == arena &&
	    prefix_of(m, m->slot[i].name) == prefix) {
		size_t end = b->len;
		int n;

		buf_puts(b, ", ");
		n = put_entry(b, m, i, prefix, &m->slot[i - 1]);
		if (b->len - start > WIDE) {
			b->len = end;
			b->text[end] = '\0';
			break;
		}
		i += n;
	}
	buf_putc(b, '\n');
	return i;
}

void
print_memory(struct buf *b, const struct module *m)
{
	print_arenas(b, m);
	for (int i = 0; i < m->nslot;)
		i = put_line(b, m, i);
}

/* ---- who says it ---- */

struct choice {
	const struct where *w; /* what would follow */
	bool *said;
	bool waits, more;
};

static void
see(struct choice *c, const struct value *v)
{
	struct where is = where_of(v);

	if (c->said[v->id] || where_same(&is, &c->w[v->id]))
		return;
	c->said[v->id] = true;
	c->more = true;
}

/* What inner carries say may follow from what outer ones do. */
static void
see_carries(struct choice *c, const struct region *r)
{
	for (int k = 0; k < r->n; k++) {
		const struct op *op = r->op[k];
		bool before = c->more;

		c->more = false;
		for (int i = 0; op->code == OP_FOR && i < op->nin; i++)
			see(c, op->carry[i]);
		if (op->code == OP_FOR && !c->more)
			see_carries(c, &op->body);
		c->more |= before;
	}
}

/* The results of an op say it all together. */
static void
see_results(struct op *op, void *arg)
{
	struct choice *c = arg;
	bool before = c->more;

	c->more = false;
	for (int i = 0; i < op->nout; i++)
		if (c->waits || op->code != OP_WAIT)
			see(c, op->out[i]);
	for (int i = 0; c->more && i < op->nout; i++)
		c->said[op->out[i]->id] = true;
	c->more |= before;
}

/* What is said decides what follows: only what nothing else explains. */
bool *
print_said(const struct module *m, const struct func *f)
{
	size_t n = (size_t)f->nvalue + 1;
	struct where *w = NEW_N(m->mem, struct where, n);
	struct choice c = {.w = w, .said = NEW_N(m->mem, bool, n)};
	struct region *body = (struct region *)&f->body;

	do {
		c.more = false;
		slots_follow(m, f, c.said, w);
		for (int i = 0; i < f->nparam; i++)
			see(&c, f->param[i]);
		see_carries(&c, body);
		c.waits = false;
		if (!c.more)
			region_walk(body, see_results, &c);
		c.waits = true;
		if (!c.more)
			region_walk(body, see_results, &c);
	} while (c.more);
	return c.said;
}
