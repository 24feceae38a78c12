/* The lines above the functions: sizes, settings, bundles, memory. */
#include "config.h"

#include <ctype.h>
#include <string.h>

#include "ir/printer.h"
#include "ir/typetable.h"

struct header {
	const struct module *m;
	struct buf *b;
	size_t above; /* where the last line begins */
};

static void
print_sizes(struct header *h)
{
	if (h->m->naxis)
		buf_puts(h->b, "mesh  ");
	for (int i = 0; i < h->m->naxis; i++)
		buf_printf(h->b, " %s=%u", h->m->axis[i].name,
		    h->m->axis[i].size);
	buf_puts(h->b, h->m->naxis ? "\n" : "");
	if (h->m->ndim)
		buf_puts(h->b, "dim   ");
	for (int i = 0; i < h->m->ndim; i++)
		buf_printf(h->b, " %s=%llu", h->m->dim[i].name,
		    (unsigned long long)h->m->dim[i].size);
	buf_puts(h->b, h->m->ndim ? "\n" : "");
}

/* A word or a call needs no quotes: bf16, cosine(warmup=100, to=0.1). */
static bool
is_bare(const char *s)
{
	int depth = 0;

	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (; *s; s++) {
		depth += *s == '(';
		depth -= *s == ')';
		if (*s == ')' && depth == 0)
			return s[1] == '\0';
		if (depth == 0 && !isalnum((unsigned char)*s) && *s != '_' &&
		    *s != '.')
			return false;
		if (!isalnum((unsigned char)*s) && !strchr("_.,=()+- ", *s))
			return false;
	}
	return depth == 0;
}

static void
print_quoted(struct buf *b, const char *s)
{
	buf_putc(b, '"');
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			buf_printf(b, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			buf_printf(b, "\\x%02x", (unsigned char)*s);
		else
			buf_putc(b, *s);
	buf_putc(b, '"');
}

static void
print_settings(struct header *h)
{
	for (int i = 0; i < h->m->nset; i++) {
		const struct setting *s = &h->m->set[i];
		size_t from = h->b->len;

		buf_printf(h->b, "set    %s = ", s->key);
		if (!s->is_text)
			print_real(h->b, s->num);
		else if (is_bare(s->text))
			buf_puts(h->b, s->text);
		else
			print_quoted(h->b, s->text);
		buf_putc(h->b, '\n');
		print_line(h->b, &h->above, from);
	}
}

static bool
same_start(const struct field *a, const struct field *b)
{
	return a->decay == b->decay && a->init.kind == b->init.kind &&
	    a->init.a == b->init.a && a->init.b == b->init.b;
}

static void
print_init(struct header *h, const struct field *f)
{
	switch (f->init.kind) {
	case INIT_ZEROS:
		buf_puts(h->b, "zeros");
		break;
	case INIT_ONES:
		buf_puts(h->b, "ones");
		break;
	case INIT_NORMAL:
		buf_puts(h->b, "normal(");
		print_real(h->b, f->init.a);
		buf_putc(h->b, ')');
		break;
	default:
		buf_puts(h->b, "uniform(");
		print_real(h->b, f->init.a);
		buf_puts(h->b, ", ");
		print_real(h->b, f->init.b);
		buf_putc(h->b, ')');
	}
	buf_puts(h->b, f->decay ? " decay" : "");
}

/* Fields by their way to start, in the order of first use. */
static void
print_inits(struct header *h, const struct bundle *b, bool decay)
{
	static const struct field plain;

	for (int i = 0; i < b->nfield; i++) {
		const struct field *f = &b->field[i];
		bool seen = f->decay != decay || same_start(f, &plain);
		size_t from = h->b->len;

		for (int j = 0; j < i; j++)
			seen |= same_start(f, &b->field[j]);
		if (seen)
			continue;
		buf_printf(h->b, "init   %s ", b->name);
		print_init(h, f);
		for (int j = i; j < b->nfield; j++)
			if (same_start(f, &b->field[j]))
				buf_printf(h->b, " %s", b->field[j].name);
		buf_putc(h->b, '\n');
		print_line(h->b, &h->above, from);
	}
}

static void
print_fields(struct header *h, const struct bundle *b)
{
	buf_puts(h->b, " {");
	for (int i = 0; i < b->nfield; i++) {
		buf_printf(h->b, " %s", b->field[i].name);
		dims_print(h->m, b->field[i].type, h->b);
	}
	buf_puts(h->b, " }");
}

static void
print_origin(struct header *h, const struct bundle *b)
{
	if (!b->of) {
		buf_puts(h->b, b->path ? " " : "");
		buf_puts(h->b, b->path ? b->path : "");
		print_fields(h, b);
		return;
	}
	buf_printf(h->b, " = %s %s", bundle_role_name[b->role], b->of->name);
	if (b->over)
		buf_printf(h->b, " over %s", b->over->name);
}

static void
print_storage(struct header *h, const struct bundle *b)
{
	struct type storage = {.pend = b->pend};

	buf_printf(h->b, " : %s", dtype_name[b->dtype]);
	flat_print(h->m, &b->flat, h->b);
	pending_print(h->m, &storage, h->b);
}

static bool
stored_alike(const struct bundle *a, const struct bundle *b)
{
	return a && a->dtype == b->dtype && a->pend == b->pend &&
	    axis_list_equal(&a->flat, &b->flat);
}

/* On the line of the one before, if they are stored alike and it fits there;
 * true if so. */
static bool
put_bundle(struct header *h, const struct bundle *b, bool alike)
{
	size_t from = h->b->len;

	buf_printf(h->b, "bundle %s", b->name);
	if (b->stack)
		buf_printf(h->b, "[%s]", b->stack);
	print_origin(h, b);
	if (!alike)
		print_storage(h, b);
	buf_putc(h->b, '\n');
	if (!alike) {
		h->above = from;
		return true;
	}
	if (print_line(h->b, &h->above, from))
		return true;
	h->b->len = from;
	return false;
}

/* Parameters, and then how they start, before what is derived from them. */
static void
print_bundles(struct header *h)
{
	const struct bundle *before = NULL;

	for (int i = 0, first = 0; i < h->m->nbundle; i++) {
		const struct bundle *b = h->m->bundle[i];
		bool last = i + 1 == h->m->nbundle || h->m->bundle[i + 1]->of;

		if (!stored_alike(before, b) || !put_bundle(h, b, true))
			put_bundle(h, b, false);
		before = b;
		for (; !b->of && last && first <= i; first++) {
			print_inits(h, h->m->bundle[first], false);
			print_inits(h, h->m->bundle[first], true);
			before = NULL;
		}
		first = b->of ? i + 1 : first;
	}
}

void
print_header(struct buf *b, const struct module *m, const struct aliases *a)
{
	struct header h = {.m = m, .b = b};

	buf_printf(b, "module %s stage %c\n", m->name, m->stage);
	if (m->after)
		buf_printf(b, "after  %s\n", m->after);
	print_sizes(&h);
	alias_print(a, m, b, &h.above);
	print_settings(&h);
	print_bundles(&h);
	print_memory(b, m);
}
