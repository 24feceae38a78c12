/* Places of values, fields and slots as C expressions, and their names. */
#include "config.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "codegen/emit.h"
#include "codegen/target.h"
#include "ir/matrix.h"

static const char *const ctypes[DT_COUNT] = {"void", "float", "uint16_t",
	"int32_t", "uint8_t", "uint8_t"};
static const char *const ltypes[DT_COUNT] = {"0", "LT_F32", "LT_BF16",
	"LT_I32", "LT_E4M3", "LT_E5M2"};
static const char *const arenas[ARENA_COUNT] = {"LT_STATE", "LT_KEEP",
	"LT_ACT", "LT_IO", "LT_HOST", "LT_WORK"};

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

void
emit_broken(struct emit *e, const struct op *op, const char *fmt, ...)
{
	char why[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	e->errors++;
	diag_error(e->m->diag, op ? op->at : (struct span){0, 0},
	    "cannot emit C: %s%s%s", op ? op_info[op->code].name : "",
	    op ? ": " : "", why);
}

const char *
emit_mangle(struct emit *e, const char *prefix, const char *name)
{
	char *s = arena_printf(e->m->mem, "%s%s", prefix, name);

	for (char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p))
			*p = '_';
	return s;
}

/* ---- names ---- */

static bool
taken(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Two names of the program can be one after mangling: a number decides. */
static const char *
unique(struct emit *e, const char *const *names, int n, const char *name)
{
	const char *s = name;

	for (int i = 2; taken(names, n, s); i++)
		s = arena_printf(e->m->mem, "%s_%d", name, i);
	return s;
}

static void
name_field(struct emit *e, const struct bundle *b, int field,
    const char *suffix)
{
	struct module *m = e->m;
	struct slot *s = b->over ? NULL : bundle_slot(m, b, field, suffix);
	const char *name;

	if (!s)
		return;
	name = emit_mangle(e, "P_", arena_printf(m->mem, "%s_%s%s", b->name,
	    b->field[field].name, *suffix ? "_bf16" : ""));
	e->macro[s - m->slot] = unique(e, e->macro, m->nslot, name);
}

void
emit_name_fields(struct emit *e)
{
	struct module *m = e->m;

	e->macro = NEW_N(m->mem, const char *, (size_t)m->nslot + 1);
	for (int i = 0; i < m->nbundle; i++)
		for (int j = 0; j < m->bundle[i]->nfield; j++) {
			name_field(e, m->bundle[i], j, "");
			name_field(e, m->bundle[i], j, ".cast");
		}
}

static const char *
place_of(struct emit *e, const struct value *v)
{
	const struct slot *s = v->slot ? module_slot(e->m, v->slot) : NULL;

	return s && (v->type || value_is_image(v)) ? emit_slot_ptr(e, s,
	    v->slot_indexed ? &v->slot_index : NULL, value_dtype(v)) : NULL;
}

void
emit_name_values(struct emit *e, struct func *f)
{
	size_t n = (size_t)f->nvalue + 1;

	e->f = f;
	e->name = NEW_N(e->m->mem, const char *, n);
	e->place = NEW_N(e->m->mem, const char *, n);
	e->used = NEW_N(e->m->mem, bool, n);
	for (int i = 0; i < f->nvalue; i++) {
		const struct value *v = f->value[i];

		if (!v || !v->name || (v->bundle && !value_is_image(v)))
			continue;
		e->name[i] = unique(e, e->name, i,
		    emit_mangle(e, "v_", v->name));
		e->place[i] = place_of(e, v);
	}
}

/* ---- addresses ---- */

/* The sum of an index without its modulo; `pre` begins names of variables. */
const char *
emit_affine_sum(struct emit *e, const struct affine *a, const char *pre)
{
	struct arena *mem = e->m->mem;
	const char *s = "", *sep = "";

	for (int i = 0; i < a->n; i++, sep = " + ") {
		const char *var = emit_mangle(e, pre, a->var[i]);

		s = a->coef[i] == 1 ?
		    arena_printf(mem, "%s%s%s", s, sep, var) :
		    arena_printf(mem, "%s%s%" PRId64 " * %s", s, sep,
		    a->coef[i], var);
	}
	if (a->k < 0 && *s)
		return arena_printf(mem, "%s - %" PRId64, s, -a->k);
	return a->k == 0 && *s ? s :
	    arena_printf(mem, "%s%s%" PRId64, s, sep, a->k);
}

/* Can it be below zero?  Variables never are. */
static bool
may_be_negative(const struct affine *a)
{
	bool less = a->k < 0;

	for (int i = 0; i < a->n; i++)
		less |= a->coef[i] < 0;
	return less;
}

/* Loop variables and layer indices are `i_NAME` in C. */
const char *
emit_affine(struct emit *e, const struct affine *a)
{
	struct arena *mem = e->m->mem;
	const char *s = emit_affine_sum(e, a, "i_");

	if (a->mod <= 0)
		return s;
	if (!may_be_negative(a))
		return arena_printf(mem, strchr(s, ' ') ? "(%s) %% %" PRId64 :
		    "%s %% %" PRId64, s, a->mod);
	return arena_printf(mem, "((%s) %% %" PRId64 " + %" PRId64
	    ") %% %" PRId64, s, a->mod, a->mod, a->mod);
}

const char *
emit_address(struct emit *e, const struct slot *s, const struct affine *index,
    enum dtype dt)
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
emit_slot_ptr(struct emit *e, const struct slot *s,
    const struct affine *index, enum dtype dt)
{
	const char *macro = e->macro[s - e->m->slot];

	if (!macro)
		return emit_address(e, s, index, dt);
	return s->count == 1 ? macro : arena_printf(e->m->mem, "%s(%s)", macro,
	    index ? emit_affine(e, index) : "0");
}

const char *
emit_field_ptr(struct emit *e, const struct bundle *b, int field,
    const struct affine *index, enum dtype dt)
{
	struct module *m = e->m;
	const char *suffix = dt == (enum dtype)b->dtype ? "" : ".cast";
	const struct slot *s = bundle_slot(m, b, field, suffix);

	if (bundle_is_image(m, b))
		return emit_image_field(e, b, field, index);
	if (s)
		return emit_slot_ptr(e, s, index, dt);
	emit_broken(e, NULL, "%s.%s%s has no place", b->name,
	    b->field[field].name, suffix);
	return "NULL";
}

const char *
emit_value_ptr(struct emit *e, const struct value *v)
{
	if (e->place[v->id] && e->name[v->id]) {
		e->used[v->id] = true;
		return e->name[v->id];
	}
	emit_broken(e, NULL, "fn %s: %s has no place", e->f->name,
	    v->name ? v->name : "a result");
	return "NULL";
}

const char *
emit_place_at(struct emit *e, const struct value *v,
    const struct affine *index)
{
	const struct slot *s = v->slot ? module_slot(e->m, v->slot) : NULL;

	return s && v->slot_indexed ? emit_slot_ptr(e, s, index,
	    value_dtype(v)) : e->place[v->id];
}

static const char *
image_field(struct emit *e, const struct value *v, int field)
{
	return arena_printf(e->m->mem, "(%s + %" PRIu64 ")",
	    emit_value_ptr(e, v), bundle_image_at(e->m, v->bundle, field));
}

enum dtype
emit_arg_dtype(struct emit *e, const struct arg *a)
{
	if (!arg_is_master(e->m, a))
		return (enum dtype)arg_type(e->m, a)->dtype;
	if (e->to->gpu)
		emit_broken(e, NULL, "GPUs do not round %s.%s as they read it: "
		    "plan it for them, or with copies = all",
		    a->v->bundle->name, a->v->bundle->field[a->field].name);
	return (enum dtype)a->v->bundle->dtype;
}

const char *
emit_arg_ptr(struct emit *e, const struct arg *a)
{
	const struct op *params;

	switch (a->kind) {
	case ARG_VALUE:
		return emit_value_ptr(e, a->v);
	case ARG_FIELD:
		if (value_is_image(a->v))
			return image_field(e, a->v, a->field);
		params = a->v->def;
		return emit_field_ptr(e, a->v->bundle, a->field,
		    params->in[0].indexed ? &params->in[0].index : NULL,
		    emit_arg_dtype(e, a));
	default:
		return emit_field_ptr(e, a->b, a->field,
		    a->indexed ? &a->index : NULL, (enum dtype)a->b->dtype);
	}
}

const char *
emit_result_ptr(struct emit *e, const struct op *op, int out)
{
	return op->has_target && out == 0 ? emit_arg_ptr(e, &op->target) :
	    emit_value_ptr(e, op->out[out]);
}
