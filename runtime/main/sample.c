/*
 * Text the model makes up.
 *
 * Token by token: the last tokens that fit go into sequence 0, the program
 * gives the logits at the last of them, and one of the top k is drawn with
 * probability proportional to exp(logit / temperature).  Draw i is a function
 * of the seed and i.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/comm/world.h"
#include "runtime/gpu/device.h"
#include "runtime/gpu/host.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"
#include "runtime/main/signals.h"
#include "support/rng.h"

/* ---- prompt ---- */

static bool
is_bytes(const struct lt_run *run)
{
	return run->data.file.format == LT_FORMAT_BYTES;
}

static int
bad_prompt(const struct lt_program *p, const char *at)
{
	return lt_fail(LT_EXIT_USAGE,
	    "--prompt: '%.20s' does not begin with a token number from 0 to "
	    "%lld", at, (long long)p->vocab - 1);
}

/* Numbers between blanks or commas; tok holds one per two characters. */
static int
read_numbers(const struct lt_program *p, const char *s, int32_t *tok,
    size_t *n)
{
	*n = 0;
	for (;;) {
		char *end;
		long v;

		s += strspn(s, ", \t\n");
		if (!*s)
			return LT_OK;
		errno = 0;
		v = strtol(s, &end, 10);
		if (!isdigit((unsigned char)*s) || errno || v >= p->vocab ||
		    v > INT32_MAX || (*end && !strchr(", \t\n", *end)))
			return bad_prompt(p, s);
		tok[(*n)++] = (int32_t)v;
		s = end;
	}
}

static int
read_prompt(const struct lt *rt, int32_t *tok, size_t *n)
{
	const struct lt_run *run = rt->run;
	const char *s = run->opt.prompt ? run->opt.prompt : "";
	int rc = LT_OK;

	*n = 0;
	if (is_bytes(run))
		for (; *s; s++) {
			if ((unsigned char)*s >= rt->prog->vocab)
				return bad_prompt(rt->prog, s);
			tok[(*n)++] = (unsigned char)*s;
		}
	else
		rc = read_numbers(rt->prog, s, tok, n);
	if (!rc && *n == 0) /* what text most likely starts after */
		tok[(*n)++] = rt->prog->recipe.eos >= 0 ?
		    rt->prog->recipe.eos :
		    is_bytes(run) && rt->prog->vocab > '\n' ? '\n' : 0;
	return rc;
}

/* ---- drawing ---- */

struct choice {
	float logit;
	int32_t token;
};

/* Likeliest first; equal ones by number, so that the order is total. */
static int
by_logit(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;

	if (x->logit != y->logit)
		return x->logit < y->logit ? 1 : -1;
	return (x->token > y->token) - (x->token < y->token);
}

static int32_t
draw(const float *logit, struct choice *c, int64_t vocab,
    const struct lt_options *o, double u)
{
	int64_t k = o->top_k > 0 && o->top_k < vocab ? o->top_k : vocab;
	double sum = 0;

	for (int64_t i = 0; i < vocab; i++)
		c[i] = (struct choice){isfinite(logit[i]) ? logit[i] :
		    -HUGE_VALF, (int32_t)i};
	qsort(c, (size_t)vocab, sizeof *c, by_logit);
	if (o->temperature <= 0)
		return c[0].token;
	for (int64_t i = 0; i < k; i++)
		sum += exp(((double)c[i].logit - (double)c[0].logit) /
		    o->temperature);
	u *= sum;
	for (int64_t i = 0; i < k; i++) {
		u -= exp(((double)c[i].logit - (double)c[0].logit) /
		    o->temperature);
		if (u < 0)
			return c[i].token;
	}
	return c[0].token;
}

static size_t
length(const struct lt_runs *r)
{
	size_t n = 0;

	for (uint32_t i = 0; i < r->n; i++)
		n += r->r[i].len;
	return n;
}

/* This rank's part of sequence 0, if it has one: n tokens, then zeros. */
static void
set_tokens(struct lt *rt, const int32_t *tok, size_t n, int32_t *to)
{
	struct lt_runs rows = lt_runs(rt, &rt->prog->rows, NULL);
	struct lt_runs cols = lt_runs(rt, &rt->prog->cols, NULL);

	if (rows.r[0].start != 0)
		return;
	for (uint32_t i = 0; i < cols.n; i++) {
		uint64_t start = cols.r[i].start, len = cols.r[i].len;

		for (uint64_t k = 0; k < len && start + k < n; k++)
			to[k] = tok[start + k];
		to += len;
	}
}

/* The last tokens that fit become sequence 0; returns their number. */
static int64_t
set_context(struct lt *rt, const int32_t *tok, size_t n)
{
	const struct lt_program *p = rt->prog;
	struct lt_runs rows = lt_runs(rt, &p->rows, NULL);
	struct lt_runs cols = lt_runs(rt, &p->cols, NULL);
	size_t all = length(&rows) * length(&cols);
	size_t fit = (size_t)p->seq;
	char *io = rt->arena[LT_IO];
	int32_t *to = lt_borrow(rt, io + p->io_tok, all * sizeof *to,
	    LT_EMPTY);

	if (n < fit)
		fit = n;
	memset(to, 0, all * sizeof *to);
	set_tokens(rt, tok + n - fit, fit, to);
	lt_give_back(rt, io + p->io_tok, all * sizeof *to, to);
	if (p->io_lab != UINT64_MAX)
		lt_clear(rt, io + p->io_lab, all * sizeof *to);
	if (p->io_doc != UINT64_MAX)
		lt_clear(rt, io + p->io_doc, all * sizeof *to);
	return (int64_t)fit;
}

/* ---- printing ---- */

/* Bytes as text: line ends, tabs and whole UTF-8 sequences as they are, all
 * else escaped, so that a sample cannot command the terminal. */
static size_t
utf8_length(const int32_t *s, size_t n)
{
	size_t want = s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 &&
	    s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 1;

	if (want == 1 || want > n || (want == 2 && s[0] == 0xc2 &&
	    s[1] < 0xa0)) /* C1 controls */
		return 1;
	for (size_t i = 1; i < want; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 1;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 1;
	return want;
}

/* Prints what is certain of s[0..n-1]: all if it is the end, else what the
 * next three bytes cannot change.  Returns how many bytes that were. */
static size_t
print_text(const int32_t *s, size_t n, bool end)
{
	size_t at = 0;

	while (at < n && (end || n - at >= 4)) {
		size_t len = utf8_length(s + at, n - at);
		int32_t c = s[at];

		if (len > 1 || c == '\n' || c == '\t' || (c >= 32 && c < 127))
			for (size_t i = 0; i < len; i++)
				putchar(s[at + i]);
		else
			printf("\\x%02x", (unsigned)c);
		at += len;
	}
	return at;
}

static size_t
print_numbers(const int32_t *s, size_t n, bool end)
{
	(void)end;
	for (size_t i = 0; i < n; i++)
		printf("%d ", s[i]);
	return n;
}

/* Rank 0, which has the logits of sequence 0, draws for all; -1: a signal
 * asks for the end. */
static int32_t
next_token(struct lt *rt, struct choice *choice, int64_t i)
{
	const struct lt_program *p = rt->prog;
	int32_t t = -1;

	if (rt->rank == 0 && !lt_signals_stop()) {
		float *logits = lt_borrow(rt, rt->arena[LT_IO] + p->io_logits,
		    (uint64_t)p->vocab * sizeof *logits, LT_AS_IT_IS);

		t = draw(logits, choice, p->vocab, &rt->run->opt,
		    lt_rng_uniform(p->recipe.seed, lt_fnv1a64("sample"),
		    (uint64_t)i));
		lt_forget(rt, logits);
	}
	lt_world_broadcast(rt, &t, sizeof t);
	return t;
}

/* Prints nothing on the other ranks. */
static size_t
print_none(const int32_t *s, size_t n, bool end)
{
	(void)s;
	(void)end;
	return n;
}

/* Prints while it goes: a token may take a while. */
static int
generate(struct lt *rt, int32_t *tok, size_t n, struct choice *choice)
{
	const struct lt_program *p = rt->prog;
	const struct lt_options *o = &rt->run->opt;
	size_t (*print)(const int32_t *, size_t, bool) = rt->rank ?
	    print_none : is_bytes(rt->run) ? print_text : print_numbers;
	size_t shown = print(tok, n, false);

	rt->training = false;
	for (int64_t i = 0; i < o->sample; i++) {
		rt->at = set_context(rt, tok, n) - 1;
		lt_gpu_begin(rt);
		p->logits(rt);
		tok[n] = next_token(rt, choice, i);
		if (tok[n] < 0)
			break;
		n++;
		shown += print(tok + shown, n - shown, false);
		fflush(stdout);
	}
	print(tok + shown, n - shown, true);
	if (rt->rank > 0)
		return LT_OK;
	putchar('\n');
	return fflush(stdout) == 0 && !ferror(stdout) ? LT_OK :
	    lt_fail(LT_EXIT_IO, "cannot write the sample: %s",
	    strerror(errno));
}

/* Room for the prompt, or for one token instead, and for the sample. */
static int32_t *
allocate(const struct lt_options *o)
{
	size_t n = (o->prompt ? strlen(o->prompt) : 0) + 1;

	return calloc(n + (size_t)o->sample, sizeof(int32_t));
}

int
lt_sample_check(const struct lt *rt)
{
	const struct lt_options *o = &rt->run->opt;
	int32_t *tok;
	size_t n;
	int rc;

	if (!o->sample)
		return LT_OK;
	if (!rt->prog->logits)
		return lt_fail(LT_EXIT_CONFIG,
		    "--sample: this program computes no logits");
	tok = allocate(o);
	rc = tok ? read_prompt(rt, tok, &n) :
	    lt_fail(LT_EXIT_FAIL, "no memory for a sample");
	free(tok);
	return rc;
}

int
lt_sample(struct lt *rt)
{
	const struct lt_options *o = &rt->run->opt;
	struct choice *choice;
	int32_t *tok;
	size_t n;
	int rc;

	if (!o->sample || rt->run->stop)
		return LT_OK;
	tok = allocate(o);
	choice = calloc((size_t)rt->prog->vocab, sizeof *choice);
	if (!tok || !choice)
		rc = lt_fail(LT_EXIT_FAIL, "no memory for a sample");
	else if ((rc = read_prompt(rt, tok, &n)) == LT_OK)
		rc = generate(rt, tok, n, choice);
	free(tok);
	free(choice);
	return rc;
}
