/*
 * A main for one generated program, for tests: no data loader, no schedule.
 *
 *	cc -DGENERATED='"x.c"' harness.c libloong_rt.a;  ./a.out THREADS IN OUT
 *
 * IN: every tensor's initial elements (f32), then per step tok, lab, doc (i32,
 * doc if the program has one).  OUT: per step loss, gnorm (f32) and gradient,
 * master, moments of every tensor (f32); then nll and count of eval (f64) and
 * logits at position 1 (f32).  Between steps everything that a step must not
 * rely on is filled with NaN, and no byte beyond an arena may change.
 *
 * The optimizer here is a second, naive one in double precision: this program
 * is about what was generated.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define main     generated_main
#define lt_main  naive_main
#define lt_adamw naive_adamw
#define lt_sumsq naive_sumsq
#define lt_step_ok naive_step_ok
#include GENERATED
#undef main

enum { STEPS = 3, GUARD = 4096 };

int
naive_main(int argc, char **argv, const struct lt_program *prog)
{
	(void)argc;
	(void)argv;
	(void)prog;
	return 0;
}

void
naive_adamw(struct lt *rt, uint64_t n, float *w, const float *g, float *m,
    float *v, uint16_t *w16, float clip, bool decay)
{
	const struct lt_recipe *r = &rt->prog->recipe;
	double fix1 = 1 - pow(r->beta1, (double)rt->step);
	double fix2 = 1 - pow(r->beta2, (double)rt->step);

	for (uint64_t i = 0; i < n; i++) {
		double x = (double)clip * g[i];

		m[i] = (float)(r->beta1 * m[i] + (1 - r->beta1) * x);
		v[i] = (float)(r->beta2 * v[i] + (1 - r->beta2) * x * x);
		w[i] -= (float)(rt->lr * (m[i] / fix1 /
		    (sqrt(v[i] / fix2) + r->eps) +
		    (decay ? r->wd * w[i] : 0)));
		if (w16)
			w16[i] = lt_to_bf16(w[i]);
	}
}

double
naive_sumsq(struct lt *rt, uint64_t n, const float *x)
{
	double sum = 0;

	(void)rt;
	for (uint64_t i = 0; i < n; i++)
		sum += (double)x[i] * x[i];
	return sum;
}

bool
naive_step_ok(struct lt *rt, float loss, float gnorm)
{
	(void)rt;
	return isfinite(loss) && isfinite(gnorm);
}

static uint64_t
arena_bytes(const struct lt *rt, int i)
{
	return i == LT_WORK ?
	    rt->prog->work(lt_pool_threads(rt->pool)) : rt->prog->arena[i];
}

static void
die(const char *why)
{
	fprintf(stderr, "harness: %s\n", why);
	exit(1);
}

static void
allocate(struct lt *rt)
{
	for (int i = 0; i < LT_ARENAS; i++) {
		uint64_t n = arena_bytes(rt, i);

		rt->arena[i] = aligned_alloc(64,
		    (n + GUARD + 63) / 64 * 64);
		if (!rt->arena[i])
			die("no memory");
		memset(rt->arena[i], 0, n);
		memset(rt->arena[i] + n, 0x5a, GUARD);
	}
}

static void
check_guards(const struct lt *rt)
{
	for (int i = 0; i < LT_ARENAS; i++)
		for (int j = 0; j < GUARD; j++)
			if (rt->arena[i][arena_bytes(rt, i) + (uint64_t)j] !=
			    0x5a)
				die("a byte beyond an arena was written");
}

/* 0xff.. is a NaN in every float type. */
static void
forget(const struct lt *rt)
{
	for (int i = 0; i < LT_ARENAS; i++)
		if (i == LT_KEEP || i == LT_ACT || i == LT_WORK)
			memset(rt->arena[i], 0xff, arena_bytes(rt, i));
}

static void
get(FILE *in, void *x, uint64_t n, uint64_t size)
{
	if (n && fread(x, size, n, in) != n)
		die("input ends early");
}

static void
put(FILE *out, const struct lt *rt, uint64_t offset, uint64_t n)
{
	if (offset != UINT64_MAX)
		fwrite(rt->arena[LT_STATE] + offset, sizeof(float), n, out);
}

static void
read_tokens(struct lt *rt, FILE *in)
{
	const struct lt_program *p = rt->prog;
	uint64_t n = (uint64_t)(p->micro * p->batch * p->seq);
	uint64_t at[3] = {p->io_tok, p->io_lab, p->io_doc};

	for (int i = 0; i < 3; i++)
		if (at[i] != UINT64_MAX)
			get(in, rt->arena[LT_IO] + at[i], n, sizeof(int32_t));
}

static void
one_step(struct lt *rt, FILE *in, FILE *out)
{
	const struct lt_program *p = rt->prog;

	rt->step++;
	read_tokens(rt, in);
	forget(rt);
	p->step(rt);
	check_guards(rt);
	fwrite(&rt->loss, sizeof rt->loss, 1, out);
	fwrite(&rt->gnorm, sizeof rt->gnorm, 1, out);
	for (int i = 0; i < p->ntensor; i++) {
		const struct lt_tensor *t = &p->tensor[i];

		put(out, rt, t->grad, t->count);
		put(out, rt, t->master, t->count);
		put(out, rt, t->moment1, t->count);
		put(out, rt, t->moment2, t->count);
	}
}

static void
evaluate(struct lt *rt, FILE *out)
{
	const struct lt_program *p = rt->prog;

	forget(rt);
	rt->micro = 0;
	if (p->eval)
		p->eval(rt);
	fwrite(&rt->eval_nll, sizeof(double), 1, out);
	fwrite(&rt->eval_count, sizeof(double), 1, out);
	forget(rt);
	if (p->logits) {
		rt->at = 1;
		p->logits(rt);
		fwrite(rt->arena[LT_IO] + p->io_logits, sizeof(float),
		    (uint64_t)(p->batch * p->vocab), out);
	}
	check_guards(rt);
}

int
main(int argc, char **argv)
{
	struct lt rt = {.prog = &program, .seed = 1, .training = true};
	FILE *in = argc == 4 ? fopen(argv[2], "rb") : NULL;
	FILE *out = argc == 4 ? fopen(argv[3], "wb") : NULL;

	if (!in || !out)
		die("usage: harness THREADS IN OUT");
	(void)generated_main;
	rt.pool = lt_pool_new(atoi(argv[1]));
	rt.lr = program.recipe.lr;
	allocate(&rt);
	for (int i = 0; i < program.ntensor; i++)
		get(in, rt.arena[LT_STATE] + program.tensor[i].master,
		    program.tensor[i].count, sizeof(float));
	program.refresh(&rt);
	for (int i = 0; i < STEPS; i++)
		one_step(&rt, in, out);
	evaluate(&rt, out);
	for (int i = 0; i < LT_ARENAS; i++)
		free(rt.arena[i]);
	lt_pool_free(rt.pool);
	fclose(in);
	return fclose(out) != 0;
}
