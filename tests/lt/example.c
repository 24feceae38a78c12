#include "config.h"

#include "tests/lt/example.h"

#include <check.h>
#include <stdlib.h>

const char *const example_name[EXAMPLES] = {
	"docs", "gpt2", "llama", "mistral", "mix", "qwen3",
};

static double *
widen(struct arena *mem, const int32_t *x, size_t n)
{
	double *y = NEW_N(mem, double, n);

	for (size_t i = 0; i < n; i++)
		y[i] = x[i];
	return y;
}

void
example_open(struct example *x, const char *name,
    const struct frontend_options *o)
{
	const char *dir = getenv("srcdir");
	int32_t tok[128], lab[128], doc[128];
	char path[4096];
	size_t n;

	snprintf(path, sizeof path, "tests/golden/%s.lt", name);
	x->m = load_file(&x->l, path, o);
	ck_assert_ptr_nonnull(x->m);
	snprintf(path, sizeof path, "%s/tests/golden/%s.golden",
	    dir ? dir : ".", name);
	x->g = golden_read(path);
	ck_assert_ptr_nonnull(x->g);
	n = x->g->b * x->g->s;
	ck_assert_uint_le(n, COUNT_OF(tok));
	golden_inputs(x->g->b, x->g->s, x->g->v, tok, lab, doc);
	x->arg[0] = widen(&x->l.mem, tok, n);
	x->arg[1] = widen(&x->l.mem, lab, n);
	x->arg[2] = widen(&x->l.mem, doc, n);
}

void
example_close(struct example *x)
{
	golden_free(x->g);
	load_free(&x->l);
}

static void
set_field(const struct bundle *b, int field, struct interp *in,
    struct arena *mem)
{
	uint64_t n = interp_count(in, b, field);
	double *w = NEW_N(mem, double, n);
	const char *name = arena_printf(mem, "%s.%s", b->path,
	    b->field[field].name);

	for (uint64_t k = 0; k < n; k++)
		w[k] = golden_weight(name, k);
	interp_set(in, b, field, w);
}

void
example_weights(const struct module *m, struct interp *in, struct arena *mem)
{
	for (int i = 0; i < m->nbundle; i++)
		for (int j = 0; j < m->bundle[i]->nfield &&
		    m->bundle[i]->role == ROLE_PARAM; j++)
			set_field(m->bundle[i], j, in, mem);
}
