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
 */
#include "config.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/loong_rt.h"

enum { B = 4, S = 32, V = 256, MICRO = 2, N = V * V, TOKENS = B * S };

/* State: w, its gradient, two moments.  IO: tokens, labels, documents of
 * each microbatch, then logits. */
static const struct lt_tensor tensors[] = {
    {.name = "bigram.w", .rank = 2, .shape = {V, V}, .init = LT_INIT_NORMAL,
	.init_a = 0.02, .decay = true, .count = N, .master = 0,
	.grad = 4 * N, .moment1 = 8 * N, .moment2 = 12 * N,
	.cast = UINT64_MAX, .flat = -1},
};

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

static double
forward(struct lt *rt, int tokens, float *grad)
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
		sum += pair(w + tok[i] * V, vocab, lab[i], p);
		p[lab[i]] -= 1;
		for (int j = 0; grad && j < vocab; j++)
			grad[tok[i] * V + j] += p[j] / (float)tokens;
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
	if (rt->step == labs(spin)) {
		raise(SIGTERM);
		if (spin < 0)
			raise(SIGTERM);
	}
	if (ms)
		nanosleep(&t, NULL);
}

static void
step(struct lt *rt)
{
	char *state = rt->arena[LT_STATE];
	float *w = (float *)state, *g = (float *)(state + 4 * N);
	float *m = (float *)(state + 8 * N), *v = (float *)(state + 12 * N);

	memset(g, 0, 4 * N);
	rt->loss = (float)(forward(rt, MICRO * TOKENS, g) /
	    (MICRO * TOKENS));
	rt->gnorm = (float)sqrt(lt_sumsq(rt, N, g));
	misbehave(rt);
	if (!lt_step_ok(rt, rt->loss, rt->gnorm))
		return;
	lt_adamw(rt, N, w, g, m, v, NULL, 1, true);
}

static void
eval(struct lt *rt)
{
	rt->eval_nll += forward(rt, TOKENS, NULL);
	rt->eval_count += TOKENS;
}

static void
logits(struct lt *rt)
{
	char *io = rt->arena[LT_IO];
	const int32_t *tok = (const int32_t *)(io + rt->prog->io_tok);
	const float *w = (const float *)rt->arena[LT_STATE];

	memcpy(io + rt->prog->io_logits, w + tok[rt->at] * V, 4 * V);
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
    .arena = {16 * N, 0, 1000, MICRO * TOKENS * 12 + 4 * B * V, 0},
    .rows = {.size = B}, .cols = {.size = S}, .io_tok = 0, .io_lab = MICRO * TOKENS * 4, .io_doc = UINT64_MAX,
    .io_logits = MICRO * TOKENS * 12, .tensor = tensors, .ntensor = 1,
    .recipe = {.steps = 20, .warmup = 2, .schedule = LT_COSINE, .lr = 0.05,
	.lr_min = 0.005, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8,
	.seed = 7, .format = "auto", .val_fraction = 0.1,
	.eval_batches = 4, .keep_last = 2, .log_every = 5, .eos = -1,
	.ignore = -100},
    .step = step, .eval = eval, .logits = logits, .refresh = refresh,
};

int
main(int argc, char **argv)
{
	program.recipe.train = setting("FAKE_TRAIN");
	if (setting("FAKE_FORMAT"))
		program.recipe.format = setting("FAKE_FORMAT");
	program.vocab = number("FAKE_VOCAB", V);
	program.abi = (uint32_t)number("FAKE_ABI", LT_ABI);
	program.arena[LT_ACT] += (uint64_t)number("FAKE_HUGE", 0) << 30;
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
