/*
 * The host program: one C function per IR function, loops rolled, every size
 * a literal.  Each statement stands under the IR line it comes from.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "codegen/host.h"
#include "codegen/target.h"
#include "ir/group.h"
#include "ir/replay.h"
#include "ir/typetable.h"
#include "support/buf.h"

void
emit_work(struct emit *e, const char *expr)
{
	for (int i = 0; i < e->nwork; i++)
		if (strcmp(e->work[i], expr) == 0)
			return;
	if (e->nwork == e->workcap) {
		const char **old = e->work;

		e->workcap = e->workcap ? 2 * e->workcap : 64;
		e->work = NEW_N(e->m->mem, const char *, (size_t)e->workcap);
		if (e->nwork)
			memcpy(e->work, old, sizeof *old * (size_t)e->nwork);
	}
	e->work[e->nwork++] = expr;
}

static const char *
place_at(struct emit *e, const struct value *v, const struct affine *index)
{
	return index ? emit_place_at(e, v, index) : e->place[v->id];
}

static const char *
pointer_at(struct emit *e, const struct value *v, const struct affine *index)
{
	return index ? emit_place_at(e, v, index) : emit_value_ptr(e, v);
}

void
emit_copy_if_moved(struct emit *e, const struct value *to,
    const struct affine *to_index, const struct value *from,
    const struct affine *from_index)
{
	const char *a = place_at(e, to, to_index);
	const char *b = place_at(e, from, from_index);

	if (a && b && strcmp(a, b) == 0)
		return;
	emit_memcpy(e, "", pointer_at(e, to, to_index),
	    pointer_at(e, from, from_index), value_local_bytes(e->m, to));
}

/* ---- flow ---- */

static void emit_region(struct emit *e, struct region *r,
    const struct op *loop);

/* The slot of a carry may also be indexed by loops further out. */
static int64_t
coefficient(const struct affine *a, const char *var)
{
	for (int i = 0; i < a->n; i++)
		if (a->var[i] == var)
			return a->coef[i];
	return 0;
}

static struct affine
moved(struct affine a, int64_t by)
{
	a.k += by;
	if (a.mod > 0)
		a.k = (a.k % a.mod + a.mod) % a.mod;
	return a;
}

static struct affine
index_after(const struct value *v, const char *var, int64_t by)
{
	return moved(v->slot_index, by * coefficient(&v->slot_index, var));
}

static struct affine
index_at(const struct value *v, const char *var, int64_t first)
{
	struct affine a = {.mod = v->slot_index.mod};

	for (int i = 0; i < v->slot_index.n; i++)
		if (v->slot_index.var[i] != var) {
			a.var[a.n] = v->slot_index.var[i];
			a.coef[a.n++] = v->slot_index.coef[i];
		}
	return moved(a, v->slot_index.k + first *
	    coefficient(&v->slot_index, var));
}

/* Where the first trip reads each carry. */
static void
enter_loop(struct emit *e, const struct op *op, int64_t first)
{
	for (int i = 0; i < op->nin; i++) {
		const struct value *v = op->carry[i];
		struct affine at = index_at(v, op->var, first);

		emit_copy_if_moved(e, v, &at, op->in[i].v, NULL);
		if (v->future)
			emit_both(e, "lt_token %s = %s;", emit_token(e, v),
			    emit_token(e, op->in[i].v));
	}
}

static void
next_trip(struct emit *e, const struct op *op)
{
	const struct op *yield = region_last(&op->body);

	for (int i = 0; i < op->nin; i++) {
		const struct value *v = op->carry[i];
		struct affine at = index_after(v, op->var,
		    op->rev ? -1 : 1);

		emit_copy_if_moved(e, v, v->slot_indexed ? &at : NULL,
		    yield->in[i].v, NULL);
		if (v->future)
			emit_both(e, "%s = %s;", emit_token(e, v),
			    emit_token(e, yield->in[i].v));
	}
}

static bool
is_read(const struct region *r, const struct value *v)
{
	for (int i = 0; i < r->n; i++) {
		for (int j = 0; j < r->op[i]->nin; j++)
			if (r->op[i]->in[j].v == v)
				return true;
		if (is_read(&r->op[i]->body, v))
			return true;
	}
	return false;
}

static bool
is_microbatches(const struct op *op)
{
	return op->hi.dim && strcmp(op->hi.dim, "mb") == 0;
}

static void
both(struct emit *e, bool moves, const char *line)
{
	emit_line(e, "%s", line);
	if (moves)
		emit_rehearse(e, "%s", line);
}

static void
emit_for(struct emit *e, const struct op *op)
{
	uint64_t lo = bound_eval(e->m, &op->lo), hi = bound_eval(e->m, &op->hi);
	const char *var = emit_mangle(e, "i_", op->var);
	struct region body = op->body;
	bool moves = emit_moves(op);

	enter_loop(e, op, (int64_t)(op->rev ? hi - 1 : lo));
	both(e, moves, op->rev ? arena_printf(e->m->mem, "for (int64_t %s = %"
	    PRIu64 "; %s-- > %" PRIu64 ";) {", var, hi, var, lo) :
	    arena_printf(e->m->mem, "for (int64_t %s = %" PRIu64 "; %s < %"
	    PRIu64 "; %s++) {", var, lo, var, hi, var));
	e->indent++;
	if (is_microbatches(op)) {
		emit_line(e, "rt->micro = %s;", var);
		emit_enter(e, "microbatch", var);
	}
	e->loop[e->nloop++] = op->var;
	emit_region(e, &body, op);
	e->nloop--;
	if (is_microbatches(op))
		emit_leave(e);
	e->indent--;
	both(e, moves, "}");
	for (int i = 0; i < op->nout; i++)
		if (op->out[i]->future && is_read(&e->f->body, op->out[i]))
			emit_both(e, "lt_token %s = %s;",
			    emit_token(e, op->out[i]),
			    emit_token(e, op->carry[i]));
}

static void
emit_call(struct emit *e, const struct op *op)
{
	const char *args = "rt";
	struct arena *mem = e->m->mem;

	if (op->indexed)
		args = arena_printf(mem, "%s, %s", args,
		    emit_affine(e, &op->index));
	for (int i = 0; i < op->nin; i++)
		args = arena_printf(mem, "%s, %s%s", args,
		    emit_arg_ptr(e, &op->in[i]), !op->in[i].v->future ? "" :
		    arena_printf(mem, ", %s", emit_token(e, op->in[i].v)));
	for (int i = 0; i < op->nout; i++) {
		const char *token = op->out[i]->future ?
		    emit_token(e, op->out[i]) : NULL;

		if (token)
			emit_both(e, "lt_token %s;", token);
		args = arena_printf(mem, "%s, %s%s", args,
		    emit_value_ptr(e, op->out[i]), !token ? "" :
		    arena_printf(mem, ", &%s", token));
	}
	emit_enter(e, op->callee->name, op->indexed ?
	    emit_affine(e, &op->index) : "-1");
	emit_line(e, "%s(%s);", emit_func_name(e, op->callee), args);
	emit_rehearse_call(e, op);
	emit_leave(e);
}

/* Results go straight to their places; what lies elsewhere is copied. */
static void
return_results(struct emit *e, const struct op *op)
{
	for (int i = 0; i < op->nin; i++) {
		const struct value *v = op->in[i].v;
		const char *to = arena_printf(e->m->mem, "out%d", i);

		if (strcmp(e->place[v->id], to) != 0)
			emit_memcpy(e, "", to, emit_value_ptr(e, v),
			    value_local_bytes(e->m, v));
		if (v->future)
			emit_both(e, "*token%d = %s;", i, emit_token(e, v));
	}
}

static void
emit_return(struct emit *e, const struct op *op)
{
	if (strcmp(e->f->name, "step") == 0 && op->nin > 1)
		e->to->finish_step(e, op);
	else if (strcmp(e->f->name, "eval") == 0 && op->nin > 1)
		e->to->finish_eval(e, op);
	else if (e->f->index)
		return_results(e, op);
}

/* ---- regions ---- */

static void
declare(struct emit *e, FILE *out, const struct value *v)
{
	struct buf t = {0};

	if ((v->bundle && !value_is_image(v)) || !e->used[v->id] ||
	    strcmp(e->name[v->id], e->place[v->id]) == 0)
		return;
	for (int i = 0; i < e->indent; i++)
		fputc('\t', out);
	if (v->type)
		type_print_in(e->m, v->type, e->loop, e->nloop, &t);
	else
		buf_printf(&t, "image of @%s", v->bundle->name);
	fprintf(out, "%s *%s = %s; /* %s */\n",
	    emit_ctype(value_dtype(v)), e->name[v->id],
	    e->place[v->id], buf_text(&t));
	buf_free(&t);
}

/* Pointers of what the region defines and uses, in order of definition. */
static void
declare_values(struct emit *e, FILE *out, const struct region *r,
    const struct op *loop)
{
	if (loop)
		for (int i = 0; i < loop->nin; i++)
			declare(e, out, loop->carry[i]);
	else
		for (int i = 0; i < e->f->nparam && !e->f->index; i++)
			declare(e, out, e->f->param[i]);
	for (int i = 0; i < r->n; i++)
		for (int j = 0; j < r->op[i]->nout; j++)
			if (r->op[i]->out[j]->name)
				declare(e, out, r->op[i]->out[j]);
}

static bool
silent(const struct op *op)
{
	return op->code == OP_CONST || op->code == OP_PARAMS ||
	    op->code == OP_LOAD || op->code == OP_YIELD ||
	    op->code == OP_TAKE || op->code == OP_LOCAL;
}

/* It does something itself, rather than what it contains. */
static bool
acts(const struct emit *e, const struct op *op)
{
	return !silent(op) && op->code != OP_FOR && op->code != OP_CALL &&
	    !(op->code == OP_RETURN && e->f->index);
}

static void
emit_group(struct emit *e, struct op *const *op, int n)
{
	const struct type *space = group_space(op[0]);

	if (space->rank == 0 && !group_is_row(op[0]))
		e->to->scalars(e, op, n);
	else
		e->to->kernel(e, op, n);
}

/* All ranks agree: only loop variables and sizes occur. */
static void
begin_when(struct emit *e, const struct op *op)
{
	const struct cond *c = &op->when;

	if (!c->set)
		return;
	both(e, emit_moves(op), arena_printf(e->m->mem, "if (%s %c %" PRIu64
	    ") {", emit_affine(e, &c->a), c->cmp, bound_eval(e->m, &c->b)));
	e->indent++;
}

static void
end_when(struct emit *e, const struct op *op)
{
	if (!op->when.set)
		return;
	e->indent--;
	both(e, emit_moves(op), "}");
}

static void
emit_statement(struct emit *e, struct region *r, int i)
{
	struct op *op = r->op[i];
	struct op_list g = {.op = {op}, .n = 1};
	char indent[32] = "\t\t\t\t\t\t\t\t";

	if (op->group >= 0) {
		group_collect(r, i, &g);
		if (g.op[0] != op)
			return;
	}
	e->region = r;
	e->at = i;
	indent[e->indent < 8 ? e->indent : 8] = 0;
	if (!silent(op))
		emit_comment(e, e->out, indent, g.op, g.n);
	if (op->when.set && op->nout && op->out[0]->future)
		emit_both(e, "lt_token %s = 0;", emit_token(e, op->out[0]));
	begin_when(e, op);
	if (acts(e, op))
		emit_at(e, g.op, g.n);
	if (op->group >= 0)
		emit_group(e, g.op, g.n);
	else if (op->code == OP_FOR)
		emit_for(e, op);
	else if (op->code == OP_CALL)
		emit_call(e, op);
	else if (op->code == OP_RETURN)
		emit_return(e, op);
	else if (!emit_op(e, op))
		emit_broken(e, op, "stands in no group");
	end_when(e, op);
}

static void
emit_region(struct emit *e, struct region *r, const struct op *loop)
{
	FILE *out = e->out;
	char *text = NULL;
	size_t size = 0;

	e->out = open_memstream(&text, &size);
	if (!e->out)
		abort();
	for (int i = 0; i < r->n; i++)
		emit_statement(e, r, i);
	if (loop)
		next_trip(e, loop);
	fclose(e->out);
	e->out = out;
	declare_values(e, out, r, loop);
	fputs(text, out);
	free(text);
}

/* ---- functions ---- */

const char *
emit_func_name(struct emit *e, const struct func *f)
{
	const char *s = emit_mangle(e, "f_", f->name);

	for (int i = 0; e->m->func[i] != f; i++)
		if (strcmp(emit_mangle(e, "f_", e->m->func[i]->name), s) == 0)
			return arena_printf(e->m->mem, "%s_%d", s, i);
	return s;
}

/* Parameters are where the caller says, and so are results without a slot. */
static void
place_arguments(struct emit *e, struct func *f)
{
	const struct op *ret = region_last(&f->body);

	for (int i = 0; i < f->nparam; i++)
		e->place[f->param[i]->id] = e->name[f->param[i]->id];
	for (int i = 0; i < ret->nin; i++) {
		const struct value *v = ret->in[i].v;

		if (!e->place[v->id])
			e->place[v->id] = e->name[v->id] =
			    arena_printf(e->m->mem, "out%d", i);
	}
}

/* What arrives as a result of the function is sent there at once. */
static void
place_futures(struct emit *e, const struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];

		for (int j = 0; op->code == OP_WAIT && j < op->nin; j++) {
			int from = op->in[j].v->id, to = op->out[j]->id;

			if (e->place[from] && !e->place[to]) {
				/* the caller has sent for it */
				e->place[to] = e->place[from];
				e->name[to] = e->name[from];
			}
			if (e->place[from])
				continue;
			e->place[from] = e->place[to];
			e->name[from] = e->name[to];
		}
	}
}

static const char *
signature(struct emit *e, struct func *f)
{
	const struct op *ret = region_last(&f->body);
	struct arena *mem = e->m->mem;
	const char *sig = arena_printf(mem, "struct lt *rt, int64_t %s",
	    emit_mangle(e, "i_", f->index));

	for (int i = 0; i < f->nparam; i++)
		sig = arena_printf(mem, "%s,\n    const %s *%s%s", sig,
		    emit_ctype(value_dtype(f->param[i])),
		    e->name[f->param[i]->id], !f->param[i]->future ? "" :
		    arena_printf(mem, ", lt_token %s",
		    emit_token(e, f->param[i])));
	for (int i = 0; i < ret->nin; i++)
		sig = arena_printf(mem, "%s,\n    %s *out%d%s", sig,
		    emit_ctype(value_dtype(ret->in[i].v)), i,
		    !ret->in[i].v->future ? "" :
		    arena_printf(mem, ", lt_token *token%d", i));
	return sig;
}

static void
ignore_unused(struct emit *e, struct func *f)
{
	if (!f->index)
		return;
	emit_line(e, "(void)%s;", emit_mangle(e, "i_", f->index));
	for (int i = 0; i < f->nparam; i++)
		if (!e->used[f->param[i]->id])
			emit_line(e, "(void)%s;", e->name[f->param[i]->id]);
}

static void
emit_func(struct emit *e, struct func *f)
{
	FILE *out = e->out;
	char *text = NULL;
	size_t size = 0;

	emit_name_values(e, f);
	e->checked = 0;
	if (f->index)
		place_arguments(e, f);
	place_futures(e, &f->body);
	e->out = open_memstream(&text, &size);
	if (!e->out)
		abort();
	e->indent = 1;
	emit_rehearse_func(e, f);
	emit_region(e, &f->body, NULL);
	e->indent = 0;
	emit_rehearse(e, "}\n");
	fclose(e->out);
	e->out = out;
	fprintf(e->out, "static void\n%s(%s)\n{\n", emit_func_name(e, f),
	    f->index ? signature(e, f) : "struct lt *rt");
	e->indent = 1;
	fputs(text, e->out);
	ignore_unused(e, f);
	e->indent = 0;
	fputs("}\n\n", e->out);
	free(text);
}

static void
emit_twice(struct emit *e, struct func *f)
{
	FILE *rehearsal = e->rehearsal;

	if (!emit_rehearses(f))
		e->rehearsal = NULL;
	emit_func(e, f);
	e->rehearsal = rehearsal;
}

static bool
emitted(const struct func *f)
{
	return f->index || strcmp(f->name, "step") == 0 ||
	    strcmp(f->name, "eval") == 0 || strcmp(f->name, "logits") == 0 ||
	    strcmp(f->name, "refresh") == 0;
}

/* Functions that others call come first. */
void
emit_funcs(struct emit *e)
{
	struct module *m = e->m;

	emit_rehearse_open(e);
	for (int called = 1; called >= 0; called--)
		for (int i = 0; i < m->nfunc; i++)
			if (emitted(m->func[i]) &&
			    (m->func[i]->index != NULL) == called)
				emit_twice(e, m->func[i]);
	emit_rehearse_close(e);
}
