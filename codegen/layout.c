/*
 * Layouts at run time: a table for each way a dim is cut, and the runs of
 * global indices that a rank has of it.
 *
 *	s/zz(co,ci)/hp      l_s_zz_co_ci_hp
 *	s/zz(co-j,ci-i)     lt_runs(rt, &l_s_zz_co_ci, (const int64_t[]){-i_j, -i_i})
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/layout.h"

static const char *
layout_name(struct emit *e, const struct dim *d)
{
	struct arena *mem = e->m->mem;
	const char *s = d->name;

	for (int i = 0; i < d->n; i++) {
		if (d->s[i].kind == SHARD_ZIGZAG)
			s = arena_printf(mem, "%s_zz", s);
		if (d->s[i].kind == SHARD_PART)
			s = arena_printf(mem, "%s_%uto%u", s,
			    (unsigned)d->s[i].from, (unsigned)d->s[i].to);
		for (int j = 0; j < d->s[i].n; j++)
			s = arena_printf(mem, "%s_%s", s,
			    e->m->axis[d->s[i].c[j].axis].name);
	}
	return emit_mangle(e, "l_", s);
}

static const char *const shard_name[] = {"LT_BLOCK", "LT_ZIGZAG", "LT_PART"};

void
emit_layout_value(struct emit *e, FILE *out, const struct dim *d)
{
	fprintf(out, "{.size = %" PRIu64 ", .n = %d",
	    module_dim(e->m, d->name)->size, d->n);
	for (int i = 0; i < d->n; i++) {
		fprintf(out, "%s{%s, %d, {", i ? ", " : ",\n\t.s = {",
		    shard_name[d->s[i].kind], d->s[i].n);
		for (int j = 0; j < d->s[i].n; j++)
			fprintf(out, "%s%d", j ? ", " : "",
			    d->s[i].c[j].axis);
		if (d->s[i].kind == SHARD_PART)
			fprintf(out, "0}, %u, %u}", (unsigned)d->s[i].from,
			    (unsigned)d->s[i].to);
		else
			fputs("}}", out);
	}
	fputs(d->n ? "}}" : "}", out);
}

/* The same axes in the same places, whatever the skew. */
static bool
cut_alike(const struct dim *a, const struct dim *b)
{
	if (a->name != b->name || a->n != b->n)
		return false;
	for (int i = 0; i < a->n; i++) {
		if (a->s[i].kind != b->s[i].kind || a->s[i].n != b->s[i].n ||
		    a->s[i].from != b->s[i].from || a->s[i].to != b->s[i].to)
			return false;
		for (int j = 0; j < a->s[i].n; j++)
			if (a->s[i].c[j].axis != b->s[i].c[j].axis)
				return false;
	}
	return true;
}

const char *
emit_layout(struct emit *e, const struct dim *d)
{
	const char *name = layout_name(e, d);

	for (int i = 0; i < e->nlayout; i++) {
		if (cut_alike(e->layout[i].dim, d))
			return e->layout[i].name;
		if (strcmp(e->layout[i].name, name) == 0)
			name = arena_printf(e->m->mem, "%s_%d", name,
			    e->nlayout);
	}
	if (e->nlayout == EMIT_LAYOUTS) {
		emit_broken(e, NULL, "more than %d layouts", EMIT_LAYOUTS);
		return name;
	}
	e->layout[e->nlayout].dim = d;
	e->layout[e->nlayout++].name = name;
	fprintf(e->tables, "static const struct lt_layout %s = ", name);
	emit_layout_value(e, e->tables, d);
	fputs(";\n", e->tables);
	return name;
}

/* k and the loop variables of one coordinate, as C; NULL: no skew. */
static const char *
skew_of(struct emit *e, const struct coord *c)
{
	struct affine a = {.k = c->k};

	for (int i = 0; i < e->nloop; i++)
		if (c->lin[i]) {
			a.var[a.n] = e->loop[i];
			a.coef[a.n++] = c->lin[i];
		}
	return a.n || a.k ? emit_affine_sum(e, &a, "i_") : NULL;
}

const char *
emit_runs(struct emit *e, const struct dim *d)
{
	const char *list = "", *sep = "";
	bool skewed = false;

	for (int i = 0; i < d->n; i++)
		for (int j = 0; j < d->s[i].n; j++) {
			const char *s = skew_of(e, &d->s[i].c[j]);

			skewed |= s != NULL;
			list = arena_printf(e->m->mem, "%s%s%s", list, sep,
			    s ? s : "0");
			sep = ", ";
		}
	return arena_printf(e->m->mem, skewed ?
	    "lt_runs(rt, &%s, (const int64_t[]){%s})" :
	    "lt_runs(rt, &%s, NULL)", emit_layout(e, d), list);
}
