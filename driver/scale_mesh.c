/* What a mesh asks of sizes: read off the types of a partitioned copy. */
#include "config.h"

#include <stdlib.h>

#include "driver/scale.h"
#include "passes/pass.h"

struct units {
	struct module *m;
	uint64_t *unit;
};

uint64_t
scale_lcm(uint64_t a, uint64_t b)
{
	uint64_t x = a, y = b;

	while (y) {
		uint64_t t = x % y;

		x = y;
		y = t;
	}
	return a / x * b;
}

static uint64_t
pieces(const struct module *m, const struct dim *d)
{
	uint64_t n = 1;

	for (int i = 0; i < d->n; i++) {
		for (int j = 0; j < d->s[i].n; j++)
			n *= m->axis[d->s[i].c[j].axis].size;
		if (d->s[i].kind == SHARD_ZIGZAG)
			n *= 2;
	}
	return n;
}

static void
see_type(struct units *u, const struct type *t)
{
	for (int i = 0; t && i < t->rank; i++) {
		struct dimdef *d = module_dim(u->m, t->d[i].name);
		uint64_t *unit = &u->unit[d - u->m->dim];

		*unit = scale_lcm(*unit, pieces(u->m, &t->d[i]));
	}
}

static void
see_values(struct units *u)
{
	for (int i = 0; i < u->m->nfunc; i++)
		for (int j = 0; j < u->m->func[i]->nvalue; j++)
			if (u->m->func[i]->value[j])
				see_type(u, u->m->func[i]->value[j]->type);
}

/* Errors are for the one who compiles: here there are just no units. */
static bool
partition(struct module *m)
{
	struct diag quiet = {.src = m->diag->src};
	struct pipeline_options po = {.stop = "partition"};
	char *said = NULL;
	size_t len;
	bool ok;

	quiet.out = open_memstream(&said, &len);
	if (!quiet.out)
		abort();
	m->diag = &quiet;
	ok = pipeline_run(pipeline, m, &po) == PIPELINE_OK;
	fclose(quiet.out);
	free(said);
	return ok;
}

static uint32_t
least_factor(uint32_t n)
{
	uint32_t f = 2;

	while (n % f)
		f++;
	return f;
}

/* The largest axes first; none goes, so partition does what it would. */
void
scale_mesh(struct module *m)
{
	uint64_t ranks = 1;

	for (int i = 0; i < m->naxis; i++)
		ranks *= m->axis[i].size;
	while (ranks > SCALE_RANKS && m->stage == 'a') {
		struct axisdef *most = &m->axis[0];
		uint32_t to;

		for (int i = 1; i < m->naxis; i++)
			if (m->axis[i].size > most->size)
				most = &m->axis[i];
		to = least_factor(most->size);
		if (to == most->size)
			return;
		ranks = ranks / most->size * to;
		most->size = to;
	}
}

void
scale_units(struct module *m, uint64_t *unit)
{
	struct units u = {m, unit};

	for (int i = 0; i < m->ndim; i++)
		unit[i] = 1;
	if (m->naxis == 0)
		return;
	if (m->stage == 'a') {
		u.m = module_clone(m->mem, m);
		if (!partition(u.m))
			return;
	}
	see_values(&u);
}
