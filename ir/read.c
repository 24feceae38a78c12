/*
 * A module from text: the lines above the functions, then the functions.
 * What module_print writes is read back; doc/ir.md is the reference.
 */
#include "config.h"

#include "ir/readfn.h"

#include <ctype.h>
#include <string.h>

#include "support/buf.h"

#define MAX_SIZE ((int64_t)1 << 40) /* of a dimension */

static void
read_module_line(struct reader *r)
{
	const char *from;

	skip_blank(r);
	from = r->p;
	while (r->p < r->end && (isalnum((unsigned char)*r->p) ||
	    (*r->p && strchr("_-.", *r->p))))
		r->p++;
	if (r->p == from || r->p - from > READ_NAME) {
		fail_at(r, span_from(r, from), "expected the module's name");
		return;
	}
	r->m->name = module_name(r->m, from, (size_t)(r->p - from));
	if (!accept_word(r, "stage")) {
		fail_here(r, "expected 'stage'");
		return;
	}
	skip_blank(r);
	if (r->p == r->end || *r->p < 'a' || *r->p > 'e')
		fail_here(r, "a stage is a letter from a to e");
	else
		r->m->stage = *r->p++;
}

static void
read_after_line(struct reader *r)
{
	r->m->after = read_name(r);
}

static void
read_mesh_line(struct reader *r)
{
	struct module *m = r->m;

	while (!r->failed && !at_line_end(r)) {
		struct axisdef *a = &m->axis[m->naxis];

		if (m->naxis == MAX_AXES) {
			fail_here(r, "more than %d mesh axes", MAX_AXES);
			return;
		}
		a->name = read_name(r);
		for (int i = 0; i < m->naxis; i++)
			if (m->axis[i].name == a->name && !r->failed)
				fail_here(r, "axis '%s' twice", a->name);
		expect(r, "=");
		a->size = (uint32_t)read_int(r, 1, 1 << 16);
		m->naxis++;
	}
}

static void
read_dim_line(struct reader *r)
{
	while (!r->failed && !at_line_end(r)) {
		const char *from = r->p, *name = read_name(r);
		struct span at = span_from(r, from);
		int64_t size;

		if (!r->failed && module_dim(r->m, name))
			fail_at(r, at, "dimension '%s' twice", name);
		if (r->m->ndim == READ_ITEMS)
			fail_here(r, "more than %d dimensions", READ_ITEMS);
		expect(r, "=");
		size = read_int(r, 1, MAX_SIZE);
		if (!r->failed)
			module_add_dim(r->m, name, (uint64_t)size, at);
	}
}

static int
hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' :
	    c >= 'a' && c <= 'f'         ? c - 'a' + 10 :
					   -1;
}

/* Behind a backslash: a quote, a backslash, or xHH. */
static void
read_escape(struct reader *r, struct buf *b)
{
	int hi, lo;

	if (r->p < r->end && (*r->p == '"' || *r->p == '\\')) {
		buf_putc(b, *r->p++);
		return;
	}
	if (r->end - r->p < 3 || *r->p != 'x' ||
	    (hi = hex_digit(r->p[1])) < 0 || (lo = hex_digit(r->p[2])) < 0 ||
	    hi + lo == 0) {
		fail_here(r, "escapes are \\\", \\\\ and \\xHH");
		return;
	}
	buf_putc(b, (char)(hi * 16 + lo));
	r->p += 3;
}

static void
read_quoted(struct reader *r, struct buf *b)
{
	while (r->p < r->end && *r->p != '"' && *r->p != '\n' && *r->p)
		if (*r->p == '\\') {
			r->p++;
			read_escape(r, b);
		} else {
			buf_putc(b, *r->p++);
		}
	if (!r->failed && (r->p == r->end || *r->p != '"'))
		fail_here(r, "expected '\"'");
	else if (!r->failed)
		r->p++;
}

/* A word or a call, as written: bf16, cosine(warmup=100, to=0.1). */
static void
read_bare(struct reader *r, struct buf *b)
{
	int depth = 0;

	buf_puts(b, read_path(r));
	if (!at_char(r, '('))
		return;
	do {
		depth += *r->p == '(';
		depth -= *r->p == ')';
		if (!isalnum((unsigned char)*r->p) &&
		    (!*r->p || !strchr("_.,=()+- ", *r->p))) {
			fail_here(r, "not a part of a call's arguments");
			return;
		}
		buf_putc(b, *r->p++);
	} while (depth > 0 && r->p < r->end);
	if (depth > 0)
		fail_here(r, "expected ')'");
}

static void
read_set_line(struct reader *r)
{
	const char *from = r->p, *key = read_path(r);
	struct span at = span_from(r, from);
	struct buf b = {0};

	if (!r->failed && module_setting(r->m, key))
		fail_at(r, at, "setting '%s' twice", key);
	if (r->m->nset == READ_ITEMS)
		fail_here(r, "more than %d settings", READ_ITEMS);
	expect(r, "=");
	if (accept(r, "\"")) {
		read_quoted(r, &b);
	} else if (at_word(r)) {
		read_bare(r, &b);
	} else {
		double v = read_real(r);

		if (!r->failed)
			module_set_number(r->m, key, v, at);
		return;
	}
	if (!r->failed)
		module_set_text(r->m, key, buf_text(&b), at);
	buf_free(&b);
}

static void
read_lay_line(struct reader *r)
{
	read_alias(r, false);
}

static void
read_type_line(struct reader *r)
{
	read_alias(r, true);
}

static const struct bundle *
read_source(struct reader *r)
{
	const char *from, *name;
	const struct bundle *b;

	skip_blank(r);
	from = r->p;
	name = read_name(r);
	b = module_bundle(r->m, name);
	if (!b || b->of) {
		fail_at(r, span_from(r, from),
		    "no bundle of parameters is called '%s'", name);
		return NULL;
	}
	return b;
}

static void
read_fields(struct reader *r, struct bundle *b)
{
	expect(r, "{");
	while (!r->failed && !at_char(r, '}')) {
		const char *from = r->p, *name = read_path(r);
		struct span at = span_from(r, from);
		struct type t = {.dtype = DT_F32};

		if (bundle_field(b, name) >= 0 && !r->failed)
			fail_at(r, at, "field '%s' twice", name);
		if (b->nfield == READ_ITEMS)
			fail_here(r, "more than %d fields", READ_ITEMS);
		read_dims(r, &t);
		if (!r->failed)
			bundle_add_field(r->m, b, name, type_intern(r->m, &t),
			    (struct init){0}, false, at);
	}
	expect(r, "}");
}

/* As the bundle before it in the line is, if nothing is said. */
static void
read_storage(struct reader *r, struct bundle *b)
{
	const struct bundle *like = r->line_bundle;
	struct type t = {0};

	r->line_bundle = b;
	if (like && !at_char(r, ':')) {
		b->dtype = like->dtype;
		b->flat = like->flat;
		b->pend = like->pend;
	} else {
		expect(r, ":");
		b->dtype = (uint8_t)read_dtype(r);
		b->flat = (struct axis_list){0};
		read_flat(r, &b->flat);
		read_pending(r, &t);
		b->pend = t.pend;
	}
	for (int i = 0; i < b->nfield; i++)
		b->field[i].type = type_with_dtype(r->m, b->field[i].type,
		    (enum dtype)b->dtype);
}

static const char *
read_stack(struct reader *r)
{
	const char *name;

	if (!accept(r, "["))
		return NULL;
	name = read_name(r);
	if (!r->failed && !module_dim(r->m, name))
		fail_here(r, "no dimension is called '%s'", name);
	expect(r, "]");
	return name;
}

/* over NAME: in the place of another bundle */
static struct bundle *
read_over(struct reader *r)
{
	const char *from = r->p, *name;
	struct bundle *b;

	if (!accept_word(r, "over"))
		return NULL;
	name = read_name(r);
	b = module_bundle(r->m, name);
	if (!b)
		fail_at(r, span_from(r, from), "no bundle is called '%s'",
		    name);
	return b;
}

/* = grad W [over GW] : f32 */
static void
read_derived(struct reader *r, const char *name, const char *stack)
{
	const char *from = r->p, *word = read_name(r);
	const struct bundle *of = read_source(r);
	struct bundle *over = read_over(r), *b;

	for (int i = ROLE_PARAM + 1; i < ROLE_COUNT && !r->failed; i++)
		if (strcmp(bundle_role_name[i], word) == 0) {
			if (of->stack != stack) {
				fail_here(r, "'%s' is stacked differently",
				    of->name);
				return;
			}
			b = module_derive_bundle(r->m, name,
			    (struct bundle *)of, (enum bundle_role)i, DT_F32);
			b->over = over;
			read_storage(r, b);
			return;
		}
	fail_at(r, span_from(r, from),
	    "expected grad, moment1, moment2 or copy");
}

static void
read_bundle_line(struct reader *r)
{
	const char *from = r->p, *name = read_name(r), *stack;
	struct bundle *b;

	if (!r->failed && module_bundle(r->m, name))
		fail_at(r, span_from(r, from), "bundle '%s' twice", name);
	if (r->m->nbundle == READ_ITEMS)
		fail_here(r, "more than %d bundles", READ_ITEMS);
	stack = read_stack(r);
	if (r->failed)
		return;
	if (accept(r, "=")) {
		read_derived(r, name, stack);
		return;
	}
	b = module_add_bundle(r->m, name, stack, ROLE_PARAM, DT_F32);
	if (at_word(r))
		b->path = read_path(r);
	read_fields(r, b);
	read_storage(r, b);
}

static struct init
read_init(struct reader *r)
{
	static const struct {
		const char *name;
		uint8_t kind, nargs;
	} way[] = {{"zeros", INIT_ZEROS, 0}, {"ones", INIT_ONES, 0},
	    {"normal", INIT_NORMAL, 1}, {"uniform", INIT_UNIFORM, 2}};
	struct init in = {0};

	for (size_t i = 0; i < COUNT_OF(way); i++) {
		if (!accept_word(r, way[i].name))
			continue;
		in.kind = way[i].kind;
		if (way[i].nargs) {
			expect(r, "(");
			in.a = read_real(r);
		}
		if (way[i].nargs == 2) {
			expect(r, ",");
			in.b = read_real(r);
		}
		if (way[i].nargs)
			expect(r, ")");
		return in;
	}
	fail_here(r, "expected zeros, ones, normal(s) or uniform(a, b)");
	return in;
}

static void
read_init_line(struct reader *r)
{
	struct bundle *b = (struct bundle *)read_source(r);
	struct init in = {0};
	bool decay;

	if (!r->failed)
		in = read_init(r);
	decay = accept_word(r, "decay");
	while (!r->failed && !at_line_end(r)) {
		const char *from = r->p, *name = read_path(r);
		int i = r->failed ? -1 : bundle_field(b, name);

		if (i < 0) {
			fail_at(r, span_from(r, from),
			    "no field is called '%s'", name);
			return;
		}
		b->field[i].init = in;
		b->field[i].decay = decay;
	}
}

static const struct line_kind {
	const char *word;
	void (*read)(struct reader *r);
	bool many; /* several may share a line: word this; that */
} line_kind[] = {
    {"module", read_module_line},
    {"after", read_after_line},
    {"mesh", read_mesh_line},
    {"dim", read_dim_line},
    {"set", read_set_line, true},
    {"lay", read_lay_line, true},
    {"type", read_type_line, true},
    {"bundle", read_bundle_line, true},
    {"init", read_init_line, true},
    {"arena", read_arena_line, true},
    {"slot", read_slot_line},
    {"fn", read_signature},
};

static void
read_line(struct reader *r)
{
	const char *from = r->p;

	r->line_bundle = NULL;
	for (size_t i = 0; i < COUNT_OF(line_kind); i++)
		if (accept_word(r, line_kind[i].word)) {
			do {
				skip_blank(r);
				line_kind[i].read(r);
			} while (line_kind[i].many && accept(r, ";"));
			if (!r->failed && r->p < r->end && *r->p == '}')
				fail_here(r, "expected the end of the line");
			expect_line_end(r);
			return;
		}
	fail_at(r, span_from(r, from), "a line starts with module, dim, set, "
				       "bundle, init, fn or the like");
}

static void
read_all(struct reader *r)
{
	skip_lines(r);
	if (r->p == r->end) {
		fail_here(r, "the file has no module");
		return;
	}
	if (!accept_word(r, "module")) {
		fail_here(r, "the first line is: module NAME stage a");
		return;
	}
	read_module_line(r);
	expect_line_end(r);
	for (skip_lines(r); r->p < r->end; skip_lines(r))
		read_line(r);
	if (!r->failed)
		read_bodies(r);
	if (!r->failed)
		read_places(r);
}

struct module *
module_read(struct arena *mem, struct diag *d)
{
	struct reader r = {.m = module_new(mem, d)};

	r.start = r.p = d->src->text;
	r.end = r.start + d->src->len;
	r.alias = NEW_N(mem, struct alias, READ_ITEMS);
	r.scratch = NEW(mem, struct scratch);
	r.fn = NEW_N(mem, struct fn, READ_ITEMS);
	if (d->src->len > READ_MAX_SIZE)
		fail_here(&r, "a file of more than %d bytes", READ_MAX_SIZE);
	else
		read_all(&r);
	return r.failed ? NULL : r.m;
}
