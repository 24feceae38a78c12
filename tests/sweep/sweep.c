/*
 * Every mesh there is, up to a size, against the compiler's proofs.
 *
 *   sweep static STRIDE FIRST   types, traces, coverage, plans and races: all
 *                               (dp, hp, cp, inner, placement) of 1, 2, 4, ...
 *                               64 ranks (315) and all others up to 18 ranks,
 *                               with every nested choice of what ZeRO shares
 *                               and four ways to recompute; layers come 0, 1
 *                               or 2 ahead by turns
 *   sweep values STRIDE FIRST   all values of some passes on the interpreter,
 *                               dims as small as the mesh lets them be: every
 *                               mesh up to 18 ranks with one of the choices,
 *                               and of the programs for more ranks 2 %, drawn
 *
 * Of the list, every STRIDE-th from FIRST on; it prints how many there were
 * and how long they took, and what failed.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/input.h"
#include "driver/load.h"
#include "driver/scale.h"
#include "driver/verify_state.h"
#include "ir/trace.h"

enum { POWERS = 64, OTHERS = 18, TOKENS = 7 };

struct layout {
	int dp, hp, cp, inner;
	bool context_first;
};

struct sweep {
	bool values;
	int stride, first;
	int seen, done, failed;
	FILE *nowhere;
};

struct variant {
	struct layout l;
	int level[3]; /* of dp, cp, hp: 0 whole, 1 optimizer, 2 gradients, 3 all */
	const char *recompute;
	int k, g, number;
};

/* ---- one program ---- */

static const char *
axes_from(struct arena *mem, const struct variant *v, int level)
{
	static const char *const name[] = {"dp", "cp", "hp"};
	const char *list = "";

	for (int i = 0; i < 3; i++)
		if (v->level[i] >= level)
			list = arena_printf(mem, "%s%s%s", list,
			    *list ? "," : "", name[i]);
	return *list ? arena_printf(mem, "over(%s)", list) : "none";
}

static struct module *
load(struct arena *mem, struct diag *d, struct input *in,
    const struct variant *v, bool small)
{
	const struct layout *l = &v->l;
	int s = 2 * l->hp * l->cp * (small ? 1 : 6);
	int cuts = v->level[0] + v->level[1] + v->level[2];
	const char *set[] = {arena_printf(mem, "e=%d", small ? 5 : 24),
	    arena_printf(mem, "f=%d", small ? 7 : 40),
	    arena_printf(mem, "v=%d", small ? 11 : 64),
	    arena_printf(mem, "d=%d", small ? 2 : 4),
	    arena_printf(mem, "k=%d", v->k),
	    arena_printf(mem, "g=%d", v->g), arena_printf(mem, "s=%d", s),
	    arena_printf(mem, "recipe.batch=%d", 4 * l->dp * s),
	    arena_printf(mem, "plan.micro=%d", v->number % 2 ? 2 : 4),
	    arena_printf(mem, "plan.params=%s", axes_from(mem, v, 3)),
	    arena_printf(mem, "plan.grads=%s", axes_from(mem, v, 2)),
	    arena_printf(mem, "plan.optimizer=%s", axes_from(mem, v, 1)),
	    arena_printf(mem, "plan.prefetch=%d", (cuts + v->number) % 3),
	    arena_printf(mem, "plan.recompute=%s", v->recompute)};
	struct options o = {.set = {.item = set,
	    .n = (int)(sizeof set / sizeof *set)}};

	o.file = arena_printf(mem, "%s/sweep/model.lt", TEST_DIR);
	o.mesh = arena_printf(mem, "dp=%d,hp=%d,cp=%d,inner=%d,place=%s",
	    l->dp, l->hp, l->cp, l->inner,
	    l->context_first ? "context_first" : "head_first");
	*d = (struct diag){.src = &in->src, .out = stderr};
	if (!input_read(in, mem, o.file))
		return NULL;
	return load_module(mem, d, &o);
}

static void
on_stage(struct module *m, const char *after, void *arg)
{
	struct verify *v = arg;
	static const char *const at[] = {"read", "autodiff", "ring", "memory"};

	(void)m;
	for (size_t i = 0; i < sizeof at / sizeof *at; i++)
		if (strcmp(after, at[i]) == 0 && !v->failed)
			verify_stage(v, after);
}

static bool
values_agree(struct sweep *s, struct module *m)
{
	struct verify_options o = {.out = s->nowhere, .no_slopes = true};
	struct verify v = {.m = m, .o = &o};
	struct pipeline_options po = {.watch = on_stage, .arg = &v};
	bool ok;

	scale_module(m, TOKENS);
	if (!batch_make(&v.batch, m, 11))
		return false;
	v.record = record_new();
	ok = pipeline_run(pipeline, m, &po) == PIPELINE_OK && !v.failed;
	record_free(v.record);
	return ok;
}

static void
run(struct sweep *s, const struct variant *v)
{
	struct arena mem = {0};
	struct input in = {0};
	struct diag d;
	struct module *m;
	bool ok;

	if (s->seen++ % s->stride != s->first)
		return;
	m = load(&mem, &d, &in, v, s->values);
	ok = m && (s->values ? values_agree(s, m) :
	    verify_static(m, pipeline, s->nowhere) == PIPELINE_OK);
	s->done++;
	if (!ok) {
		s->failed++;
		printf("FAILED: dp=%d,hp=%d,cp=%d,inner=%d,place=%s k=%d g=%d "
		    "shares %d%d%d recompute=%s number %d\n", v->l.dp,
		    v->l.hp, v->l.cp, v->l.inner, v->l.context_first ?
		    "context_first" : "head_first", v->k, v->g, v->level[0],
		    v->level[1], v->level[2], v->recompute, v->number);
	}
	arena_free(&mem);
}

/* ---- what there is ---- */

/* Kv heads and group: the ranks of hp divide the first, or need both.  The
 * interpreter gets as few as these ranks need. */
static void
choose_heads(const struct sweep *s, struct variant *v)
{
	int p = 2;

	v->k = v->g = s->values ? 2 : 8;
	if (v->l.hp == 1 || (!s->values && 64 % v->l.hp == 0))
		return;
	while (v->l.hp % p)
		p++;
	v->k = v->number % 2 ? v->l.hp : p;
	v->g = v->number % 2 ? 2 : 2 * v->l.hp / p;
}

static const char *const mode[] = {"none", "full", "save(x, attention)",
    "save(attention, offload(x))"};
enum { MODES = (int)(sizeof mode / sizeof *mode) };

/* True for one program of 50, which look drawn. */
static bool
drawn(const struct variant *v, int shares, int j)
{
	uint64_t x = (uint64_t)v->number * 1000003 + (uint64_t)shares * 101 +
	    (uint64_t)j;

	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
	return (x >> 32) % 50 == 0;
}

static void
shares(struct sweep *s, struct variant *v)
{
	int top[3] = {v->l.dp > 1 ? 4 : 1, v->l.cp > 1 ? 4 : 1,
	    v->l.hp > 1 ? 4 : 1};

	for (int i = 0; i < top[0] * top[1] * top[2]; i++)
		for (int j = 0; j < MODES; j++) {
			v->level[0] = i % top[0];
			v->level[1] = i / top[0] % top[1];
			v->level[2] = i / top[0] / top[1];
			v->recompute = mode[j];
			if (!s->values || drawn(v, i, j))
				run(s, v);
		}
}

/* With values, shares and modes take turns on few ranks. */
static void
one_layout(struct sweep *s, struct variant *v)
{
	choose_heads(s, v);
	if (!s->values || v->l.dp * v->l.hp * v->l.cp > OTHERS) {
		shares(s, v);
	} else {
		v->level[0] = v->l.dp > 1 ? v->number % 4 : 0;
		v->level[1] = v->l.cp > 1 ? v->number / 4 % 4 : 0;
		v->level[2] = v->l.hp > 1 ? v->number / 3 % 4 : 0;
		v->recompute = mode[v->number % MODES];
		run(s, v);
	}
	v->number++;
}

static bool
is_power(int n)
{
	return (n & (n - 1)) == 0;
}

static void
layouts_of(struct sweep *s, struct variant *v, int ranks)
{
	for (v->l.dp = 1; v->l.dp <= ranks; v->l.dp++)
		for (v->l.hp = 1; v->l.dp * v->l.hp <= ranks; v->l.hp++) {
			if (ranks % (v->l.dp * v->l.hp))
				continue;
			v->l.cp = ranks / v->l.dp / v->l.hp;
			for (v->l.inner = 1; v->l.inner <= v->l.cp;
			     v->l.inner++) {
				if (v->l.cp % v->l.inner)
					continue;
				v->l.context_first = false;
				one_layout(s, v);
				if (v->l.hp == 1 || v->l.cp == 1)
					continue;
				v->l.context_first = true;
				one_layout(s, v);
			}
		}
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int
main(int argc, char **argv)
{
	struct sweep s = {.stride = 1};
	struct variant v = {.number = 0};
	double start = seconds();
	int powers = 0;

	if (argc != 4) {
		fputs("usage: sweep static|values STRIDE FIRST\n", stderr);
		return 2;
	}
	s.values = strcmp(argv[1], "values") == 0;
	s.stride = atoi(argv[2]) > 0 ? atoi(argv[2]) : 1;
	s.first = atoi(argv[3]);
	s.nowhere = fopen("/dev/null", "w");
	if (!s.nowhere)
		return 1;
	for (int n = 1; n <= POWERS; n *= 2)
		layouts_of(&s, &v, n);
	powers = v.number;
	for (int n = 1; n <= OTHERS; n++)
		if (!is_power(n))
			layouts_of(&s, &v, n);
	printf("%s: %d layouts of 1, 2, 4, ... %d ranks, %d others up to %d; "
	    "%d programs, of which %d were proved in %.0f s, %d failed\n",
	    argv[1], powers, POWERS, v.number - powers, OTHERS, s.seen,
	    s.done, seconds() - start, s.failed);
	fclose(s.nowhere);
	return s.failed != 0 || s.done == 0;
}
