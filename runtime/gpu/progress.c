/* Numbers that streams write. */
#include "config.h"

#include "runtime/gpu/progress.h"

#include <stdlib.h>

#include "runtime/gpu/cuda.h"

/* Words on lines of their own. */
enum { APART = 64 / sizeof(uint32_t) };

static struct lt_progress *
of(struct lt_gpu *g, enum lt_stream s)
{
	return &((struct lt_cuda *)g->self)->progress[s];
}

int
lt_progress_open(struct lt_gpu *g)
{
	struct lt_cuda *c = g->self;
	lt_cu_ptr at = 0;
	void *p = NULL;
	uint32_t *word;
	int r = c->cu->host_alloc(&p, LT_STREAMS * APART * sizeof *word,
	    LT_CU_HOST_PORTABLE);

	r = r ? r : c->cu->host_address(&at, p, 0);
	word = p;
	for (int i = 0; word && i < LT_STREAMS; i++) {
		struct lt_progress *x = of(g, (enum lt_stream)i);

		x->word = word + i * APART;
		*x->word = 0;
		x->at = at + (unsigned)i * APART * sizeof *word;
		if (!lt_gpu_has(g, i))
			continue;
		x->ring = calloc(LT_PROGRESS_RING, sizeof *x->ring);
		if (!x->ring)
			return LT_CU_NO_MEMORY;
	}
	return r;
}

void
lt_progress_close(struct lt_gpu *g)
{
	struct lt_cuda *c = g->self;

	if (c->progress[0].word)
		(void)c->cu->host_free((void *)(uintptr_t)
		    c->progress[0].word);
	for (int i = 0; i < LT_STREAMS; i++) {
		free(c->progress[i].captured);
		free(c->progress[i].ring);
	}
}

/* ---- numbers ---- */

bool
lt_progress_reserve(struct lt_gpu *g, enum lt_stream s, uint32_t n)
{
	struct lt_progress *x = of(g, s);
	struct lt_passed *p;

	if (n <= (uint32_t)x->room)
		return true;
	p = realloc(x->captured, n * sizeof *p);
	if (!p)
		return false;
	x->captured = p;
	x->room = (int)n;
	return true;
}

void
lt_progress_count(struct lt_gpu *g, enum lt_stream s, struct lt_passed what)
{
	struct lt_cuda *c = g->self;
	struct lt_progress *x = of(g, s);

	x->last++;
	what.order = c->enqueued++;
	if (!c->capturing)
		x->ring[x->last % LT_PROGRESS_RING] = what;
	else if (x->n < x->room ||
	    lt_progress_reserve(g, s, 2 * (uint32_t)x->room + 1024))
		x->captured[x->n++] = what;
	else
		(void)lt_cuda_spoil(g, LT_CU_NO_MEMORY, "a graph");
	lt_cuda_must(g, c->cu->stream_write(c->stream[s], x->at, x->last, 0),
	    "counting what is done");
}

const struct lt_passed *
lt_progress_next(struct lt_gpu *g, enum lt_stream s)
{
	const struct lt_cuda *c = g->self;
	const struct lt_progress *x = of(g, s);
	uint32_t n = x->word ? *x->word + 1 : 0;

	if (c->replays)
		return n - x->first < (uint32_t)x->n ?
		    &x->captured[n - x->first] : NULL;
	return n && n <= x->last && x->last - n < LT_PROGRESS_RING ?
	    &x->ring[n % LT_PROGRESS_RING] : NULL;
}

const struct lt_passed *
lt_progress_move(struct lt_gpu *g, int *lane)
{
	const struct lt_passed *first = NULL;

	for (int i = LT_LANE; i < LT_STREAMS; i++) {
		const struct lt_passed *x = lt_gpu_has(g, i) ?
		    lt_progress_next(g, (enum lt_stream)i) : NULL;

		if (!x || (first && first->order < x->order))
			continue;
		first = x;
		*lane = i - LT_LANE;
	}
	return first;
}

uint64_t
lt_progress_sum(struct lt_gpu *g)
{
	uint64_t sum = 0;

	for (int i = 0; i < LT_STREAMS; i++)
		sum += *of(g, (enum lt_stream)i)->word;
	return sum;
}

/* ---- graphs ---- */

void
lt_progress_capture(struct lt_gpu *g)
{
	for (int i = 0; i < LT_STREAMS; i++) {
		struct lt_progress *x = of(g, (enum lt_stream)i);

		x->first = x->last + 1;
		x->n = 0;
	}
}

/* What was captured in vain has had no numbers. */
void
lt_progress_captured(struct lt_gpu *g, bool ok)
{
	for (int i = 0; !ok && i < LT_STREAMS; i++) {
		struct lt_progress *x = of(g, (enum lt_stream)i);

		x->last = x->first - 1;
	}
}

void
lt_progress_replay(struct lt_gpu *g)
{
	for (int i = 0; i < LT_STREAMS; i++)
		*of(g, (enum lt_stream)i)->word = of(g, (enum lt_stream)i)
		    ->first - 1;
}

void
lt_progress_replayed(struct lt_gpu *g)
{
	for (int i = 0; i < LT_STREAMS; i++)
		*of(g, (enum lt_stream)i)->word = of(g, (enum lt_stream)i)
		    ->last;
}
