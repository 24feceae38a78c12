/* Ops of the function being built. */
#include "config.h"

#include <string.h>

#include "frontend/lower.h"

bool
too_deep(struct unit *u, struct span at)
{
	if (u->depth < MAX_DEPTH)
		return false;
	diag_report(u->d, DIAG_NESTING, at,
	    "calls and expressions nested deeper than %d levels", MAX_DEPTH);
	return true;
}

struct val
val_error(void)
{
	return (struct val){.kind = VAL_ERROR};
}

struct val
val_number(double x)
{
	return (struct val){.kind = VAL_NUMBER, .num = x};
}

struct val
val_tensor(struct unit *u, struct value *v)
{
	return (struct val){.kind = VAL_TENSOR, .arg = arg_value(v),
	    .home = u->frame, .type = v->type};
}

const char *
temp_name(struct unit *u, const char *otherwise)
{
	const char *name = u->hint ? u->hint : otherwise;

	return fresh_name(u, &u->frame->names, name, 1);
}

struct op *
emit(struct unit *u, enum opcode code, int nin, struct span at)
{
	return op_new(u->m, code, nin, 1, at);
}

/* Blocks in blocks can multiply; a module beyond the limit is of no use. */
bool
too_many(struct unit *u, struct span at)
{
	if (++u->nops <= MAX_OPS)
		return false;
	if (u->nops == MAX_OPS + 1)
		diag_report(u->d, DIAG_TOO_MANY_OPS, at,
		    "the model has more than %d operations", MAX_OPS);
	return true;
}

static bool
place(struct unit *u, struct op *op)
{
	if (too_many(u, op->at) || !op_infer(u->m, op) ||
	    !fits(u, op->out[0]->type, 1, op->at))
		return false;
	region_append(u->m, &u->frame->f->body, op);
	return true;
}

struct val
emit_result(struct unit *u, struct op *op, const struct type *t,
    const char *name)
{
	op->out[0] = func_value(u->m, u->frame->f, temp_name(u, name), t,
	    op->at);
	return place(u, op) ? val_tensor(u, op->out[0]) : val_error();
}

struct val
emit_two(struct unit *u, struct op *op, const char *name, const char *second)
{
	struct value *first = func_value(u->m, u->frame->f,
	    temp_name(u, name), NULL, op->at);

	op->nout = 2;
	op->out = NEW_N(u->mem, struct value *, 2);
	op->out[0] = first;
	op->out[1] = func_value(u->m, u->frame->f,
	    fresh_name(u, &u->frame->names, second, 1), NULL, op->at);
	return place(u, op) ? val_tensor(u, first) : val_error();
}

struct val
emit_number(struct unit *u, double x, struct span at)
{
	struct op *op = emit(u, OP_CONST, 0, at);
	const char *hint = u->hint;
	struct val v;

	op_set_real(u->m, op, ATTR_VALUE, x);
	u->hint = NULL;
	v = emit_result(u, op, NULL, "c");
	u->hint = hint;
	return v;
}

struct val
emit_cast(struct unit *u, struct val v, enum dtype dt, struct span at)
{
	struct op *op;

	if (v.kind != VAL_TENSOR || v.type->dtype == dt || v.type->rank == 0)
		return v;
	op = emit(u, OP_CAST, 1, at);
	op->in[0] = emit_arg(u, &v, at);
	return emit_result(u, op, type_with_dtype(u->m, v.type, dt), "y");
}

static bool
same_arg(const struct arg *a, const struct arg *b)
{
	return a->kind == b->kind && a->v == b->v && a->field == b->field;
}

/* The value becomes a parameter of the repeat's function. */
static struct arg
capture(struct unit *u, const struct val *v, struct span at)
{
	struct frame *f = u->frame;
	struct capture *c;

	for (c = f->capture; c; c = c->next)
		if (same_arg(&c->outer, &v->arg))
			return arg_value(c->v);
	c = NEW(u->mem, struct capture);
	c->outer = v->arg;
	c->v = func_add_param(u->m, f->f, fresh_name(u, &f->names,
	    v->arg.kind == ARG_VALUE ? v->arg.v->name : "c", 1), v->type, at);
	*f->last_capture = c;
	f->last_capture = &c->next;
	return arg_value(c->v);
}

struct arg
emit_arg(struct unit *u, const struct val *v, struct span at)
{
	return v->home == u->frame ? v->arg : capture(u, v, at);
}
