/*
 * repeat N { x = layer(x); } is a function of one layer and a rolled loop.
 *
 *	fn layer(l:L, x : f32[b,s,e]) { ... return r }
 *	x1 = for l=0..L (x2 = x) { r = call layer(l, x2)  yield r }
 *
 * Names that the body assigns and that exist before are carried from layer to
 * layer.  Names it only reads come in from outside: tensors of numbers as a
 * carry that stays what it is (so that their gradients add up), indices as
 * they are.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "frontend/lower.h"
#include "frontend/setting.h"
#include "ir/verify.h"

struct carry {
	const char *name;
	struct span at;
	struct val start, next;
	struct value *v; /* parameter of the function */
	struct carry *after;
};

static struct carry *
find_carry(struct carry *list, const char *name)
{
	while (list && strcmp(list->name, name) != 0)
		list = list->after;
	return list;
}

/* A carry lives in memory, a constant does not: numbers become 0 + x. */
static struct val
start_value(struct unit *u, struct val v, struct span at)
{
	struct op *op;
	struct val zero, x;

	if (v.kind != VAL_NUMBER)
		return as_tensor(u, v, at);
	op = emit(u, OP_ZEROS, 0, at);
	zero = emit_result(u, op, type_scalar(u->m, DT_F32), "c");
	if (v.num == 0 || zero.kind == VAL_ERROR)
		return zero;
	x = emit_number(u, v.num, at);
	op = emit(u, OP_ADD, 2, at);
	op->in[0] = emit_arg(u, &zero, at);
	op->in[1] = emit_arg(u, &x, at);
	return emit_result(u, op, NULL, "c");
}

/* Names assigned in the body that this level has values for, in order. */
static struct carry *
collect(struct unit *u, const struct body *b)
{
	struct carry *list = NULL, **end = &list, *c;

	for (const struct stmt *s = b->first; s; s = s->next)
		for (const struct ident *id = s->target.first; id;
		    id = id->next) {
			const struct sym *old = name_find(u, id->name,
			    1u << SYM_VALUE);

			if (!old || old->level != u->level ||
			    find_carry(list, id->name))
				continue;
			*end = c = NEW(u->mem, struct carry);
			end = &c->after;
			c->name = id->name;
			c->at = id->at;
			c->start = start_value(u, old->val, id->at);
		}
	return list;
}

static bool
count_size(struct unit *u, const struct expr *e, uint64_t *n)
{
	double x;

	if (!constant(u, e, &x))
		return false;
	if (x >= 1 && x <= (double)MAX_DIM_SIZE && x == floor(x)) {
		*n = (uint64_t)x;
		return true;
	}
	diag_report(u->d, DIAG_DIM_SIZE, e->at,
	    "repeat %.15g: a whole number of at least 1", x);
	return false;
}

/* The dim that counts the layers: the user's, or L, L2, ... */
static const char *
stack_dim(struct unit *u, const struct stmt *s)
{
	const char *name = "L";
	const struct override *o;
	uint64_t n = 1;

	if (s->value->kind == EXPR_NAME) {
		struct ident id = {s->value->name, s->value->at, NULL};
		const struct dimdef *d = dim_find(u, &id);

		return d ? d->name : NULL;
	}
	if (!count_size(u, s->value, &n))
		return NULL;
	for (int i = 2; module_dim(u->m, name); i++)
		name = arena_printf(u->mem, "L%d", i);
	if ((o = override_find(u, NULL, name)) && !override_size(u, o, &n))
		return NULL;
	module_add_dim(u->m, module_namez(u->m, name), n, s->value->at);
	return module_namez(u->m, name);
}

static struct frame *
open_frame(struct unit *u, const char *stack, const struct stmt *s)
{
	struct frame *f = NEW(u->mem, struct frame);

	f->up = u->frame;
	f->stack = stack;
	f->f = module_add_func(u->m, "repeat", s->at);
	f->f->index = fresh_name(u, &f->names, "l", 1);
	f->f->index_dim = stack;
	f->bundle_name = fresh_name(u, &u->bundles, "W", 2);
	f->prefix = u->path;
	f->last_capture = &f->capture;
	return f;
}

static void
add_params(struct unit *u, struct carry *list)
{
	struct frame *f = u->frame;

	for (struct carry *c = list; c; c = c->after) {
		struct val v = val_error();

		if (c->start.kind == VAL_TENSOR) {
			c->v = func_add_param(u->m, f->f, fresh_name(u,
			    &f->names, c->name, 1), c->start.type, c->at);
			v = val_tensor(u, c->v);
		}
		name_push(u, (struct sym){.kind = SYM_VALUE, .name = c->name,
		    .at = c->at, .val = v});
	}
}

static bool
check_carry(struct unit *u, struct carry *c, const struct stmt *s)
{
	const struct sym *now = name_find(u, c->name, 1u << SYM_VALUE);
	struct report r;

	c->next = as_tensor(u, now->val, now->at);
	if (c->next.kind == VAL_ERROR || c->start.kind == VAL_ERROR)
		return false;
	c->next = emit_cast(u, c->next, (enum dtype)c->start.type->dtype,
	    now->at);
	if (c->next.type == c->start.type)
		return true;
	report_open(&r, u->d, DIAG_REPEAT_TYPE, s->at,
	    "repeat body must give %s its own type back: %s becomes %s",
	    c->name, dims_text(u, c->start.type), dims_text(u, c->next.type));
	report_label(&r, now->at, "%s is %s here", c->name,
	    dims_text(u, c->next.type));
	report_close(&r);
	return false;
}

/* -------------------------------------------------------------- its name */

/* "attn" if all fields are attn.something; else NULL. */
static const char *
common_part(struct unit *u, const struct bundle *b)
{
	size_t n = b->nfield ? strcspn(b->field[0].name, ".") : 0;

	for (int i = 0; i < b->nfield; i++)
		if (strncmp(b->field[i].name, b->field[0].name, n) != 0 ||
		    b->field[i].name[n] != '.')
			return NULL;
	return n ? arena_strndup(u->mem, b->field[0].name, n) : NULL;
}

static void
cut_fields(struct unit *u, struct bundle *b, size_t n)
{
	for (int i = 0; i < b->nfield; i++)
		b->field[i].name = module_namez(u->m, b->field[i].name + n);
}

/* The path of the parameters: `as NAME`, the block that is called, repeat. */
static void
name_frame(struct unit *u, struct frame *f, const struct stmt *s)
{
	const char *common = f->b ? common_part(u, f->b) : NULL;
	const char *path = s->name.name ? s->name.name :
	    common ? common : "repeat";

	if (common)
		cut_fields(u, f->b, strlen(common) + 1);
	path = fresh_name(u, &f->up->paths, join_path(u, f->prefix, path), 2);
	if (f->b)
		f->b->path = module_namez(u->m, path);
	f->f->name = fresh_name(u, &u->funcs, path, 2);
}

/* --------------------------------------------------------------- the loop */

static int
count_carries(const struct carry *list, const struct frame *f)
{
	int n = 0;

	for (; list; list = list->after)
		n++;
	for (const struct capture *c = f->capture; c; c = c->next)
		n += c->v->type->dtype != DT_I32;
	return n;
}

static void
emit_return(struct unit *u, struct frame *f, struct carry *list, int n)
{
	struct op *op = op_new(u->m, OP_RETURN, n, 0, f->f->at);
	int i = 0;

	for (struct carry *c = list; c; c = c->after)
		op->in[i++] = emit_arg(u, &c->next, f->f->at);
	for (struct capture *c = f->capture; c; c = c->next)
		if (c->v->type->dtype != DT_I32)
			op->in[i++] = arg_value(c->v);
	region_append(u->m, &f->f->body, op);
}

/* Carry i of the loop, in the frame around it. */
static void
loop_carry(struct unit *u, struct op *loop, int i, struct arg start,
    const char *name)
{
	struct frame *f = u->frame;
	const struct type *t = arg_type(u->m, &start);

	loop->in[i] = start;
	loop->out[i] = func_value(u->m, f->f, fresh_name(u, &f->names, name,
	    1), t, loop->at);
	loop->carry[i] = func_value(u->m, f->f, fresh_name(u, &f->names, name,
	    1), t, loop->at);
}

static struct op *
make_call(struct unit *u, struct frame *inner, struct op *loop, int ncarry)
{
	struct func *g = inner->f;
	struct op *call = op_new(u->m, OP_CALL, g->nparam, loop->nin,
	    loop->at);
	int i = 0, k = ncarry;

	call->callee = g;
	call->indexed = true;
	call->index = affine_var(loop->var);
	for (; i < ncarry; i++)
		call->in[i] = arg_value(loop->carry[i]);
	for (struct capture *c = inner->capture; c; c = c->next)
		call->in[i++] = c->v->type->dtype == DT_I32 ? c->outer
		    : arg_value(loop->carry[k++]);
	for (i = 0; i < loop->nin; i++)
		call->out[i] = func_value(u->m, u->frame->f, fresh_name(u,
		    &u->frame->names, i < ncarry ? "r" : "c", 1),
		    loop->carry[i]->type, loop->at);
	return call;
}

static struct op *
emit_loop(struct unit *u, struct frame *inner, struct carry *list, int n,
    const struct stmt *s)
{
	struct op *loop = op_new(u->m, OP_FOR, n, n, s->at), *call, *yield;
	int i = 0, own;

	loop->var = fresh_name(u, &u->frame->names, "l", 1);
	loop->hi.dim = inner->stack;
	loop->carry = NEW_N(u->mem, struct value *, (size_t)n);
	for (struct carry *c = list; c; c = c->after)
		loop_carry(u, loop, i++, c->start.arg, c->name);
	own = i;
	for (struct capture *c = inner->capture; c; c = c->next)
		if (c->v->type->dtype != DT_I32)
			loop_carry(u, loop, i++, c->outer, c->v->name);
	call = make_call(u, inner, loop, own);
	yield = op_new(u->m, OP_YIELD, n, 0, s->at);
	for (i = 0; i < n; i++)
		yield->in[i] = arg_value(call->out[i]);
	region_append(u->m, &loop->body, call);
	region_append(u->m, &loop->body, yield);
	region_append(u->m, &u->frame->f->body, loop);
	return loop;
}

static bool
may_repeat(struct unit *u, const struct stmt *s)
{
	if (!u->frame->up)
		return true;
	diag_report(u->d, DIAG_NESTED_REPEAT, s->at,
	    "repeat inside of repeat");
	return false;
}

void
lower_repeat(struct unit *u, const struct stmt *s)
{
	const struct sym *env = u->env;
	const char *path = u->path, *stack;
	struct frame *outer = u->frame, *inner;
	struct carry *list;
	bool ok = true;
	int n, i = 0, before = u->d->errors;

	if (!may_repeat(u, s) || !(stack = stack_dim(u, s))) {
		u->skipped = true;
		return;
	}
	list = collect(u, s->body);
	inner = u->frame = open_frame(u, stack, s);
	u->path = "";
	u->level++;
	add_params(u, list);
	lower_stmts(u, s->body);
	for (struct carry *c = list; c; c = c->after)
		ok &= check_carry(u, c, s);
	if (!list && u->d->errors == before)
		diag_report(u->d, DIAG_REPEAT_NOTHING, s->at,
		    "repeat changes no value that exists before it");
	n = count_carries(list, inner);
	if (ok && list)
		emit_return(u, inner, list, n);
	u->env = env;
	u->frame = outer;
	u->path = path;
	u->level--;
	name_frame(u, inner, s);
	if (ok && list) {
		struct op *loop = emit_loop(u, inner, list, n, s);

		for (struct carry *c = list; c; c = c->after, i++)
			c->next = val_tensor(u, loop->out[i]);
	}
	for (struct carry *c = list; c; c = c->after)
		name_push(u, (struct sym){.kind = SYM_VALUE, .name = c->name,
		    .at = c->at, .val = ok ? c->next : val_error()});
}
