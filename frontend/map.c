/* Parameters at work: linear maps and row lookup. */
#include "config.h"

#include <ctype.h>
#include <string.h>

#include "frontend/lower.h"

/* Dims that a map takes away are from..to of its type, the others it gives. */
struct ends {
	int from, to, out_from, out_to;
};

static struct ends
ends_of(const struct val *map)
{
	const struct param *p = map->param;
	int n = p->nin, rank = p->type->rank;

	return map->transposed ? (struct ends){n, rank, 0, n}
			       : (struct ends){0, n, n, rank};
}

static const char *
map_text(struct unit *u, const struct val *map)
{
	const struct type *t = map->param->type;
	struct ends e = ends_of(map);

	return arena_printf(u->mem, "%s%s maps %s to %s", map->param->name,
	    map->transposed ? "'" : "", dims_span(u, t, e.from, e.to),
	    dims_span(u, t, e.out_from, e.out_to));
}

static bool
has_dim(const struct type *t, int from, int to, const char *name)
{
	for (int i = from; i < to; i++)
		if (t->d[i].name == name)
			return true;
	return false;
}

/* The dims of the map that x lacks; "" if it has all of them. */
static const char *
missing_dims(struct unit *u, const struct val *map, const struct type *x)
{
	const struct type *t = map->param->type;
	struct ends e = ends_of(map);
	const char *text = "";

	for (int i = e.from; i < e.to; i++)
		if (type_find(x, t->d[i].name) < 0)
			text = arena_printf(u->mem, "%s%s%s", text,
			    *text ? " " : "", t->d[i].name);
	return text;
}

static struct val
bad_argument(struct unit *u, const struct val *map, const struct type *x,
    const struct expr *e)
{
	struct ends m = ends_of(map);
	struct val other = *map;
	struct report r;

	report_open(&r, u->d, DIAG_MAP_INPUT, e->args->value->at,
	    "%s, but its argument is %s", map_text(u, map), dims_text(u, x));
	report_label(&r, map->param->decl->at, "declared here");
	other.transposed = !map->transposed;
	if (!*missing_dims(u, &other, x))
		report_help(&r, "the transposed map fits: %s%s(...)",
		    map->param->name, other.transposed ? "'" : "");
	else if (m.to - m.from > 1)
		report_help(&r, "missing %s", missing_dims(u, map, x));
	report_close(&r);
	return val_error();
}

/* x with the dims the map takes replaced by those it gives, in place. */
static bool
mapped_type(struct unit *u, const struct val *map, const struct type *x,
    const struct expr *e, struct type *out)
{
	const struct type *t = map->param->type;
	struct ends m = ends_of(map);
	bool placed = false;

	*out = (struct type){.dtype = x->dtype};
	for (int i = 0; i < x->rank; i++) {
		bool taken = has_dim(t, m.from, m.to, x->d[i].name);

		for (int j = m.out_from; taken && !placed && j < m.out_to; j++)
			if (out->rank < MAX_RANK)
				out->d[out->rank++] = t->d[j];
		placed |= taken;
		if (!taken && has_dim(t, m.out_from, m.out_to, x->d[i].name)) {
			diag_report(u->d, DIAG_MAP_OUTPUT, e->at,
			    "%s, but its argument %s has dim %s already",
			    map_text(u, map), dims_text(u, x), x->d[i].name);
			return false;
		}
		if (!taken && out->rank < MAX_RANK)
			out->d[out->rank++] = x->d[i];
	}
	if (x->rank - (m.to - m.from) + m.out_to - m.out_from <= MAX_RANK)
		return true;
	diag_report(u->d, DIAG_RANK, e->at, "result of more than %d dims",
	    MAX_RANK);
	return false;
}

/* wq gives q, head gives head. */
static const char *
result_name(const struct param *p)
{
	return p->name[0] == 'w' && isalpha((unsigned char)p->name[1])
	    ? p->name + 1 : p->name;
}

struct val
apply_map(struct unit *u, const struct val *map, struct val x,
    const struct expr *e)
{
	struct type out;
	struct op *op;

	x = as_tensor(u, x, e->args->value->at);
	if (x.kind == VAL_ERROR)
		return x;
	if (x.type->dtype == DT_I32) {
		struct report r;

		report_open(&r, u->d, DIAG_MAP_INPUT, e->args->value->at,
		    "a map works on numbers, not on indices %s",
		    dims_text(u, x.type));
		report_help(&r, "%s[...] looks rows up", map->param->name);
		report_close(&r);
		return val_error();
	}
	if (*missing_dims(u, map, x.type))
		return bad_argument(u, map, x.type, e);
	if (!mapped_type(u, map, x.type, e, &out))
		return val_error();
	op = emit(u, OP_DOT, 2, e->at);
	op->in[0] = emit_arg(u, &x, e->at);
	op->in[1] = param_arg(u, map->param, e->at);
	return emit_result(u, op, type_intern(u->m, &out),
	    result_name(map->param));
}

/* Positions must fit the table; tokens are checked when they are read. */
static bool
rows_fit(struct unit *u, const struct val *table, const struct val *index,
    const struct expr *e)
{
	const char *row = table->param->type->d[0].name;
	const struct op *def = index->arg.kind == ARG_VALUE
	    ? index->arg.v->def : NULL;
	const char *dim = index->type->d[0].name;
	struct report r;

	if (!def || def->code != OP_IOTA || dim_size(u, dim) <= dim_size(u, row))
		return true;
	report_open(&r, u->d, DIAG_LOOKUP, e->at,
	    "positions go to %s = %llu but %s has only %s = %llu rows", dim,
	    (unsigned long long)dim_size(u, dim), table->param->name, row,
	    (unsigned long long)dim_size(u, row));
	report_label(&r, table->param->decl->at, "declared here");
	report_close(&r);
	return false;
}

struct val
lookup(struct unit *u, const struct val *table, struct val index,
    const struct expr *e)
{
	struct op *op;

	if (!table->param->is_map || table->transposed ||
	    table->param->nin != 1) {
		diag_report(u->d, DIAG_LOOKUP, e->at,
		    "rows are looked up in a map from one dim, not in %s",
		    val_text(u, table));
		return val_error();
	}
	index = as_tensor(u, index, e->b->at);
	if (index.kind == VAL_ERROR)
		return index;
	if (index.type->dtype != DT_I32) {
		diag_report(u->d, DIAG_LOOKUP, e->b->at,
		    "an index is tokens or iota, not %s",
		    val_text(u, &index));
		return val_error();
	}
	if (!rows_fit(u, table, &index, e))
		return val_error();
	op = emit(u, OP_EMBED, 2, e->at);
	op->in[0] = param_arg(u, table->param, e->at);
	op->in[1] = emit_arg(u, &index, e->at);
	return emit_result(u, op, NULL, "x");
}
