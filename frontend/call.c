/* Calls: of maps, blocks and built-ins. */
#include "config.h"

#include "frontend/lower.h"

static bool
count_args(struct unit *u, const struct expr *e, const char *what, int want)
{
	int n = 0;

	for (const struct actual *a = e->args; a; a = a->next, n++)
		if (a->name) {
			diag_report(u->d, DIAG_UNKNOWN_OPTION, a->at,
			    "%s takes no options, got '%s'", what, a->name);
			return false;
		}
	if (n == want)
		return true;
	diag_report(u->d, DIAG_ARGUMENTS, e->at, "%s takes %d argument%s, got "
	    "%d", what, want, want == 1 ? "" : "s", n);
	return false;
}

/* The argument's dims must be the parameter's; names of dims are global. */
static struct val
check_formal(struct unit *u, const struct formal *f, struct val v,
    struct span at)
{
	struct type t = {0};
	struct report r;

	v = as_tensor(u, v, at);
	if (!dims_resolve(u, &f->dims, &t) || v.kind == VAL_ERROR)
		return val_error();
	t.dtype = v.type->dtype;
	if (type_intern(u->m, &t) == v.type)
		return v;
	report_open(&r, u->d, DIAG_BLOCK_ARGUMENT, at,
	    "'%s' is %s, but the argument is %s", f->id.name,
	    dims_text(u, &t), dims_text(u, v.type));
	report_label(&r, f->at, "declared here");
	report_close(&r);
	return val_error();
}

/* Arguments are evaluated where the call is, bound where the block is. */
static bool
bind_arguments(struct unit *u, const struct sym *s, const struct expr *e)
{
	struct val v[64];
	const struct actual *a = e->args;
	int n = 0;

	for (const struct formal *f = s->block->formal.first; f && n < 64;
	    f = f->next, a = a->next)
		v[n++] = lower_with_hint(u, a->value, f->id.name);
	u->env = s->env;
	name_push(u, (struct sym){.kind = SYM_BLOCK, .name = s->name,
	    .at = s->at, .block = s->block, .env = s->env});
	u->level++;
	a = e->args;
	n = 0;
	for (const struct formal *f = s->block->formal.first; f && n < 64;
	    f = f->next, a = a->next) {
		v[n] = check_formal(u, f, v[n], a->value->at);
		if (name_is_new(u, &f->id, SYM_VALUE))
			name_push(u, (struct sym){.kind = SYM_VALUE,
			    .name = f->id.name, .at = f->id.at, .val = v[n]});
		n++;
	}
	return true;
}

static bool
may_call(struct unit *u, const struct sym *s, const struct expr *e)
{
	if (too_many(u, e->at))
		return false;
	if (s->block->active) {
		diag_report(u->d, DIAG_RECURSION, e->at,
		    "block '%s' calls itself", s->name);
		return false;
	}
	if (s->block->formal.n > 64) {
		diag_report(u->d, DIAG_ARGUMENTS, s->at,
		    "block '%s' has more than 64 inputs", s->name);
		return false;
	}
	return count_args(u, e, s->name, s->block->formal.n);
}

struct val
call_block(struct unit *u, const struct sym *s, const struct expr *e)
{
	const struct sym *env = u->env;
	const char *path = u->path;
	int level = u->level;
	struct val v;

	s->block->called = true;
	if (!may_call(u, s, e))
		return val_error();
	bind_arguments(u, s, e);
	s->block->active = true;
	u->path = fresh_name(u, &u->frame->paths, join_path(u, path, s->name),
	    2);
	v = lower_body(u, s->block->body);
	s->block->active = false;
	u->env = env;
	u->path = path;
	u->level = level;
	if (v.kind == VAL_TUPLE && v.nitem == 1)
		return v.item[0];
	return v;
}

static struct val
call_value(struct unit *u, const struct expr *e)
{
	struct val map = lower_with_hint(u, e->a, NULL);
	struct val x = val_error();

	for (const struct actual *a = e->args; a; a = a->next)
		x = lower_with_hint(u, a->value, NULL);
	if (map.kind == VAL_ERROR)
		return map;
	if (map.kind != VAL_PARAM || !map.param->is_map) {
		struct report r;

		report_open(&r, u->d, DIAG_NOT_MAP, e->a->at,
		    "only maps and blocks can be called, not %s",
		    val_text(u, &map));
		if (map.kind == VAL_PARAM)
			report_help(&r, "a map has an arrow: %s : %s -> ...",
			    map.param->name, dims_span(u, map.param->type, 0,
			    map.param->type->rank));
		report_close(&r);
		return val_error();
	}
	if (!count_args(u, e, map.param->name, 1))
		return val_error();
	return apply_map(u, &map, x, e);
}

static struct val
unknown_function(struct unit *u, const struct expr *e)
{
	for (const struct actual *a = e->args; a; a = a->next)
		if (a->value->kind != EXPR_NAME || !a->name)
			lower_with_hint(u, a->value, NULL);
	unknown_name(u, e->a->name, e->a->at);
	return val_error();
}

struct val
lower_call(struct unit *u, const struct expr *e)
{
	const struct builtin *b;
	const struct sym *s;

	if (e->a->kind != EXPR_NAME)
		return call_value(u, e);
	s = name_find(u, e->a->name,
	    1u << SYM_VALUE | 1u << SYM_PARAM | 1u << SYM_BLOCK);
	if (s && s->kind == SYM_BLOCK)
		return call_block(u, s, e);
	if (s)
		return call_value(u, e);
	b = builtin_find(e->a->name);
	return b ? lower_builtin(u, b, e) : unknown_function(u, e);
}
