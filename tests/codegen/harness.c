/*
 * A main for one generated program, for tests: no data loader, no schedule.
 * With -DGPU for one whose kernels run in the emulator, on memory of the host.
 *
 *	cc -DGENERATED='"x.c"' harness.c libloong_rt.a;  ./a.out THREADS IN OUT
 *
 * IN: every tensor's initial elements (f32), then per step tok, lab, doc (i32,
 * doc if the program has one).  OUT: per step loss, gnorm (f32) and gradient,
 * master, moments of every tensor (f32); then nll and count of eval (f64) and
 * logits at position 1 (f32).  Between steps everything that a step must not
 * rely on is filled with NaN, and no byte beyond an arena may change.
 *
 * Ranks are threads.  All have the same parameters before and after a step, or
 * the program fails; what is written is rank 0's.
 *
 * The optimizer here is a second, naive one in double precision: this program
 * is about what was generated.  Of one thread for each rank, communication is
 * naive too; of more, it is the runtime's, and all bits must be the same.
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
#define lt_start start_move
#define lt_finish finish_move
#ifdef GPU
#include "tests/codegen/gpu.h"
#endif
#include GENERATED
#ifdef GPU
#include "tests/codegen/gpu_calls.h"
#endif
#undef main
#undef lt_start
#undef lt_finish

#include "runtime/comm/comm.h"
#include "runtime/comm/local.h"
#include "tests/codegen/ranks.h"

lt_token lt_start(struct lt *, const struct lt_move *, int n,
    const struct lt_pair *);
void lt_finish(struct lt *, lt_token);

static struct lt_local *local; /* NULL: the naive transport */

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

static uint64_t
local_size(const struct lt_runs *at)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < at->n; i++)
		n += at->r[i].len;
	return n;
}

/* The part of x, i32[micro, batch, seq], that the rank has. */
static void
take_tokens(const struct lt *rt, const int32_t *x, int32_t *to)
{
	const struct lt_program *p = rt->prog;
	struct lt_runs rows = lt_runs(rt, &p->rows, NULL);
	struct lt_runs cols = lt_runs(rt, &p->cols, NULL);

	for (int64_t m = 0; m < p->micro; m++)
		for (uint64_t i = 0; i < local_size(&rows); i++)
			for (uint64_t j = 0; j < local_size(&cols); j++)
				*to++ = x[((uint64_t)(m * p->batch) +
				    lt_position(&rows, i)) * (uint64_t)p->seq +
				    lt_position(&cols, j)];
}

static void
read_tokens(struct lt *rt, FILE *in)
{
	const struct lt_program *p = rt[0].prog;
	uint64_t n = (uint64_t)(p->micro * p->batch * p->seq);
	uint64_t at[3] = {p->io_tok, p->io_lab, p->io_doc};
	int32_t *x = malloc(n * sizeof *x);

	for (int i = 0; i < 3; i++) {
		if (at[i] == UINT64_MAX)
			continue;
		get(in, x, n, sizeof *x);
		for (int r = 0; r < world.ranks; r++)
			take_tokens(&rt[r], x, (int32_t *)(void *)
			    (rt[r].arena[LT_IO] + at[i]));
	}
	free(x);
}

/* ---- ranks ---- */

struct call {
	struct lt *rt;
	void (*fn)(struct lt *rt);
};

lt_token
start_move(struct lt *rt, const struct lt_move *m, int n,
    const struct lt_pair *pair)
{
	return local ? lt_start(rt, m, n, pair) : naive_start(rt, m, n, pair);
}

void
finish_move(struct lt *rt, lt_token t)
{
	if (local)
		lt_finish(rt, t);
}

static void *
one_rank(void *arg)
{
	struct call *c = arg;

	if (local && !c->rt->comm) {
		c->rt->comm = lt_local_open(local, c->rt->rank);
		if (!c->rt->comm)
			die("no memory");
		c->rt->comm->pool = c->rt->pool;
	}
	forget(c->rt);
#ifdef GPU
	lt_gpu_begin(c->rt);
#endif
	if (c->fn)
		c->fn(c->rt);
	return NULL;
}

/* The function on all ranks. */
static void
everywhere(struct lt *rt, void (*fn)(struct lt *rt))
{
	struct call call[RANKS_MAX];
	pthread_t id[RANKS_MAX];

	for (int i = 0; i < world.ranks; i++) {
		call[i] = (struct call){&rt[i], fn};
		if (pthread_create(&id[i], NULL, one_rank, &call[i]) != 0)
			die("no thread");
	}
	for (int i = 0; i < world.ranks; i++)
		pthread_join(id[i], NULL);
	for (int i = 0; i < world.ranks; i++)
		check_guards(&rt[i]);
}

static void
same_everywhere(const struct lt *rt, uint64_t offset, uint64_t n)
{
	for (int i = 1; i < world.ranks && offset != UINT64_MAX; i++)
		if (memcmp(rt[0].arena[LT_STATE] + offset,
		    rt[i].arena[LT_STATE] + offset, n * sizeof(float)) != 0)
			die("ranks do not agree");
}

static void
put_all(FILE *out, const struct lt *rt, uint64_t offset, uint64_t n)
{
	same_everywhere(rt, offset, n);
	put(out, &rt[0], offset, n);
}

/* Elements of a block, and the number of the one that a rank has. */
static uint64_t
own_block(const struct lt *rt, const struct lt_flat *f, uint64_t *number)
{
	uint64_t size = f->image;

	*number = 0;
	for (int i = 0; i < f->n; i++) {
		uint64_t n = (uint64_t)program.axis_size[f->axis[i]];

		*number = *number * n + (uint64_t)rt->coord[f->axis[i]];
		size /= n;
	}
	return size;
}

/* Where a rank has element i of a tensor (of all layers), or NULL. */
static float *
in_block(const struct lt *rt, const struct lt_tensor *t, uint64_t offset,
    uint64_t i)
{
	const struct lt_flat *f = &program.flat[t->flat];
	uint64_t each = t->count / f->layers, number;
	uint64_t size = own_block(rt, f, &number);
	uint64_t at = t->at + i % each;

	if (at / size != number)
		return NULL;
	return (float *)(void *)(rt->arena[LT_STATE] + offset) +
	    i / each * size + at % size;
}

/* The whole of a tensor that is shared; replicas of blocks are equal. */
static void
put_shared(FILE *out, const struct lt *rt, const struct lt_tensor *t,
    uint64_t offset)
{
	for (uint64_t i = 0; i < t->count && offset != UINT64_MAX; i++) {
		const float *first = NULL;

		for (int r = 0; r < world.ranks; r++) {
			const float *x = in_block(&rt[r], t, offset, i);

			if (x && first && memcmp(x, first, sizeof *x) != 0)
				die("ranks do not agree on a block");
			first = x ? x : first;
		}
		if (!first)
			die("nobody has an element");
		fwrite(first, sizeof *first, 1, out);
	}
}

static void
put_tensor(FILE *out, const struct lt *rt, const struct lt_tensor *t)
{
	const struct lt_flat *f = t->flat >= 0 ? &program.flat[t->flat] : NULL;

	if (f) {
		put_shared(out, rt, t, f->grad);
		put_shared(out, rt, t, f->master);
		put_shared(out, rt, t, f->moment1);
		put_shared(out, rt, t, f->moment2);
		return;
	}
	put_all(out, rt, t->grad, t->count);
	put_all(out, rt, t->master, t->count);
	put_all(out, rt, t->moment1, t->count);
	put_all(out, rt, t->moment2, t->count);
}

static void
one_step(struct lt *rt, FILE *in, FILE *out)
{
	const struct lt_program *p = rt[0].prog;

	for (int i = 0; i < world.ranks; i++)
		rt[i].step++;
	read_tokens(rt, in);
	everywhere(rt, p->step);
	for (int i = 0; i < world.ranks; i++)
		if (rt[i].loss != rt[0].loss || rt[i].gnorm != rt[0].gnorm)
			die("ranks do not agree on the loss");
	fwrite(&rt[0].loss, sizeof rt[0].loss, 1, out);
	fwrite(&rt[0].gnorm, sizeof rt[0].gnorm, 1, out);
	for (int i = 0; i < p->ntensor; i++)
		put_tensor(out, rt, &p->tensor[i]);
}

static void
put_logits(FILE *out, const struct lt *rt)
{
	const struct lt_program *p = rt[0].prog;
	uint64_t n = (uint64_t)(p->batch * p->vocab) * sizeof(float);

	for (int r = 1; r < world.ranks; r++)
		if (memcmp(rt[0].arena[LT_IO] + p->io_logits,
		    rt[r].arena[LT_IO] + p->io_logits, n) != 0)
			die("ranks do not agree on the logits");
	fwrite(rt[0].arena[LT_IO] + p->io_logits, 1, n, out);
}

static void
evaluate(struct lt *rt, FILE *out)
{
	const struct lt_program *p = rt[0].prog;

	for (int i = 0; i < world.ranks; i++) {
		rt[i].micro = 0;
		rt[i].at = 1;
	}
	everywhere(rt, p->eval);
	for (int i = 0; i < world.ranks; i++)
		if (rt[i].eval_nll != rt[0].eval_nll)
			die("ranks do not agree on the evaluation");
	fwrite(&rt[0].eval_nll, sizeof(double), 1, out);
	fwrite(&rt[0].eval_count, sizeof(double), 1, out);
	everywhere(rt, p->logits);
	if (p->logits)
		put_logits(out, rt);
}

static void
open_rank(struct lt *rt, int rank, int threads)
{
	int left = rank;

	*rt = (struct lt){.prog = &program, .seed = 1, .training = true,
	    .rank = rank, .ranks = world.ranks,
	    .pool = lt_pool_new(threads), .lr = program.recipe.lr};
	for (int i = program.naxis - 1; i >= 0; i--) {
		rt->coord[i] = left % program.axis_size[i];
		left /= program.axis_size[i];
	}
	world.rt[rank] = rt;
#ifdef GPU
	if (lt_gpu_open(rt) != 0)
		die("no device");
#endif
	allocate(rt);
}

/* Each rank takes its block of every layer. */
static void
read_shared(struct lt *rt, const struct lt_tensor *t, FILE *in)
{
	for (uint64_t i = 0; i < t->count; i++) {
		float x;

		get(in, &x, 1, sizeof x);
		for (int r = 0; r < world.ranks; r++) {
			float *to = in_block(&rt[r], t,
			    program.flat[t->flat].master, i);

			if (to)
				*to = x;
		}
	}
}

static void
read_parameters(struct lt *rt, FILE *in)
{
	for (int i = 0; i < program.ntensor; i++) {
		const struct lt_tensor *t = &program.tensor[i];

		if (t->flat >= 0) {
			read_shared(rt, t, in);
			continue;
		}
		get(in, rt[0].arena[LT_STATE] + t->master, t->count,
		    sizeof(float));
		for (int r = 1; r < world.ranks; r++)
			memcpy(rt[r].arena[LT_STATE] + t->master,
			    rt[0].arena[LT_STATE] + t->master,
			    t->count * sizeof(float));
	}
	everywhere(rt, program.refresh);
}

int
main(int argc, char **argv)
{
	static struct lt rt[RANKS_MAX];
	FILE *in = argc == 4 ? fopen(argv[2], "rb") : NULL;
	FILE *out = argc == 4 ? fopen(argv[3], "wb") : NULL;

	if (!in || !out)
		die("usage: harness THREADS IN OUT");
	(void)generated_main;
	world.ranks = 1;
	for (int i = 0; i < program.naxis; i++)
		world.ranks *= program.axis_size[i];
	if (world.ranks > RANKS_MAX)
		die("too many ranks");
	local = world.ranks > 1 && atoi(argv[1]) > 1 ?
	    lt_local_new(&program) : NULL;
	pthread_barrier_init(&world.all, NULL, (unsigned)world.ranks);
	for (int i = 0; i < world.ranks; i++)
		open_rank(&rt[i], i, atoi(argv[1]));
	read_parameters(rt, in);
	for (int i = 0; i < STEPS; i++)
		one_step(rt, in, out);
	evaluate(rt, out);
	for (int r = 0; r < world.ranks; r++) {
		for (int i = 0; i < LT_ARENAS; i++)
			free(rt[r].arena[i]);
#ifdef GPU
		lt_gpu_close(&rt[r]);
#endif
		lt_pool_free(rt[r].pool);
		if (rt[r].comm)
			lt_comm_close(rt[r].comm);
	}
	if (local)
		lt_local_free(local);
	fclose(in);
	return fclose(out) != 0;
}
