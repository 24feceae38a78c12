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
#include "ir/group.h"

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

static uint64_t
bytes_of(struct emit *e, const struct value *v)
{
	return type_local_bytes(e->m, v->type);
}

static void
copy_if_moved(struct emit *e, const char *to, const char *from, uint64_t bytes)
{
	if (strcmp(to, from) != 0)
		emit_line(e, "memcpy(%s, %s, %" PRIu64 ");", to, from, bytes);
}

/* ---- single ops ---- */

static void
emit_nothing(struct emit *e, const struct op *op)
{
	(void)e;
	(void)op;
}

static void
emit_zeros(struct emit *e, const struct op *op)
{
	emit_line(e, "memset(%s, 0, %" PRIu64 ");", emit_result_ptr(e, op),
	    bytes_of(e, op->out[0]));
}

static void
emit_neginf(struct emit *e, const struct op *op)
{
	emit_line(e, "lt_set(rt->pool, %s, -INFINITY, %" PRIu64 ");",
	    emit_result_ptr(e, op), type_local_count(e->m, op->out[0]->type));
}

static void
emit_iota(struct emit *e, const struct op *op)
{
	emit_line(e, "lt_iota(%s, %" PRIu64 ");", emit_result_ptr(e, op),
	    type_local_count(e->m, op->out[0]->type));
}

static void
emit_take(struct emit *e, const struct op *op)
{
	e->ptr[op->out[0]->id] = arena_printf(e->m->mem,
	    "(%s + (size_t)(%s) * %" PRIu64 ")", emit_arg_ptr(e, &op->in[0]),
	    emit_affine(e, &op->index),
	    type_local_count(e->m, op->out[0]->type));
}

static void
emit_pick(struct emit *e, const struct op *op)
{
	const struct type *t = op->in[0].v->type;
	int i = type_find(t, op_dim(op, ATTR_OVER));
	uint64_t outer = 1, inner = dtype_size[t->dtype];
	uint64_t n = dim_local_size(e->m, &t->d[i]);

	for (int j = 0; j < i; j++)
		outer *= dim_local_size(e->m, &t->d[j]);
	for (int j = i + 1; j < t->rank; j++)
		inner *= dim_local_size(e->m, &t->d[j]);
	emit_line(e, "for (long i = 0; i < %" PRIu64 "; i++)", outer);
	emit_line(e, "\tmemcpy((char *)%s + i * %" PRIu64 ", (const char *)%s "
	    "+ (i * %" PRIu64 " + (long)rt->at) * %" PRIu64 ", %" PRIu64 ");",
	    emit_result_ptr(e, op), inner, emit_arg_ptr(e, &op->in[0]), n,
	    inner, inner);
}

static uint64_t
table_width(struct emit *e, const struct type *t)
{
	return type_local_count(e->m, t) / dim_local_size(e->m, &t->d[0]);
}

static void
emit_embed(struct emit *e, const struct op *op)
{
	const struct type *t = arg_type(e->m, &op->in[0]);

	emit_line(e, "lt_embed(rt->pool, %" PRIu64 ", %" PRIu64 ", %s, %s, %s);",
	    type_local_count(e->m, op->in[1].v->type),
	    table_width(e, t) * dtype_size[t->dtype],
	    emit_arg_ptr(e, &op->in[0]), emit_arg_ptr(e, &op->in[1]),
	    emit_result_ptr(e, op));
}

static void
emit_embed_bwd(struct emit *e, const struct op *op)
{
	const struct type *t = op->out[0]->type;

	if (!op->target_add)
		emit_zeros(e, op);
	emit_line(e, "lt_embed_bwd(rt->pool, %" PRIu64 ", %" PRIu64 ", %" PRIu64
	    ", %s, %s, %s, %s);", type_local_count(e->m, op->in[1].v->type),
	    dim_local_size(e->m, &t->d[0]), table_width(e, t),
	    emit_ltype(op->in[0].v->type->dtype), emit_arg_ptr(e, &op->in[0]),
	    emit_arg_ptr(e, &op->in[1]), emit_result_ptr(e, op));
}

static void
emit_count(struct emit *e, const struct op *op)
{
	emit_line(e, "*%s = lt_count(%" PRIu64 ", %s, %" PRId64 ");",
	    emit_result_ptr(e, op),
	    type_local_count(e->m, op->in[0].v->type),
	    emit_arg_ptr(e, &op->in[0]), op_int(op, ATTR_IGNORE));
}

static void
emit_recip(struct emit *e, const struct op *op)
{
	const char *x = emit_arg_ptr(e, &op->in[0]);

	emit_line(e, "*%s = *%s != 0 ? 1 / *%s : 0;", emit_result_ptr(e, op),
	    x, x);
}

static void
emit_clip(struct emit *e, const struct op *op)
{
	const char *x = emit_arg_ptr(e, &op->in[0]);
	double max = op_real(op, ATTR_MAX);

	if (max <= 0)
		emit_line(e, "*%s = 1;", emit_result_ptr(e, op));
	else
		emit_line(e, "*%s = *%s > (float)%a ? (float)%a / *%s : 1;",
		    emit_result_ptr(e, op), x, max, max, x);
}

static uint64_t
layers_of(const struct module *m, const struct bundle *b)
{
	return b->stack ? module_dim(m, b->stack)->size : 1;
}

/* Elements an argument @b, @b[l] or @b.field covers in one field. */
static uint64_t
field_count(struct emit *e, const struct arg *a, int field)
{
	uint64_t n = type_local_count(e->m, a->b->field[field].type);

	return a->indexed ? n : n * layers_of(e->m, a->b);
}

static const char *
arg_field_ptr(struct emit *e, const struct arg *a, int field, enum dtype dt)
{
	return emit_field_ptr(e, a->b, field, a->indexed ? &a->index : NULL,
	    dt);
}

static void
emit_zero(struct emit *e, const struct op *op)
{
	for (int i = 0; i < op->nin; i++) {
		const struct arg *a = &op->in[i];
		bool one = a->kind == ARG_BUNDLE_FIELD;

		for (int j = one ? a->field : 0;
		    j < (one ? a->field + 1 : a->b->nfield); j++)
			emit_line(e, "lt_set(rt->pool, %s, 0, %" PRIu64 ");",
			    arg_field_ptr(e, a, j, DT_F32),
			    field_count(e, a, j));
	}
}

static void
emit_sumsq(struct emit *e, const struct op *op)
{
	emit_line(e, "{");
	e->indent++;
	emit_line(e, "double sum = 0;");
	for (int i = 0; i < op->nin; i++)
		for (int j = 0; j < op->in[i].b->nfield; j++)
			emit_line(e, "sum += lt_sumsq(rt, %" PRIu64 ", %s);",
			    field_count(e, &op->in[i], j),
			    arg_field_ptr(e, &op->in[i], j, DT_F32));
	emit_line(e, "*%s = (float)sum;", emit_result_ptr(e, op));
	e->indent--;
	emit_line(e, "}");
}

/* Before the first update: nothing changes if the step is not finite. */
static void
emit_check(struct emit *e)
{
	const struct op *ret = region_last(&e->f->body);

	if (e->checked || ret->nin < 2)
		return;
	e->checked = true;
	for (int i = 0; i < 2; i++)
		if (!ret->in[i].v->def)
			return;
	emit_line(e, "if (!lt_step_ok(rt, *%s, *%s))",
	    emit_arg_ptr(e, &ret->in[0]), emit_arg_ptr(e, &ret->in[1]));
	emit_line(e, "\treturn;");
}

static bool
has_cast(struct emit *e, const struct bundle *b)
{
	return module_slot(e->m, module_namez(e->m, arena_printf(e->m->mem,
	    "%s.%s.cast", b->name, b->field[0].name))) != NULL;
}

static void
emit_adamw(struct emit *e, const struct op *op)
{
	const struct arg *a = op->in;

	if (!e->f->index)
		emit_check(e);
	for (int j = 0; j < a[0].b->nfield; j++) {
		emit_line(e, "lt_adamw(rt, %" PRIu64 ", %s,",
		    field_count(e, &a[0], j),
		    arg_field_ptr(e, &a[0], j, DT_F32));
		emit_line(e, "    %s, %s, %s,",
		    arg_field_ptr(e, &a[1], j, DT_F32),
		    arg_field_ptr(e, &a[2], j, DT_F32),
		    arg_field_ptr(e, &a[3], j, DT_F32));
		emit_line(e, "    %s, %s, %s);", has_cast(e, a[0].b) ?
		    arg_field_ptr(e, &a[0], j, DT_BF16) : "NULL",
		    op->nin > 4 ? arena_printf(e->m->mem, "*%s",
		    emit_arg_ptr(e, &a[4])) : "1",
		    a[0].b->field[j].decay ? "true" : "false");
	}
}

static void
emit_accum(struct emit *e, const struct op *op)
{
	const struct type *t = op->out[0]->type;

	emit_line(e, "lt_accum(rt->pool, %" PRIu64 ", %s, %s, %s, %s);",
	    type_local_count(e->m, t),
	    emit_ltype(arg_type(e->m, &op->in[0])->dtype),
	    emit_arg_ptr(e, &op->in[0]), emit_result_ptr(e, op),
	    op->target_add ? "true" : "false");
}

static void emit_region(struct emit *e, struct region *r);

static void
emit_for(struct emit *e, const struct op *op)
{
	uint64_t lo = bound_eval(e->m, &op->lo), hi = bound_eval(e->m, &op->hi);
	struct region body = op->body;

	for (int i = 0; i < op->nin; i++) {
		struct value v = *op->carry[i];

		if (v.slot_indexed) { /* where the first trip reads it */
			v.slot_index = affine_const(affine_eval(&v.slot_index,
			    &op->var, &(int64_t){(int64_t)(op->rev ? hi - 1 :
			    lo)}, 1));
			copy_if_moved(e, emit_value_ptr(e, &v),
			    emit_arg_ptr(e, &op->in[i]), bytes_of(e, &v));
		}
	}
	if (op->rev)
		emit_line(e, "for (int64_t i_%s = %" PRIu64 "; i_%s-- > %" PRIu64
		    ";) {", op->var, hi, op->var, lo);
	else
		emit_line(e, "for (int64_t i_%s = %" PRIu64 "; i_%s < %" PRIu64
		    "; i_%s++) {", op->var, lo, op->var, hi, op->var);
	e->indent++;
	emit_region(e, &body);
	for (int i = 0; i < op->nin; i++) {
		struct value v = *op->carry[i];
		struct affine next = v.slot_index;

		next.k += op->rev ? -1 : 1;
		if (next.mod > 0)
			next.k = (next.k % next.mod + next.mod) % next.mod;
		v.slot_index = next;
		copy_if_moved(e, emit_value_ptr(e, &v), emit_arg_ptr(e,
		    &region_last(&op->body)->in[i]), bytes_of(e, &v));
	}
	e->indent--;
	emit_line(e, "}");
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
		args = arena_printf(mem, "%s,\n\t\t    %s", args,
		    emit_arg_ptr(e, &op->in[i]));
	for (int i = 0; i < op->nout; i++)
		args = arena_printf(mem, "%s,\n\t\t    %s", args,
		    emit_value_ptr(e, op->out[i]));
	emit_line(e, "%s(%s);", emit_func_name(e, op->callee), args);
}

/* Results go straight to their places; what lies elsewhere is copied. */
static void
emit_return(struct emit *e, const struct op *op)
{
	if (strcmp(e->f->name, "step") == 0) {
		emit_line(e, "rt->loss = *%s;", emit_arg_ptr(e, &op->in[0]));
		emit_line(e, "rt->gnorm = *%s;", emit_arg_ptr(e, &op->in[1]));
	} else if (strcmp(e->f->name, "eval") == 0) {
		emit_line(e, "rt->eval_nll += *%s;",
		    emit_arg_ptr(e, &op->in[0]));
		emit_line(e, "rt->eval_count += *%s;",
		    emit_arg_ptr(e, &op->in[1]));
	} else if (e->f->index) {
		for (int i = 0; i < op->nin; i++)
			copy_if_moved(e, arena_printf(e->m->mem, "out%d", i),
			    emit_arg_ptr(e, &op->in[i]),
			    bytes_of(e, op->in[i].v));
	}
}

typedef void (*emit_fn)(struct emit *e, const struct op *op);

static const emit_fn emitters[OP_COUNT] = {
	[OP_CONST] = emit_nothing,
	[OP_ZEROS] = emit_zeros,
	[OP_NEGINF] = emit_neginf,
	[OP_IOTA] = emit_iota,
	[OP_TAKE] = emit_take,
	[OP_PICK] = emit_pick,
	[OP_DOT] = emit_dot,
	[OP_EMBED] = emit_embed,
	[OP_EMBED_BWD] = emit_embed_bwd,
	[OP_SUM] = emit_sum,
	[OP_ATTN] = emit_attn,
	[OP_ATTN_BWD] = emit_attn_bwd,
	[OP_XENT_DOT] = emit_head,
	[OP_XENT_DOT_BWD] = emit_head,
	[OP_LABELS] = emit_count,
	[OP_RECIP] = emit_recip,
	[OP_CLIP] = emit_clip,
	[OP_PARAMS] = emit_nothing,
	[OP_ACCUM] = emit_accum,
	[OP_ZERO] = emit_zero,
	[OP_SUMSQ] = emit_sumsq,
	[OP_ADAMW] = emit_adamw,
	[OP_FOR] = emit_for,
	[OP_CALL] = emit_call,
	[OP_SAVE] = emit_nothing,
	[OP_LOAD] = emit_nothing,
	[OP_YIELD] = emit_nothing,
	[OP_RETURN] = emit_return,
};

/* The statement in short: names only, so nothing can end the comment. */
static const char *
op_text(struct emit *e, const struct op *op)
{
	struct arena *mem = e->m->mem;
	const char *s = "";

	if (op->has_target)
		s = arena_printf(mem, "@%s.%s %s ", op->target.b->name,
		    op->target.b->field[op->target.field].name,
		    op->target_add ? "+=" : "=");
	for (int i = op->has_target; i < op->nout; i++)
		s = arena_printf(mem, "%s%s%s", s, op->out[i]->name,
		    i == op->nout - 1 ? " = " : ", ");
	s = arena_printf(mem, "%s%s", s, op_info[op->code].name);
	for (int i = 0; i < op->nin; i++) {
		const struct arg *a = &op->in[i];
		const char *sep = i ? ", " : " ";

		if (a->kind == ARG_VALUE)
			s = arena_printf(mem, "%s%s%s", s, sep, a->v->name);
		else if (a->kind == ARG_FIELD)
			s = arena_printf(mem, "%s%s%s.%s", s, sep, a->v->name,
			    a->v->bundle->field[a->field].name);
		else
			s = arena_printf(mem, "%s%s@%s", s, sep, a->b->name);
	}
	return s;
}

static void
emit_comment(struct emit *e, struct op *const *op, int n)
{
	for (int i = 0; i < n; i++) {
		const char *text = op_text(e, op[i]);

		emit_line(e, "%s %s%s", i ? " *" : "/*", text,
		    i == n - 1 ? " */" : "");
	}
}

static void
emit_region(struct emit *e, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];
		struct op_list g = {.op = {op}, .n = 1};

		if (op->group >= 0) {
			group_collect(r, i, &g);
			if (g.op[0] != op)
				continue;
		}
		if (emitters[op->code] != emit_nothing)
			emit_comment(e, g.op, g.n);
		if (op->group >= 0)
			emit_kernel(e, g.op, g.n);
		else
			emitters[op->code](e, op);
	}
}

/* ---- functions ---- */

const char *
emit_func_name(struct emit *e, const struct func *f)
{
	char *s = arena_printf(e->m->mem, "f_%s", f->name);

	for (char *p = s; *p; p++)
		if (*p == '.')
			*p = '_';
	return s;
}

static void
emit_func(struct emit *e, struct func *f)
{
	const struct op *ret = region_last(&f->body);
	const char *sig = "struct lt *rt";
	struct arena *mem = e->m->mem;

	e->f = f;
	e->checked = false;
	e->ptr = NEW_N(mem, const char *, (size_t)f->nvalue + 1);
	if (f->index)
		sig = arena_printf(mem, "%s, int64_t i_%s", sig, f->index);
	for (int i = 0; f->index && i < f->nparam; i++) {
		sig = arena_printf(mem, "%s, const %s *v_%s", sig,
		    emit_ctype((enum dtype)f->param[i]->type->dtype),
		    f->param[i]->name);
		e->ptr[f->param[i]->id] =
		    arena_printf(mem, "v_%s", f->param[i]->name);
	}
	for (int i = 0; f->index && i < ret->nin; i++) {
		struct value *v = ret->in[i].v;

		sig = arena_printf(mem, "%s, %s *out%d", sig,
		    emit_ctype((enum dtype)v->type->dtype), i);
		if (!v->slot && !e->ptr[v->id])
			e->ptr[v->id] = arena_printf(mem, "out%d", i);
	}
	fprintf(e->out, "static void\n%s(%s)\n{\n", emit_func_name(e, f), sig);
	e->indent = 1;
	if (f->index)
		emit_line(e, "(void)i_%s;", f->index);
	emit_region(e, &f->body);
	e->indent = 0;
	fputs("}\n\n", e->out);
}

static bool
emitted(const struct func *f)
{
	return f->index || strcmp(f->name, "step") == 0 ||
	    strcmp(f->name, "eval") == 0 || strcmp(f->name, "logits") == 0;
}

static const char prologue[] =
    "#include <math.h>\n"
    "#include <stdint.h>\n"
    "#include <string.h>\n\n"
    "#include \"runtime/loong_rt.h\"\n"
    "#include \"runtime/cpu/pool.h\"\n"
    "#include \"runtime/cpu/gemm.h\"\n"
    "#include \"runtime/cpu/attn.h\"\n"
    "#include \"runtime/cpu/head.h\"\n"
    "#include \"runtime/cpu/rows.h\"\n"
    "#include \"runtime/cpu/act.h\"\n\n"
    "/* A planned place: bytes from the start of an arena. */\n"
    "#define AT(T, arena_id, offset) ((T *)(rt->arena[arena_id] + (offset)))\n"
    "\n";

int
codegen_c(struct module *m, FILE *out)
{
	struct emit e = {.m = m};
	char *host = NULL, *kernels = NULL;
	size_t nhost, nkernels;

	e.out = open_memstream(&host, &nhost);
	e.kernels = open_memstream(&kernels, &nkernels);
	for (int called = 1; called >= 0; called--)
		for (int i = 0; i < m->nfunc; i++)
			if (emitted(m->func[i]) &&
			    (m->func[i]->index != NULL) == called)
				emit_func(&e, m->func[i]);
	emit_refresh(&e);
	emit_tables(&e);
	fclose(e.out);
	fclose(e.kernels);
	fprintf(out, "/* Generated by loongc %s; do not edit. */\n", VERSION);
	fputs(prologue, out);
	fputs(kernels, out);
	fputs(host, out);
	free(host);
	free(kernels);
	return e.errors;
}
