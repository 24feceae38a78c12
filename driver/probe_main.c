
/*
 * The end of a program that --verify makes: the emitted C, with its main
 * renamed, runs two steps on what standard input gives and writes everything
 * that they changed to standard output, as raw float and double.  Ranks are
 * threads; it ends with 6 if they do not agree, bit by bit.
 */
#undef main
#include <pthread.h>
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

static char *
get_memory(uint64_t bytes)
{
	uint64_t n = (bytes + 127) / 64 * 64;
	char *p = aligned_alloc(64, n);

	if (!p)
		exit(5);
	return memset(p, 0, n);
}

/* ---- ranks: threads, which the transport `local` connects ---- */

struct lt_local;
struct lt_local *lt_local_new(const struct lt_program *);
struct lt_comm *lt_local_open(struct lt_local *, int rank);

static struct lt *rank;
static int ranks = 1;
static struct lt_local *local;
static void (*task)(struct lt *rt);

static void *
run_rank(void *arg)
{
	struct lt *rt = arg;

	if (ranks > 1 && !rt->comm && !(rt->comm = lt_local_open(local,
	    rt->rank)))
		exit(5);
	task(rt);
	return NULL;
}

static void
everywhere(void (*fn)(struct lt *rt))
{
	pthread_t *id = calloc((size_t)ranks, sizeof *id);

	task = fn;
	for (int i = 0; i < ranks; i++)
		if (!id || pthread_create(&id[i], NULL, run_rank, &rank[i]))
			exit(5);
	for (int i = 0; i < ranks; i++)
		pthread_join(id[i], NULL);
	free(id);
}

static void
open_rank(struct lt *rt, int number)
{
	const struct lt_program *p = rt->prog = &program;
	int left = number;

	rt->rank = number;
	rt->ranks = ranks;
	for (int i = p->naxis - 1; i >= 0; i--) {
		rt->coord[i] = left % p->axis_size[i];
		left /= p->axis_size[i];
	}
	rt->pool = lt_pool_new(ranks > 1 ? 1 : 2);
	rt->training = true;
	for (int i = 0; i < LT_ARENAS; i++)
		rt->arena[i] = get_memory(i == LT_WORK ?
		    p->work(ranks > 1 ? 1 : 2) : p->arena[i]);
}

static void
open_ranks(void)
{
	for (int i = 0; i < program.naxis; i++)
		ranks *= program.axis_size[i];
	rank = calloc((size_t)ranks, sizeof *rank);
	local = ranks > 1 ? lt_local_new(&program) : NULL;
	if (!rank || (ranks > 1 && !local))
		exit(5);
	for (int i = 0; i < ranks; i++)
		open_rank(&rank[i], i);
}

/* ---- what they get ---- */

static uint64_t
positions(const struct lt_runs *x)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < x->n; i++)
		n += x->r[i].len;
	return n;
}

/* The rank's part of x, i32[micro, batch, seq]. */
static void
take_part(const struct lt *rt, const int32_t *x, uint64_t place)
{
	const struct lt_program *p = rt->prog;
	struct lt_runs rows = lt_runs(rt, &p->rows, NULL);
	struct lt_runs cols = lt_runs(rt, &p->cols, NULL);
	int32_t *to = (int32_t *)(void *)(rt->arena[LT_IO] + place);

	for (int64_t m = 0; m < p->micro; m++)
		for (uint64_t i = 0; i < positions(&rows); i++)
			for (uint64_t j = 0; j < positions(&cols); j++)
				*to++ = x[((uint64_t)(m * p->batch) +
				    lt_position(&rows, i)) * (uint64_t)p->seq +
				    lt_position(&cols, j)];
}

static void
get_io(void)
{
	const struct lt_program *p = &program;
	size_t n = (size_t)(p->micro * p->batch * p->seq);
	uint64_t place[3] = {p->io_tok, p->io_lab, p->io_doc};
	int32_t *x = malloc(n * sizeof *x);

	if (!x)
		exit(5);
	for (int i = 0; i < 3; i++) {
		get(x, sizeof *x, n);
		for (int r = 0; r < ranks && place[i] != UINT64_MAX; r++)
			take_part(&rank[r], x, place[i]);
	}
	free(x);
}

/* Where a rank has element i of a tensor that lies at offset, or NULL. */
static float *
element(const struct lt *rt, const struct lt_tensor *t, uint64_t offset,
    uint64_t i)
{
	const struct lt_flat *f = t->flat >= 0 ? &program.flat[t->flat] : NULL;
	float *base = (float *)(void *)(rt->arena[LT_STATE] + offset);
	uint64_t block = f ? f->image : 0, number = 0, each, at;

	if (!f)
		return base + i;
	for (int a = 0; a < f->n; a++) {
		uint64_t n = (uint64_t)program.axis_size[f->axis[a]];

		number = number * n + (uint64_t)rt->coord[f->axis[a]];
		block /= n;
	}
	each = t->count / f->layers;
	at = t->at + i % each;
	return at / block == number ?
	    base + i / each * block + at % block : NULL;
}

static void
get_parameter(const struct lt_tensor *t)
{
	uint64_t offset = t->flat >= 0 ? program.flat[t->flat].master :
	    t->master;

	for (uint64_t i = 0; i < t->count; i++) {
		float x;

		get(&x, sizeof x, 1);
		for (int r = 0; r < ranks; r++) {
			float *to = element(&rank[r], t, offset, i);

			if (to)
				*to = x;
		}
	}
}

/* ---- what they give: replicas are the same, bit by bit ---- */

static void
put_tensor(const struct lt_tensor *t, uint64_t offset)
{
	for (uint64_t i = 0; i < t->count && offset != UINT64_MAX; i++) {
		const float *first = NULL, *x;

		for (int r = 0; r < ranks; r++) {
			x = element(&rank[r], t, offset, i);
			if (x && first && memcmp(x, first, sizeof *x) != 0)
				exit(6);
			first = first ? first : x;
		}
		if (!first)
			exit(6);
		put(first, sizeof *first, 1);
	}
}

static void
put_state(void)
{
	put(&rank[0].loss, sizeof rank[0].loss, 1);
	put(&rank[0].gnorm, sizeof rank[0].gnorm, 1);
	for (int r = 1; r < ranks; r++)
		if (rank[r].loss != rank[0].loss ||
		    rank[r].gnorm != rank[0].gnorm)
			exit(6);
	for (int i = 0; i < program.ntensor; i++) {
		const struct lt_tensor *t = &program.tensor[i];
		const struct lt_flat *f = t->flat >= 0 ?
		    &program.flat[t->flat] : NULL;

		put_tensor(t, f ? f->master : t->master);
		put_tensor(t, f ? f->grad : t->grad);
		put_tensor(t, f ? f->moment1 : t->moment1);
		put_tensor(t, f ? f->moment2 : t->moment2);
	}
}

static void
put_forward(void)
{
	for (int r = 0; r < ranks; r++)
		rank[r].training = false;
	everywhere(program.eval);
	put(&rank[0].eval_nll, sizeof rank[0].eval_nll, 1);
	put(&rank[0].eval_count, sizeof rank[0].eval_count, 1);
	if (!program.logits)
		return;
	everywhere(program.logits);
	put(rank[0].arena[LT_IO] + program.io_logits, sizeof(float),
	    (size_t)(program.batch * program.vocab));
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
	uint64_t seed;
	double lr;
	int64_t at;

	alarm(600);
	open_ranks();
	get(&seed, sizeof seed, 1);
	get(&lr, sizeof lr, 1);
	get(&at, sizeof at, 1);
	for (int r = 0; r < ranks; r++) {
		rank[r].seed = seed;
		rank[r].lr = lr;
		rank[r].at = at;
	}
	get_io();
	for (int i = 0; i < program.ntensor; i++)
		get_parameter(&program.tensor[i]);
	everywhere(program.refresh);
	for (int step = 1; step <= 2; step++) {
		for (int r = 0; r < ranks; r++)
			rank[r].step = step;
		everywhere(program.step);
		put_state();
	}
	put_forward();
	return fflush(stdout) == 0 ? 0 : 4;
}
