/*
 * A trainer without a compiler: a bigram model written by hand against
 * loong_rt.h, so that tests of the runtime need nothing else.
 *
 * logits of the next token = row of w[vocab][vocab] that belongs to the token.
 *
 * The environment changes what tests need changed:
 *	FAKE_TRAIN     the recipe's training data
 *	FAKE_FORMAT    and their format
 *	FAKE_NAN       "4" or "4-": steps whose loss is not a number
 *	FAKE_SKIP      skip such steps instead of stopping
 *	FAKE_SLEEP     milliseconds per step
 *	FAKE_VOCAB     at most 256
 *	FAKE_HUGE      gigabytes of activations
 *	FAKE_ABI       the version the program claims to be of
 *	FAKE_SPIN      "N": raise SIGTERM in step N; "-N": twice
 *	FAKE_EARLY     raise SIGINT before the first step
 *	FAKE_LOGITS    set: the program has no such function
 *	FAKE_EOS       the separator; the program then reads documents
 *	FAKE_MESH      "2x2x4": ranks over axes dp, co, ci; sequences are cut in
 *	               zigzag over co and ci
 *	FAKE_FLAT      set: weights, gradients and moments are sharded over all
 *	               axes
 *	FAKE_S         tokens of a sequence in the data; the rest is padding
 *	FAKE_DEVICE    "emu": everything is done by kernels of the emulator;
 *	               "host": but for one access to the device's memory;
 *	               "cuda": by kernels of tests/gpu/fake_cuda.c
 *	FAKE_HANG      "N": rank 1 sleeps for a minute in step N
 */
#include "config.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/gpu/device.h"
#include "runtime/loong_rt.h"

enum { B = 4, S = 32, V = 256, MICRO = 2, N = V * V, TOKENS = B * S };

/* State: w, its gradient, two moments; if sharded, w and its gradient are
 * whole and the blocks of both and of the moments follow.  IO: tokens, labels,
 * documents of each microbatch, then logits. */
static struct lt_tensor tensors[] = {
    {.name = "bigram.w", .rank = 2, .shape = {V, V}, .init = LT_INIT_NORMAL,
	.init_a = 0.02, .decay = true, .count = N, .master = 0,
	.grad = 4 * N, .moment1 = 8 * N, .moment2 = 12 * N,
	.flat = -1},
};

static struct lt_flat flat = {.name = "W", .layers = 1, .image = N,
    .master = 16 * N, .grad = 20 * N, .moment1 = 8 * N, .moment2 = 12 * N};

static struct lt_move adding = {.name = "loss", .kind = LT_ALLREDUCE,
    .type = LT_F32, .rank = 1};
static struct lt_move gather = {.name = "w", .kind = LT_GATHER, .lane = 1,
    .type = LT_F32, .rank = 1};
static struct lt_move scatter = {.name = "dw", .kind = LT_RSCATTER, .lane = 2,
    .type = LT_F32, .rank = 1};

/* ---- between ranks ---- */

static void
move(struct lt *rt, const struct lt_move *m, void *dst, const void *src,
    uint64_t count)
{
	struct lt_pair pair = {dst, src, count};

	if (rt->ranks > 1)
		lt_finish(rt, lt_start(rt, m, 1, &pair));
}

static double
add_up(struct lt *rt, double mine)
{
	float x = (float)mine;

	move(rt, &adding, &x, &x, 1);
	return rt->ranks > 1 ? (double)x : mine;
}

static bool
sharded(const struct lt *rt)
{
	return rt->prog->nflat > 0;
}

/* The whole of w, from the blocks. */
static void
collect(struct lt *rt)
{
	char *state = rt->arena[LT_STATE];

	if (sharded(rt))
		move(rt, &gather, state, state + flat.master,
		    N / (uint64_t)rt->ranks);
}

/* ---- the model ---- */

static uint64_t
work(int threads)
{
	return 4096 * (uint64_t)threads;
}

static const char *
setting(const char *name)
{
	const char *s = getenv(name);

	return s && *s ? s : NULL;
}

static long
number(const char *name, long dflt)
{
	return setting(name) ? strtol(setting(name), NULL, 10) : dflt;
}

/* Nats of one pair; p becomes the probabilities. */
static double
pair(const float *row, int vocab, int label, float *p)
{
	float most = row[0], sum = 0;

	for (int i = 1; i < vocab; i++)
		most = row[i] > most ? row[i] : most;
	for (int i = 0; i < vocab; i++)
		sum += p[i] = expf(row[i] - most);
	for (int i = 0; i < vocab; i++)
		p[i] /= sum;
	return -log((double)p[label] + 1e-30);
}

/* Tokens of this rank in one microbatch. */
static int
local(const struct lt *rt)
{
	return TOKENS / rt->ranks;
}

/* Nats of some of this rank's tokens; the gradient of their sum divided by
 * `all` is added to grad. */
static double
forward(struct lt *rt, int tokens, float all, float *grad)
{
	const struct lt_program *prog = rt->prog;
	const char *io = rt->arena[LT_IO];
	const int32_t *tok = (const int32_t *)(io + prog->io_tok);
	const int32_t *lab = (const int32_t *)(io + prog->io_lab);
	const float *w = (const float *)rt->arena[LT_STATE];
	int vocab = (int)prog->vocab;
	float p[V];
	double sum = 0;

	for (int i = 0; i < tokens; i++) {
		if (lab[i] == prog->recipe.ignore)
			continue;
		sum += pair(w + tok[i] * V, vocab, lab[i], p);
		p[lab[i]] -= 1;
		for (int j = 0; grad && j < vocab; j++)
			grad[tok[i] * V + j] += p[j] / all;
	}
	return sum;
}

static void
misbehave(struct lt *rt)
{
	const char *nan = setting("FAKE_NAN");
	long at = number("FAKE_NAN", -1), spin = number("FAKE_SPIN", 0);
	long ms = number("FAKE_SLEEP", 0);
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	if (nan && (rt->step == at || (strchr(nan, '-') && rt->step > at)))
		rt->loss = NAN;
	if (rt->step == labs(spin) && rt->rank == rt->ranks - 1) {
		raise(SIGTERM);
		if (spin < 0)
			raise(SIGTERM);
	}
	if (rt->rank == 1 && rt->step == number("FAKE_HANG", 0))
		t.tv_sec = 60;
	if (t.tv_sec || ms)
		nanosleep(&t, NULL);
}

static void
train(struct lt *rt)
{
	char *state = rt->arena[LT_STATE];
	float *w = (float *)state, *g = (float *)(state + 4 * N);
	float *m = (float *)(state + 8 * N), *v = (float *)(state + 12 * N);
	float all = (float)(MICRO * B * (rt->prog->recipe.s ?
	    rt->prog->recipe.s : S));
	uint64_t n = N;

	collect(rt);
	memset(g, 0, 4 * N);
	rt->loss = (float)(add_up(rt, forward(rt, MICRO * local(rt), all, g)) /
	    (double)all);
	if (sharded(rt)) {
		w = (float *)(state + flat.master);
		n /= (uint64_t)rt->ranks;
		move(rt, &scatter, state + flat.grad, g, N);
		g = (float *)(state + flat.grad);
		rt->gnorm = (float)sqrt(add_up(rt, lt_sumsq(rt, n, g)));
	} else {
		move(rt, &adding, g, g, N);
		rt->gnorm = (float)sqrt(lt_sumsq(rt, N, g));
	}
	misbehave(rt);
	if (!lt_step_ok(rt, rt->loss, rt->gnorm))
		return;
	lt_adamw(rt, n, w, g, m, v, NULL, 1, true);
}

static void
evaluate(struct lt *rt)
{
	collect(rt);
	rt->eval_nll += add_up(rt, forward(rt, local(rt), 1, NULL));
	rt->eval_count += B * (double)(rt->prog->recipe.s ?
	    rt->prog->recipe.s : S);
}

static void
predict(struct lt *rt)
{
	char *io = rt->arena[LT_IO];
	const int32_t *tok = (const int32_t *)(io + rt->prog->io_tok);
	const float *w = (const float *)rt->arena[LT_STATE];
	float *out = (float *)(io + rt->prog->io_logits);
	struct lt_runs cols = lt_runs(rt, &rt->prog->cols, NULL);
	struct lt_move over = adding;

	collect(rt);
	memset(out, 0, 4 * V);
	for (uint32_t i = 0; i < cols.n; tok += cols.r[i++].len) {
		uint64_t k = (uint64_t)rt->at - cols.r[i].start;

		if (k < cols.r[i].len)
			memcpy(out, w + tok[k] * V, 4 * V);
	}
	/* not over dp, which has other sequences */
	over.name = "logits";
	for (over.n = 0; over.n + 1 < adding.n; over.n++)
		over.hop[over.n] = adding.hop[over.n + 1];
	if (over.n)
		move(rt, &over, out, out, V);
}

/* ---- on a device: one kernel does what it is told ---- */

struct told {
	struct lt *rt;
	void (*what)(struct lt *);
};

void obey(const void *args, const unsigned grid[3], unsigned threads,
    unsigned smem);

void
obey(const void *args, const unsigned grid[3], unsigned threads, unsigned smem)
{
	const struct told *t = args;

	(void)grid;
	(void)threads;
	(void)smem;
	t->what(t->rt);
}

static const char code[] = "FAKE\nobey 16\n";
_Static_assert(sizeof(struct told) == 16, "as the code says");
static const struct lt_cubin cubin = {"sm_90a", code, sizeof code};
static const struct lt_unit unit = {.name = "all", .arch_max = 999,
    .source = "extern \"C\" __global__ void obey(long, long) {}",
    .cubin = &cubin, .ncubin = 1};
static const struct lt_kernel kernel = {.name = "obey", .threads = 32,
    .args = sizeof(struct told), .where = NULL, .emulated = obey};

static void
run(struct lt *rt, void (*what)(struct lt *))
{
	const unsigned grid[3] = {1, 1, 1};
	struct told t = {rt, what};

	if (!rt->gpu) {
		what(rt);
		return;
	}
	lt_at(rt, "bigram.lt:9 obey");
	lt_gpu_launch(rt, 0, grid, &t);
	rt->gpu->device->synchronize(rt->gpu);
}

static void
step(struct lt *rt)
{
	const char *device = setting("FAKE_DEVICE");

	run(rt, train);
	if (device && strcmp(device, "host") == 0)
		rt->loss += *(const float *)rt->arena[LT_STATE];
}

static void
eval(struct lt *rt)
{
	run(rt, evaluate);
}

static void
logits(struct lt *rt)
{
	run(rt, predict);
}

static void
refresh(struct lt *rt)
{
	(void)rt;
	if (setting("FAKE_EARLY"))
		raise(SIGINT);
}

static struct lt_program program = {
    .abi = LT_ABI, .name = "bigram", .version = "test", .hash = 0x5eed,
    .plan = "{}", .micro = MICRO, .batch = B, .seq = S, .vocab = V,
    .parameters = N, .flops_step = 3e6, .flops_hardware = 3e6,
    .flops_formula = "3 x forward", .work = work,
    .arena = {24 * N, 0, 1000, MICRO * TOKENS * 12 + 4 * B * V, 0},
    .rows = {.size = B}, .cols = {.size = S}, .io_tok = 0, .io_lab = MICRO * TOKENS * 4, .io_doc = UINT64_MAX,
    .io_logits = MICRO * TOKENS * 12, .tensor = tensors, .ntensor = 1,
    .recipe = {.steps = 20, .warmup = 2, .schedule = LT_COSINE, .lr = 0.05,
	.lr_min = 0.005, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8,
	.seed = 7, .format = "auto", .val_fraction = 0.1,
	.eval_batches = 4, .keep_last = 2, .log_every = 5, .eos = -1,
	.ignore = -100},
    .step = step, .eval = eval, .logits = logits, .refresh = refresh,
};

/* "2x2x4" */
static void
set_mesh(struct lt_program *p, const char *s)
{
	static const char *const names[] = {"dp", "co", "ci"};

	for (; s && *s && p->naxis < 3; p->naxis++) {
		char *end;
		int i = p->naxis;

		p->axis[i] = names[i];
		p->axis_size[i] = (int)strtol(s, &end, 10);
		adding.hop[i] = (struct lt_hop){(int8_t)i, -1, -1, 0};
		gather.hop[i] = (struct lt_hop){(int8_t)i, 0, -1, 0};
		scatter.hop[i] = (struct lt_hop){(int8_t)i, -1, 0, 0};
		flat.axis[i] = (uint8_t)i;
		s = *end ? end + 1 : end;
	}
	adding.n = gather.n = scatter.n = flat.n = (uint8_t)p->naxis;
	if (p->naxis > 0) {
		p->rows.n = 1;
		p->rows.s[0].n = 1;
	}
	if (p->naxis > 1) {
		p->cols.n = 1;
		p->cols.s[0].kind = LT_ZIGZAG;
		p->cols.s[0].n = (uint8_t)(p->naxis - 1);
		p->cols.s[0].axis[0] = 1;
		p->cols.s[0].axis[1] = 2;
	}
}

/* What a runtime that opens a line for each before the first step reads. */
static void
set_moves(struct lt_program *p)
{
	static struct lt_move all[3];

	all[0] = adding;
	all[1] = gather;
	all[2] = scatter;
	p->move = all;
	p->nmove = p->naxis ? 3 : 0;
}

static void
set_flat(struct lt_program *p)
{
	p->flat = &flat;
	p->nflat = 1;
	tensors[0].flat = 0;
	tensors[0].master = tensors[0].grad = UINT64_MAX;
	tensors[0].moment1 = tensors[0].moment2 = UINT64_MAX;
}

int
main(int argc, char **argv)
{
	program.recipe.train = setting("FAKE_TRAIN");
	if (setting("FAKE_FORMAT"))
		program.recipe.format = setting("FAKE_FORMAT");
	program.vocab = number("FAKE_VOCAB", V);
	program.abi = (uint32_t)number("FAKE_ABI", LT_ABI);
	program.arena[LT_ACT] += (uint64_t)number("FAKE_HUGE", 0) << 30;
	program.recipe.s = number("FAKE_S", 0);
	set_mesh(&program, setting("FAKE_MESH"));
	set_moves(&program);
	if (setting("FAKE_FLAT"))
		set_flat(&program);
	if (setting("FAKE_DEVICE")) {
		program.device = strcmp(setting("FAKE_DEVICE"), "cuda") == 0 ?
		    LT_DEVICE_CUDA : LT_DEVICE_EMU;
		program.unit = &unit;
		program.kernel = &kernel;
		program.nunit = program.nkernel = 1;
	}
	if (setting("FAKE_LOGITS"))
		program.logits = NULL;
	if (setting("FAKE_SKIP"))
		program.recipe.nan_policy = LT_NAN_SKIP;
	if (setting("FAKE_EOS")) {
		program.recipe.eos = (int32_t)number("FAKE_EOS", 0);
		program.io_doc = MICRO * TOKENS * 8;
	}
	return lt_main(argc, argv, &program);
}
