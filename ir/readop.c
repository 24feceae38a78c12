/* Statements from text. */
#include "config.h"

#include "ir/readfn.h"

#include <ctype.h>
#include <string.h>

/* Names, commas and then an = : results; otherwise the op comes first. */
static bool
at_results(struct reader *r)
{
	const char *was = r->p;
	bool yes = false;

	do {
		accept(r, "~");
		if (!at_word(r))
			break;
		while (r->p < r->end &&
		    (isalnum((unsigned char)*r->p) || *r->p == '_'))
			r->p++;
		yes = at_char(r, '=');
	} while (accept(r, ","));
	r->p = was;
	return yes;
}

/* @B.., or a field of a bundle value and then = or += */
static bool
at_target(struct reader *r)
{
	const char *was = r->p;
	bool yes;

	if (at_char(r, '@'))
		return true;
	if (!at_word(r))
		return false;
	while (r->p < r->end && (isalnum((unsigned char)*r->p) ||
	    *r->p == '_' || *r->p == '.'))
		r->p++;
	yes = memchr(was, '.', (size_t)(r->p - was)) != NULL;
	yes = yes && (accept(r, "+=") || at_char(r, '='));
	r->p = was;
	return yes;
}

static void
read_results(struct reader *r, struct stmt *s)
{
	struct result *res = r->scratch->res;

	if (at_target(r)) {
		s->has_target = true;
		s->target = read_arg(r);
		s->add = accept(r, "+=");
		if (!s->add)
			expect(r, "=");
		return;
	}
	if (!at_results(r))
		return;
	do {
		if (s->nres == READ_ITEMS) {
			fail_here(r, "more than %d results", READ_ITEMS);
			return;
		}
		res[s->nres++] = read_result(r);
	} while (!r->failed && accept(r, ","));
	expect(r, "=");
	s->res = NEW_N(r->m->mem, struct result, (size_t)s->nres);
	memcpy(s->res, res, sizeof *res * (size_t)s->nres);
}

static bool
at_arg(struct reader *r)
{
	return at_char(r, '!') || at_char(r, '~') || at_char(r, '@') ||
	    at_word(r);
}

static void
read_into(struct reader *r, struct stmt *s)
{
	struct arg *in = r->scratch->in;

	do {
		if (s->nin == READ_ITEMS || s->into == UINT8_MAX) {
			fail_here(r, "more than %d arguments", READ_ITEMS);
			return;
		}
		in[s->nin++] = read_arg(r);
		s->into++;
	} while (!r->failed && accept(r, ","));
}

/* Arguments with commas between them; close ends them, or nothing does. */
void
read_args(struct reader *r, struct stmt *s, const char *close)
{
	struct arg *in = r->scratch->in;

	while (!r->failed && !(close && at_char(r, *close))) {
		if (s->nin == READ_ITEMS) {
			fail_here(r, "more than %d arguments", READ_ITEMS);
			break;
		}
		in[s->nin++] = read_arg(r);
		if (!accept(r, ","))
			break;
	}
	if (close)
		expect(r, close);
	else if (!r->failed && accept_word(r, "into"))
		read_into(r, s);
	s->in = NEW_N(r->m->mem, struct arg, (size_t)s->nin);
	memcpy(s->in, in, sizeof *in * (size_t)s->nin);
}

static void
check_count(struct reader *r, struct stmt *s, enum opcode code, int want,
    int have, const char *what)
{
	if (!r->failed && want != VARIADIC && want != have)
		fail_at(r, span_from(r, s->from), "'%s' has %d %s%s, not %d",
		    op_info[code].name, want, what, want == 1 ? "" : "s",
		    have);
}

struct op *
make_op(struct reader *r, struct stmt *s, enum opcode code)
{
	int nout = s->has_target ? 1 : s->nres;
	struct op *op;

	check_count(r, s, code, op_info[code].nin, s->nin, "operand");
	check_count(r, s, code, op_info[code].nout, nout, "result");
	if (r->failed)
		return NULL;
	op = op_new(r->m, code, s->nin, nout, span_from(r, s->from));
	for (int i = 0; i < s->nin; i++)
		op->in[i] = s->in[i];
	op->has_target = s->has_target;
	op->target_add = s->add;
	op->target = s->target;
	op->into = s->into;
	return op;
}

/* Result i of op, named as the statement says. */
void
add_result(struct reader *r, struct stmt *s, struct op *op, int i,
    const struct type *t)
{
	static const struct result unnamed;

	op->out[i] = define(r, s->has_target ? &unnamed : &s->res[i], t);
	op->out[i]->def = op;
}

static int
read_times(struct reader *r)
{
	skip_blank(r);
	if (r->end - r->p < 2 || *r->p != 'x' ||
	    !isdigit((unsigned char)r->p[1]))
		return 1;
	r->p++;
	return (int)read_int(r, 1, READ_ITEMS);
}

static void
read_types(struct reader *r, struct stmt *s, struct op *op)
{
	int n = 0;

	if (s->has_target && s->target.kind != ARG_BUNDLE &&
	    !at_char(r, ':')) {
		add_result(r, s, op, 0, target_type(r->m, &s->target));
		return;
	}
	expect(r, ":");
	while (!r->failed) {
		const struct type *t = read_type(r);

		for (int i = read_times(r); i > 0 && !r->failed; i--) {
			if (n == op->nout) {
				fail_here(r, "more types than results");
				return;
			}
			add_result(r, s, op, n++, t);
		}
		if (!accept(r, ","))
			break;
	}
	if (!r->failed && n < op->nout)
		fail_here(r, "%d results and %d types", op->nout, n);
}

/* The bundle whose layers an argument is or stands for, or NULL. */
static struct bundle *
bundle_of(const struct arg *a)
{
	return a->kind == ARG_BUNDLE ? a->b :
	    a->kind == ARG_VALUE ? a->v->bundle : NULL;
}

/* True if the op gives a bundle value or writes whole layers. */
static bool
gives_bundle(const struct op *op)
{
	if (op->code == OP_PARAMS || op->code == OP_LOCAL)
		return true;
	return op->nin > 0 && op->nout == 1 && bundle_of(&op->in[0]) &&
	    (!op->has_target || op->target.kind == ARG_BUNDLE) &&
	    (op_info[op->code].group == GROUP_COMM || op->code == OP_ACCUM);
}

static void
as_bundle(struct value *v, const struct bundle *b)
{
	v->dtype = b->dtype;
	v->flat = b->flat;
	v->pend = b->pend;
}

/* A bundle value: its fields are read as the stated storage says. */
static void
read_bundle_type(struct reader *r, struct stmt *s, struct op *op)
{
	struct bundle *b = bundle_of(&op->in[0]);

	if (!b || (s->has_target && op->target.kind != ARG_BUNDLE)) {
		fail_at(r, op->at, "%s gives the fields of a bundle @B or "
		    "@B[l] a name", op_info[op->code].name);
		return;
	}
	add_result(r, s, op, 0, NULL);
	op->out[0]->bundle = s->has_target ? op->target.b : b;
	if (s->has_target && !at_char(r, ':')) {
		as_bundle(op->out[0], op->target.b);
		return;
	}
	expect(r, ":");
	if (!r->failed)
		read_storage_of(r, op->out[0]);
}

/* What is awaited keeps its type. */
static void
wait_results(struct reader *r, struct stmt *s, struct op *op)
{
	for (int i = 0; i < op->nout && i < op->nin; i++) {
		const struct value *v = op->in[i].v;

		if (op->in[i].kind != ARG_VALUE) {
			fail_at(r, op->at, "wait takes values in flight");
			return;
		}
		add_result(r, s, op, i, v->type);
		op->out[i]->bundle = v->bundle;
		op->out[i]->dtype = v->dtype;
		op->out[i]->flat = v->flat;
		op->out[i]->pend = v->pend;
	}
	if (op->nin != op->nout)
		fail_at(r, op->at, "%d results and %d operands", op->nout,
		    op->nin);
}

void
read_tail(struct reader *r, struct op *op)
{
	read_slots(r, op->out, op->nout);
	if (accept_word(r, "using"))
		op->scratch = read_slot_name(r);
	if (accept(r, "#"))
		op->group = (int)read_int(r, 0, 1 << 30);
	expect_line_end(r);
}

/* layer.x: both may have dots in their names */
static struct func *
read_kept(struct reader *r, const char **kept)
{
	const char *from, *path, *dot;

	skip_blank(r);
	from = r->p;
	path = dot = read_path(r);
	while (!r->failed && (dot = strchr(dot + 1, '.'))) {
		struct func *f = module_func(r->m, module_name(r->m, path,
		    (size_t)(dot - path)));

		*kept = module_namez(r->m, dot + 1);
		if (f && func_find(f, *kept))
			return f;
	}
	if (!r->failed)
		fail_at(r, span_from(r, from), "no function in front of this "
		    "one makes '%s'", path);
	return NULL;
}

static void
read_plain(struct reader *r, struct stmt *s, enum opcode code,
    struct region *out)
{
	struct affine index = {0};
	bool indexed = false;
	struct func *callee = NULL;
	const char *kept = NULL;
	struct op *op;

	if (code == OP_FETCH)
		callee = read_kept(r, &kept);
	if (op_info[code].nin != 0 && at_arg(r))
		read_args(r, s, NULL);
	if (accept_word(r, "at")) {
		index = read_affine(r);
		indexed = true;
	}
	op = make_op(r, s, code);
	if (!op)
		return;
	op->index = index;
	op->indexed = indexed;
	op->callee = callee;
	op->kept = kept;
	read_hops(r, op);
	read_when(r, op);
	read_attrs(r, op);
	op->at = span_from(r, s->from);
	if (r->failed)
		return;
	if (code == OP_LOAD)
		load_results(r, s, op);
	else if (code == OP_WAIT)
		wait_results(r, s, op);
	else if (gives_bundle(op))
		read_bundle_type(r, s, op);
	else if (op->nout)
		read_types(r, s, op);
	if (r->failed)
		return;
	region_append(r->m, out, op);
	read_tail(r, op);
}

/* "zg | ": true if a lane was there. */
static uint8_t
read_lane(struct reader *r)
{
	const char *was = r->p, *name;

	if (!at_word(r))
		return LANE_C;
	name = read_name(r);
	if (accept(r, "|"))
		for (int i = 0; i < LANE_COUNT; i++)
			if (strcmp(lane_name[i], name) == 0)
				return (uint8_t)i;
	if (!r->failed)
		r->p = was;
	return LANE_C;
}

static void
read_statement(struct reader *r, struct region *out)
{
	uint8_t lane = read_lane(r);
	struct stmt s = {0};
	enum opcode code;
	const char *name;
	int n = out->n;

	read_results(r, &s);
	skip_blank(r);
	s.from = r->p;
	if (r->failed)
		return;
	name = read_path(r);
	if (r->failed)
		return;
	if (!op_from_name(name, strlen(name), &code)) {
		fail_at(r, span_from(r, s.from), "no op is called '%s'", name);
		return;
	}
	if (code == OP_FOR)
		read_for(r, &s, out);
	else if (code == OP_CALL)
		read_call(r, &s, out);
	else
		read_plain(r, &s, code, out);
	if (!r->failed && out->n > n)
		out->op[n]->lane = lane;
}

void
read_region(struct reader *r, struct region *out)
{
	for (;;) {
		skip_lines(r);
		if (r->failed || accept(r, "}"))
			return;
		if (r->p == r->end) {
			fail_here(r, "expected '}'");
			return;
		}
		read_statement(r, out);
		accept(r, ";");
	}
}
