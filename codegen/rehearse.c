/*
 * The moves of a program for CPUs, by themselves: each function once more, with
 * what it starts and finishes in its loops and conditions, and nothing else.
 * A run goes through them before the first step (runtime/main/rehearse.h), for
 * functions that compute cannot be tried.  On a GPU they can.
 *
 *	static void
 *	r_layer(struct lt *rt, int64_t i_l)
 *	{
 *		(void)i_l;
 *		lt_finish(rt, lt_start(rt, &moves[M_layer_qA], 1,
 *		    (const struct lt_pair[]){{NULL, NULL, 16384}}));
 *	}
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/host.h"
#include "codegen/target.h"

static void
put(FILE *out, int indent, const char *fmt, va_list args)
{
	for (int i = 0; i < indent; i++)
		fputc('\t', out);
	vfprintf(out, fmt, args);
	fputc('\n', out);
}

void
emit_rehearse(struct emit *e, const char *fmt, ...)
{
	va_list args;

	if (!e->rehearsal)
		return;
	va_start(args, fmt);
	put(e->rehearsal, e->indent, fmt, args);
	va_end(args);
}

void
emit_both(struct emit *e, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put(e->out, e->indent, fmt, args);
	va_end(args);
	if (!e->rehearsal)
		return;
	va_start(args, fmt);
	put(e->rehearsal, e->indent, fmt, args);
	va_end(args);
}

static bool
has_moves(const struct region *r)
{
	for (int i = 0; i < r->n; i++)
		if (emit_moves(r->op[i]))
			return true;
	return false;
}

bool
emit_moves(const struct op *op)
{
	bool any = op_info[op->code].group == GROUP_COMM ||
	    op->code == OP_WAIT;

	for (int i = 0; i < op->nin; i++)
		any |= op->in[i].v && op->in[i].v->future;
	for (int i = 0; i < op->nout; i++)
		any |= op->out[i]->future;
	return any || has_moves(&op->body) ||
	    (op->code == OP_CALL && has_moves(&op->callee->body));
}

/* ---- functions ---- */

/* Entries are there even if they move nothing. */
bool
emit_rehearses(const struct func *f)
{
	return f->index ? has_moves(&f->body) :
	    strcmp(f->name, "refresh") != 0;
}

const char *
emit_rehearse_name(struct emit *e, const struct func *f)
{
	return arena_printf(e->m->mem, "r%s", emit_func_name(e, f) + 1);
}

static const char *
signature(struct emit *e, const struct func *f)
{
	const struct op *ret = region_last(&f->body);
	const char *sig = "struct lt *rt";

	if (!f->index)
		return sig;
	sig = arena_printf(e->m->mem, "%s, int64_t %s", sig,
	    emit_mangle(e, "i_", f->index));
	for (int i = 0; i < f->nparam; i++)
		if (f->param[i]->future)
			sig = arena_printf(e->m->mem, "%s, lt_token %s", sig,
			    emit_token(e, f->param[i]));
	for (int i = 0; i < ret->nin; i++)
		if (ret->in[i].v->future)
			sig = arena_printf(e->m->mem, "%s, lt_token *token%d",
			    sig, i);
	return sig;
}

void
emit_rehearse_func(struct emit *e, const struct func *f)
{
	FILE *out = e->rehearsal;

	if (!out)
		return;
	fprintf(out, "static void\n%s(%s)\n{\n", emit_rehearse_name(e, f),
	    signature(e, f));
	if (f->index)
		fprintf(out, "\t(void)%s;\n", emit_mangle(e, "i_", f->index));
	if (!has_moves(&f->body))
		fputs("\t(void)rt;\n", out);
}

void
emit_rehearse_call(struct emit *e, const struct op *op)
{
	const char *args = "rt";
	struct arena *mem = e->m->mem;

	if (!emit_moves(op))
		return;
	if (op->indexed)
		args = arena_printf(mem, "%s, %s", args,
		    emit_affine(e, &op->index));
	for (int i = 0; i < op->nin; i++)
		if (op->in[i].v->future)
			args = arena_printf(mem, "%s, %s", args,
			    emit_token(e, op->in[i].v));
	for (int i = 0; i < op->nout; i++)
		if (op->out[i]->future)
			args = arena_printf(mem, "%s, &%s", args,
			    emit_token(e, op->out[i]));
	emit_rehearse(e, "%s(%s);", emit_rehearse_name(e, op->callee), args);
}

/* ---- the whole ---- */

void
emit_rehearse_open(struct emit *e)
{
	if (e->to->gpu || !e->m->naxis)
		return;
	e->rehearsal = open_memstream(&e->rehearsed, &e->rehearsed_size);
	if (!e->rehearsal)
		abort();
}

/* Behind the functions of the program, if these move anything. */
void
emit_rehearse_close(struct emit *e)
{
	static const char *const entry[] = {"step", "eval", "logits"};

	if (!e->rehearsal)
		return;
	fclose(e->rehearsal);
	e->rehearsal = NULL;
	if (e->nmove) {
		fputs("/* The moves of these functions, by themselves. */\n",
		    e->out);
		fputs(e->rehearsed, e->out);
		fputs("static void\nrehearse(struct lt *rt)\n{\n", e->out);
		for (size_t i = 0; i < sizeof entry / sizeof *entry; i++)
			if (module_func(e->m, module_namez(e->m, entry[i])))
				fprintf(e->out, "\tr_%s(rt);\n", entry[i]);
		fputs("}\n\n", e->out);
	}
	free(e->rehearsed);
	e->rehearses = e->nmove > 0;
}
