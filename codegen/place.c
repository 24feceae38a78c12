/* Places of values, fields and slots as C expressions. */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "codegen/emit.h"

static const char *const ctypes[DT_COUNT] = {"void", "float", "uint16_t",
	"int32_t"};
static const char *const ltypes[DT_COUNT] = {"0", "LT_F32", "LT_BF16",
	"LT_I32"};
static const char *const arenas[ARENA_COUNT] = {"LT_STATE", "LT_KEEP",
	"LT_ACT", "LT_IO", "LT_WORK"};

const char *
emit_ctype(enum dtype dt)
{
	return ctypes[dt];
}

const char *
emit_ltype(enum dtype dt)
{
	return ltypes[dt];
}

void
emit_line(struct emit *e, const char *fmt, ...)
{
	va_list args;

	for (int i = 0; i < e->indent; i++)
		fputc('\t', e->out);
	va_start(args, fmt);
	vfprintf(e->out, fmt, args);
	va_end(args);
	fputc('\n', e->out);
}

/* Loop variables and layer indices are `i_NAME` in C. */
const char *
emit_affine(struct emit *e, const struct affine *a)
{
	struct arena *mem = e->m->mem;
	const char *s = arena_printf(mem, "%" PRId64, a->k);

	for (int i = 0; i < a->n; i++)
		s = a->coef[i] == 1 && a->k == 0 && i == 0 ?
		    arena_printf(mem, "i_%s", a->var[i]) :
		    arena_printf(mem, "%s + %" PRId64 " * i_%s", s, a->coef[i],
		    a->var[i]);
	if (a->mod > 0)
		s = arena_printf(mem, "(%s) %% %" PRId64, s, a->mod);
	return s;
}

const char *
emit_slot_ptr(struct emit *e, const struct slot *s,
    const struct affine *index, enum dtype dt)
{
	struct arena *mem = e->m->mem;

	if (!index || (index->n == 0 && index->k == 0))
		return arena_printf(mem, "AT(%s, %s, %" PRIu64 ")", ctypes[dt],
		    arenas[s->arena], s->offset);
	return arena_printf(mem, "AT(%s, %s, %" PRIu64 " + (size_t)(%s) * %"
	    PRIu64 ")", ctypes[dt], arenas[s->arena], s->offset,
	    emit_affine(e, index), s->stride);
}

const char *
emit_field_ptr(struct emit *e, const struct bundle *b, int field,
    const struct affine *index, enum dtype dt)
{
	struct module *m = e->m;
	const char *name = module_namez(m, arena_printf(m->mem,
	    dt == (enum dtype)b->dtype ? "%s.%s" : "%s.%s.cast", b->name,
	    b->field[field].name));

	return emit_slot_ptr(e, module_slot(m, name), index, dt);
}

const char *
emit_value_ptr(struct emit *e, const struct value *v)
{
	if (e->ptr[v->id])
		return e->ptr[v->id];
	if (v->slot)
		return emit_slot_ptr(e, module_slot(e->m, v->slot),
		    v->slot_indexed ? &v->slot_index : NULL,
		    (enum dtype)v->type->dtype);
	return arena_printf(e->m->mem, "v_%s", v->name ? v->name : "none");
}

const char *
emit_arg_ptr(struct emit *e, const struct arg *a)
{
	const struct op *params;

	switch (a->kind) {
	case ARG_VALUE:
		return emit_value_ptr(e, a->v);
	case ARG_FIELD:
		params = a->v->def;
		return emit_field_ptr(e, a->v->bundle, a->field,
		    params->in[0].indexed ? &params->in[0].index : NULL,
		    (enum dtype)a->v->dtype);
	default:
		return emit_field_ptr(e, a->b, a->field,
		    a->indexed ? &a->index : NULL, (enum dtype)a->b->dtype);
	}
}

const char *
emit_result_ptr(struct emit *e, const struct op *op)
{
	return op->has_target ? emit_arg_ptr(e, &op->target) :
	    emit_value_ptr(e, op->out[0]);
}
