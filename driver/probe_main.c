
/*
 * The end of a program that --verify makes: the emitted C, with its main
 * renamed, runs two steps on what standard input gives and writes everything
 * that they changed to standard output, as raw float and double.
 */
#undef main
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
get(void *to, size_t size, size_t n)
{
	if (n && fread(to, size, n, stdin) != n)
		exit(3);
}

static void
put(const void *from, size_t size, size_t n)
{
	if (n && fwrite(from, size, n, stdout) != n)
		exit(4);
}

static void
put_tensor(struct lt *rt, uint64_t offset, uint64_t n)
{
	if (offset != UINT64_MAX)
		put(rt->arena[LT_STATE] + offset, sizeof(float), n);
}

static char *
get_memory(uint64_t bytes)
{
	uint64_t n = (bytes + 127) / 64 * 64;
	char *p = aligned_alloc(64, n);

	if (!p)
		exit(5);
	return memset(p, 0, n);
}

static void
get_io(struct lt *rt)
{
	const struct lt_program *p = rt->prog;
	size_t n = (size_t)(p->micro * p->batch * p->seq);
	uint64_t place[3] = {p->io_tok, p->io_lab, p->io_doc};

	for (int i = 0; i < 3; i++) {
		int32_t *x = malloc(n * sizeof *x);

		if (!x)
			exit(5);
		get(x, sizeof *x, n);
		if (place[i] != UINT64_MAX)
			memcpy(rt->arena[LT_IO] + place[i], x, n * sizeof *x);
		free(x);
	}
}

static void
put_state(struct lt *rt)
{
	put(&rt->loss, sizeof rt->loss, 1);
	put(&rt->gnorm, sizeof rt->gnorm, 1);
	for (int i = 0; i < rt->prog->ntensor; i++) {
		const struct lt_tensor *t = &rt->prog->tensor[i];

		put_tensor(rt, t->master, t->count);
		put_tensor(rt, t->grad, t->count);
		put_tensor(rt, t->moment1, t->count);
		put_tensor(rt, t->moment2, t->count);
	}
}

static void
put_forward(struct lt *rt)
{
	rt->training = false;
	rt->prog->eval(rt);
	put(&rt->eval_nll, sizeof rt->eval_nll, 1);
	put(&rt->eval_count, sizeof rt->eval_count, 1);
	if (!rt->prog->logits)
		return;
	rt->prog->logits(rt);
	put(rt->arena[LT_IO] + rt->prog->io_logits, sizeof(float),
	    (size_t)(rt->prog->batch * rt->prog->vocab));
}

/* What the renamed main calls; it never runs. */
__attribute__((weak)) int
lt_main(int argc, char **argv, const struct lt_program *p)
{
	(void)argc;
	(void)argv;
	(void)p;
	return 1;
}

int
main(void)
{
	static struct lt rt;
	const struct lt_program *p = rt.prog = &program;

	alarm(600);
	rt.ranks = 1;
	rt.pool = lt_pool_new(2);
	rt.training = true;
	for (int i = 0; i < LT_ARENAS; i++)
		rt.arena[i] =
		    get_memory(i == LT_WORK ? p->work(2) : p->arena[i]);
	get(&rt.seed, sizeof rt.seed, 1);
	get(&rt.lr, sizeof rt.lr, 1);
	get(&rt.at, sizeof rt.at, 1);
	get_io(&rt);
	for (int i = 0; i < p->ntensor; i++)
		get(rt.arena[LT_STATE] + p->tensor[i].master, sizeof(float),
		    p->tensor[i].count);
	p->refresh(&rt);
	for (rt.step = 1; rt.step <= 2; rt.step++) {
		p->step(&rt);
		put_state(&rt);
	}
	put_forward(&rt);
	return fflush(stdout) == 0 ? 0 : 4;
}
