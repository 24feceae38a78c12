/* Statements from text. */
#include "config.h"

#include "ir/readfn.h"

#include <ctype.h>
#include <string.h>

#include "ir/typetable.h"

#define MAX_BOUND ((int64_t)1 << 40)

struct stmt { /* a statement before its op exists */
	struct result *res;
	int nres;
	bool has_target, add;
	struct arg target;
	struct arg *in;
	int nin;
	uint8_t into;
	const char *from; /* where the op's name starts */
};

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
static void
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

static struct op *
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
static void
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
	expect(r, ":");
	if (r->failed)
		return;
	add_result(r, s, op, 0, NULL);
	op->out[0]->bundle = s->has_target ? op->target.b : b;
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

static void
read_tail(struct reader *r, struct op *op)
{
	read_slots(r, op->out, op->nout);
	if (accept_word(r, "using"))
		op->scratch = read_slot_name(r);
	if (accept(r, "#"))
		op->group = (int)read_int(r, 0, 1 << 30);
	expect_line_end(r);
}

/* The save that a load answers. */
static const struct op *
twin_save(struct reader *r, struct op *op)
{
	struct func *twin = r->current->f->twin;
	struct fn *fn = twin ? find_fn(r, twin->name) : NULL;

	if (!fn) {
		fail_at(r, op->at, "'%s' has no twin that saves",
		    r->current->f->name);
		return NULL;
	}
	need_body(r, fn, op->at);
	for (int i = 0; i < fn->f->body.n && !r->failed; i++)
		if (fn->f->body.op[i]->code == OP_SAVE)
			return fn->f->body.op[i];
	fail_at(r, op->at, "'%s' saves nothing", fn->f->name);
	return NULL;
}

static void
load_results(struct reader *r, struct stmt *s, struct op *op)
{
	const struct op *save = twin_save(r, op);

	for (int i = 0; i < op->nout && !r->failed; i++) {
		const struct type *t = NULL;

		for (int j = 0; j < save->nin; j++)
			if (save->in[j].kind == ARG_VALUE &&
			    save->in[j].v->name == s->res[i].name)
				t = save->in[j].v->type;
		if (t)
			add_result(r, s, op, i, t);
		else
			fail_at(r, s->res[i].at, "the twin does not save '%s'",
			    s->res[i].name);
	}
}

static struct fn *
read_callee(struct reader *r)
{
	const char *from, *name;
	struct fn *fn;

	skip_blank(r);
	from = r->p;
	name = read_path(r);
	fn = r->failed ? NULL : find_fn(r, name);
	if (!fn)
		fail_at(r, span_from(r, from), "no function is called '%s'",
		    name);
	else
		need_body(r, fn, span_from(r, from));
	return fn;
}

static void
call_result(struct reader *r, struct stmt *s, struct op *op, int i,
    const struct arg *ret)
{
	add_result(r, s, op, i, arg_type(r->m, ret));
	if (r->failed || ret->kind != ARG_VALUE)
		return;
	op->out[i]->bundle = ret->v->bundle;
	op->out[i]->dtype = ret->v->dtype;
	op->out[i]->flat = ret->v->flat;
	op->out[i]->pend = ret->v->pend;
}

static void
read_call(struct reader *r, struct stmt *s, struct region *out)
{
	struct fn *fn = read_callee(r);
	struct affine index = {0};
	const struct op *ret;
	struct op *op;

	expect(r, "(");
	if (!r->failed && fn->f->index) {
		index = read_affine(r);
		if (!at_char(r, ')'))
			expect(r, ",");
	}
	read_args(r, s, ")");
	op = make_op(r, s, OP_CALL);
	if (!op)
		return;
	op->callee = fn->f;
	op->indexed = fn->f->index != NULL;
	op->index = index;
	ret = region_last(&fn->f->body);
	if (!ret || ret->code != OP_RETURN || ret->nin != op->nout ||
	    op->has_target) {
		fail_at(r, op->at, "'%s' returns %d values, not %d",
		    fn->f->name, ret && ret->code == OP_RETURN ? ret->nin : 0,
		    op->nout);
		return;
	}
	for (int i = 0; i < op->nout; i++)
		call_result(r, s, op, i, &ret->in[i]);
	region_append(r->m, out, op);
	read_tail(r, op);
}

static void
read_carry(struct reader *r, struct scratch *c, int i)
{
	struct value *v = &c->slot[i];

	if (accept(r, ":"))
		c->type[i] = read_type(r);
	read_slots(r, &v, 1);
}

/* names = args [: type] [in slot] */
static void
read_carry_group(struct reader *r, struct scratch *c)
{
	int first = c->n, i = first;

	do {
		if (c->n == READ_ITEMS) {
			fail_here(r, "more than %d carries", READ_ITEMS);
			return;
		}
		c->type[c->n] = NULL;
		c->slot[c->n] = (struct value){0};
		c->res[c->n++] = read_result(r);
	} while (!r->failed && accept(r, ","));
	expect(r, "=");
	for (; i < c->n && !r->failed; i++) {
		if (i > first)
			expect(r, ",");
		c->in[i] = read_arg(r);
	}
	if (r->failed)
		return;
	read_carry(r, c, first);
	for (i = first + 1; i < c->n; i++) {
		c->type[i] = c->type[first];
		c->slot[i] = c->slot[first];
	}
}

struct bound
read_bound(struct reader *r)
{
	struct bound b = {0};

	if (!at_word(r)) {
		b.k = read_int(r, 0, MAX_BOUND);
		return b;
	}
	b.dim = read_name(r);
	if (accept(r, "+"))
		b.k = read_int(r, 0, MAX_BOUND);
	else if (accept(r, "-"))
		b.k = -read_int(r, 0, MAX_BOUND);
	return b;
}

static void
read_for_head(struct reader *r, struct op *op)
{
	op->var = read_name(r);
	expect(r, "=");
	op->lo = read_bound(r);
	expect(r, "..");
	op->hi = read_bound(r);
	op->rev = accept_word(r, "rev");
}

/* The carries' types may mention the loop's variable, so it comes first. */
static struct scratch *
read_carries(struct reader *r)
{
	struct scratch *c = r->scratch;

	c->n = 0;
	expect(r, "(");
	while (!r->failed && !at_char(r, ')')) {
		read_carry_group(r, c);
		if (!accept(r, ";"))
			break;
	}
	expect(r, ")");
	return c;
}

static void
define_carry(struct reader *r, struct op *op, const struct scratch *c, int i)
{
	const struct arg *init = &c->in[i];
	const struct type *t = c->type[i];
	struct value *v;

	v = define(r, &c->res[i], t ? t : arg_type(r->m, init));
	if (init->kind == ARG_VALUE && init->v->bundle) {
		v->bundle = init->v->bundle;
		v->dtype = init->v->dtype;
		v->flat = init->v->flat;
		v->pend = init->v->pend;
	}
	v->slot = c->slot[i].slot;
	v->slot_indexed = c->slot[i].slot_indexed;
	v->slot_index = c->slot[i].slot_index;
	op->carry[i] = v;
}

/* Results: a carry's type with the variable at the loop's end. */
static void
for_results(struct reader *r, struct stmt *s, struct op *op)
{
	uint64_t end = op->rev ? bound_eval(r->m, &op->lo) :
				 bound_eval(r->m, &op->hi);

	if (op->nout != op->nin || op->has_target) {
		fail_at(r, op->at, "%d carries and %d results", op->nin,
		    op->nout);
		return;
	}
	for (int i = 0; i < op->nout; i++) {
		const struct type *t = op->carry[i]->type;

		if (t)
			t = type_substitute(r->m, t, r->nloop, end);
		add_result(r, s, op, i, t);
		op->out[i]->bundle = op->carry[i]->bundle;
		op->out[i]->dtype = op->carry[i]->dtype;
		op->out[i]->flat = op->carry[i]->flat;
		op->out[i]->pend = op->carry[i]->pend;
	}
}

static void
read_for(struct reader *r, struct stmt *s, struct region *out)
{
	struct op head = {0}, *op;
	struct scratch *c;

	read_for_head(r, &head);
	if (r->failed || !enter(r))
		return;
	r->loop[r->nloop++] = head.var;
	c = read_carries(r);
	s->in = c->in; /* make_op copies them */
	s->nin = c->n;
	op = make_op(r, s, OP_FOR);
	if (!op)
		return;
	op->var = head.var;
	op->lo = head.lo;
	op->hi = head.hi;
	op->rev = head.rev;
	op->carry = NEW_N(r->m->mem, struct value *, (size_t)c->n);
	for (int i = 0; i < c->n; i++)
		define_carry(r, op, c, i);
	expect(r, "{");
	if (!r->failed)
		read_region(r, &op->body);
	r->nloop--;
	leave(r);
	if (!r->failed)
		for_results(r, s, op);
	if (r->failed)
		return;
	region_append(r->m, out, op);
	read_tail(r, op);
}

static void
read_plain(struct reader *r, struct stmt *s, enum opcode code,
    struct region *out)
{
	struct affine index = {0};
	bool indexed = false;
	struct op *op;

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
	}
}
