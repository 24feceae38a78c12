#include "config.h"

#include "tests/sem/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/rng.h"

bool
train_load_with(struct train *t, const char *name, const char *text,
    const char *stop, const struct interp_options *io)
{
	struct pipeline_options o = {.stop = stop};
	struct func *step;

	t->src = (struct source){name, text, (uint32_t)strlen(text)};
	t->diag = (struct diag){.src = &t->src, .out = stderr};
	t->m = module_read(&t->mem, &t->diag);
	if (!t->m || pipeline_run(pipeline, t->m, &o) != PIPELINE_OK)
		return false;
	t->in = interp_new(t->m, io);
	step = module_func(t->m, "step");
	for (int i = 0; step && i < step->nparam && i < TRAIN_PARAMS; i++) {
		t->tokens = type_global_count(t->m, step->param[i]->type);
		t->arg[i] = NEW_N(&t->mem, double, t->tokens);
	}
	return t->in != NULL;
}

bool
train_load(struct train *t, const char *name, const char *text,
    const char *stop)
{
	return train_load_with(t, name, text, stop,
	    &(struct interp_options){.seed = 3, .step = 1, .training = true});
}

void
train_free(struct train *t)
{
	if (t->in)
		interp_free(t->in);
	arena_free(&t->mem);
	memset(t, 0, sizeof *t);
}

void
train_weights(struct train *t)
{
	for (int i = 0; i < t->m->nbundle; i++) {
		const struct bundle *b = t->m->bundle[i];

		for (int f = 0; f < b->nfield && b->role == ROLE_PARAM; f++) {
			uint64_t n = interp_count(t->in, b, f);
			uint64_t stream = lt_fnv1a64(b->field[f].name);
			double *x = NEW_N(&t->mem, double, n);

			for (uint64_t j = 0; j < n; j++)
				x[j] = lt_rng_uniform(7, stream, j) - 0.5;
			interp_set(t->in, b, f, x);
		}
	}
	if (!interp_refresh(t->in))
		abort();
}

void
train_inputs(struct train *t, int classes)
{
	uint64_t doc = 0;

	for (uint64_t i = 0; i < t->tokens; i++) {
		t->arg[0][i] = (double)((i * 7 + 3) % (uint64_t)classes);
		t->arg[1][i] = i % 5 == 2 ? -100
		    : (double)((i * 5 + 1) % (uint64_t)classes);
		doc += i % 4 == 3;
		if (t->arg[2])
			t->arg[2][i] = (double)doc;
	}
}

bool
train_step(struct train *t)
{
	return interp_run(t->in, "step", 0, (const double *const *)t->arg,
	    (double *[]){&t->loss, &t->gnorm});
}

bool
train_eval(struct train *t, double *nll, double *count)
{
	return interp_run(t->in, "eval", 0, (const double *const *)t->arg,
	    (double *[]){nll, count});
}

double *
train_field(struct train *t, const struct bundle *b, int field, uint64_t *n)
{
	double *x;

	*n = interp_count(t->in, b, field);
	x = NEW_N(&t->mem, double, *n);
	interp_get(t->in, b, field, x);
	return x;
}

double *
train_grad(struct train *t, const struct bundle *b, int field, uint64_t *n)
{
	for (int i = 0; i < t->m->nbundle; i++)
		if (t->m->bundle[i]->of == b &&
		    t->m->bundle[i]->role == ROLE_GRAD)
			return train_field(t, t->m->bundle[i], field, n);
	*n = 0;
	return NULL;
}

char *
train_file(struct arena *mem, const char *path)
{
	const char *dir = getenv("srcdir");
	FILE *in = fopen(arena_printf(mem, "%s/%s", dir ? dir : ".", path),
	    "rb");
	size_t size = 1 << 20, n;
	char *text;

	if (!in)
		return NULL;
	text = NEW_N(mem, char, size);
	n = fread(text, 1, size - 1, in);
	text[n] = '\0';
	fclose(in);
	return text;
}
