/*
 * Streams, events and captures of fake_cuda.c.
 *
 * Everything happens as late as it may: what is enqueued on a stream waits
 * until somebody synchronises with it, or with something that waits for it by
 * an event.  So what the caller has not ordered happens in the wrong order.
 *
 * A stream that is captured does nothing.  Its operations, and those of streams
 * that wait for its events, become branches of a graph; each launch makes a
 * stream of every branch, after what the launching stream had to do, and with
 * the waits of the capture alone.  What CUDA forbids meanwhile is an error and
 * spoils the capture: to wait for a captured stream or ask it, to allocate, to
 * copy from or to memory of the host that is not locked, to wait for what was
 * recorded before, to leave a branch that nobody waits for.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INVALID = 1, NO_MEMORY = 2, NO_DEVICE = 100, BAD_HANDLE = 400,
	BAD_STATE = 401, NOT_READY = 600, CAPTURE_UNSUPPORTED = 900,
	CAPTURE_INVALIDATED = 901, CAPTURE_MERGE = 902, CAPTURE_UNJOINED = 904,
	CAPTURE_ISOLATION = 905, CAPTURED_EVENT = 907, WRONG_THREAD = 908 };
enum { BRANCHES = 32 };

typedef void emulated(const void *, const unsigned[3], unsigned, unsigned);

struct function {
	struct function *next;
	char name[96];
	size_t args;
	emulated *run;
};

struct instance { /* of an event: one record */
	struct stream *stream;
	bool done;
	double when; /* ms */
	/* In a capture: what of each branch is before it; the launch's. */
	struct capture *in;
	unsigned seen[BRANCHES];
	struct instance *launched;
};

struct op {
	struct op *next;
	enum { KERNEL, COPY, FILL, WRITE, RECORD, WAIT, CALL } kind;
	int (*call)(void *);   /* CALL: 0 for not yet */
	void *(*again)(void *, void *stream); /* its argument for a launch */
	struct function *function;
	unsigned grid[3], threads, smem;
	char *args;
	void *dst;
	const void *src;
	size_t n;
	uint32_t value;
	double due;            /* ms: a slow kernel is over then */
	struct instance *at;
};

struct stream {
	struct op *head, **tail;
	int number;
	bool running;
	struct capture *capture; /* NULL: none */
	int branch;
	unsigned seen[BRANCHES];
};

struct event {
	struct instance *last;
	bool timing;
};

/* Also the graph that comes of it. */
struct capture {
	struct stream *origin;
	pthread_t owner;
	bool ended, spoiled;
	int n, nodes;
	struct branch {
		struct stream *stream;
		struct op *head, **tail;
		unsigned count; /* but for records and waits */
	} branch[BRANCHES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int streams, broken;
static __thread struct capture *capturing; /* by this thread */

/* fake_cuda.c */
static int asked(const char *call);
static long slowness(const char *kernel);
static void say(const char *fmt, ...);

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* ---- doing it, late ---- */

static bool drain(struct stream *s, const struct instance *until);

/* Not yet over; its time begins when its turn comes. */
static bool
is_slow(struct op *o)
{
	if (!o->due)
		o->due = now_ms() + (double)slowness(o->function->name);
	return now_ms() < o->due;
}

/* False: it has to wait for what is not enqueued yet, or for the time. */
static bool
perform(struct op *o)
{
	switch (o->kind) {
	case CALL:
		return o->call(o->args);
	case KERNEL:
		if (is_slow(o))
			return false;
		broken = asked(o->function->name);
		if (o->function->run && !broken)
			o->function->run(o->args, o->grid, o->threads,
			    o->smem);
		break;
	case COPY:
		memmove(o->dst, o->src, o->n);
		break;
	case FILL:
		memset(o->dst, (int)o->value, o->n);
		break;
	case WRITE:
		memcpy(o->dst, &o->value, sizeof o->value);
		break;
	case RECORD:
		o->at->done = true;
		o->at->when = now_ms();
		break;
	case WAIT:
		if (!o->at->done)
			drain(o->at->stream, o->at);
		return o->at->done || broken;
	}
	return true;
}

/* All of a stream, or what is before a place in it; false: not all of that. */
static bool
drain(struct stream *s, const struct instance *until)
{
	if (s->running)
		return false;
	s->running = true;
	while (s->head && !(until && until->done) && !broken) {
		struct op *o = s->head;

		if (!perform(o))
			break;
		s->head = o->next;
		if (!s->head)
			s->tail = &s->head;
		if (o->kind != CALL)
			free(o->args);
		free(o);
	}
	s->running = false;
	return broken || (until ? until->done : !s->head);
}

static void
append(struct op ***tail, struct op o)
{
	struct op *x = malloc(sizeof *x);

	*x = o;
	x->next = NULL;
	**tail = x;
	*tail = &x->next;
}

static struct stream *
new_stream(int number)
{
	struct stream *s = calloc(1, sizeof *s);

	s->tail = &s->head;
	s->number = number;
	return s;
}

/* ---- capture ---- */

static int
spoil(struct capture *c, int code)
{
	c->spoiled = true;
	return code;
}

/* Calls that a thread must not make while it captures. */
static int
forbidden(void)
{
	return capturing ? spoil(capturing, CAPTURE_UNSUPPORTED) : 0;
}

static void
join(struct stream *s, struct capture *c)
{
	struct branch *b = &c->branch[c->n];

	if (c->n == BRANCHES)
		abort();
	s->capture = c;
	s->branch = c->n++;
	memset(s->seen, 0, sizeof s->seen);
	*b = (struct branch){.stream = s};
	b->tail = &b->head;
}

static int
enqueue(struct stream *s, struct op o)
{
	struct capture *c = s->capture;

	if (!c) {
		append(&s->tail, o);
		return 0;
	}
	if (c->spoiled)
		return CAPTURE_INVALIDATED;
	append(&c->branch[s->branch].tail, o);
	c->nodes++;
	s->seen[s->branch] = ++c->branch[s->branch].count;
	return 0;
}

static int
record(struct stream *s, struct event *e)
{
	struct instance *x = calloc(1, sizeof *x);
	struct op o = {.kind = RECORD, .at = x};

	x->stream = s;
	e->last = x;
	if (!s->capture) {
		append(&s->tail, o);
		return 0;
	}
	if (s->capture->spoiled)
		return CAPTURE_INVALIDATED;
	x->in = s->capture;
	memcpy(x->seen, s->seen, sizeof x->seen);
	append(&x->in->branch[s->branch].tail, o);
	return 0;
}

static int
wait_captured(struct stream *s, struct instance *x)
{
	if (x->in->ended)
		return s->capture ? spoil(s->capture, CAPTURE_ISOLATION) :
		    CAPTURED_EVENT;
	if (!s->capture)
		join(s, x->in);
	if (s->capture != x->in)
		return spoil(s->capture, CAPTURE_MERGE);
	if (x->in->spoiled)
		return CAPTURE_INVALIDATED;
	for (int i = 0; i < BRANCHES; i++)
		if (x->seen[i] > s->seen[i])
			s->seen[i] = x->seen[i];
	append(&x->in->branch[s->branch].tail, (struct op){.kind = WAIT,
	    .at = x});
	return 0;
}

/* Instances are never freed: others may still wait for them. */
static int
wait_for(struct stream *s, struct event *e)
{
	if (!e->last)
		return 0;
	if (e->last->in)
		return wait_captured(s, e->last);
	if (s->capture)
		return spoil(s->capture, CAPTURE_ISOLATION);
	append(&s->tail, (struct op){.kind = WAIT, .at = e->last});
	return 0;
}

static int
begin_capture(struct stream *s, int mode)
{
	struct capture *c;

	if (s->capture || capturing || mode != 1)
		return BAD_STATE;
	c = calloc(1, sizeof *c);
	c->origin = s;
	c->owner = pthread_self();
	join(s, c);
	capturing = c;
	return 0;
}

static int
end_capture(struct stream *s, struct capture **graph)
{
	struct capture *c = s->capture;
	bool joined = true;

	*graph = NULL;
	if (!c || c->origin != s)
		return BAD_STATE;
	if (!pthread_equal(c->owner, pthread_self()))
		return spoil(c, WRONG_THREAD);
	capturing = NULL;
	c->ended = true;
	for (int i = 0; i < c->n; i++) {
		joined = joined && s->seen[i] == c->branch[i].count;
		c->branch[i].stream->capture = NULL;
	}
	if (c->spoiled)
		return CAPTURE_INVALIDATED;
	if (!joined)
		return CAPTURE_UNJOINED;
	*graph = c;
	return 0;
}

/* ---- launch ---- */

static struct instance *
mark(struct stream *s)
{
	struct instance *x = calloc(1, sizeof *x);

	x->stream = s;
	append(&s->tail, (struct op){.kind = RECORD, .at = x});
	return x;
}

static void
launch_op(struct stream *s, const struct op *from)
{
	struct op o = *from;

	if (o.kind == CALL)
		o.args = o.again(o.args, s);
	if (o.kind == KERNEL) {
		o.args = aligned_alloc(128, (o.function->args + 255) / 128 *
		    128);
		memcpy(o.args, from->args, o.function->args);
	}
	if (o.at)
		o.at = o.at->launched;
	append(&s->tail, o);
}

static void
launch_graph(const struct capture *c, struct stream *s)
{
	struct stream *of[BRANCHES];
	struct instance *begin = mark(s);

	for (int i = 0; i < c->n; i++) {
		of[i] = new_stream(c->branch[i].stream->number);
		for (const struct op *o = c->branch[i].head; o; o = o->next) {
			if (o->kind != RECORD)
				continue;
			o->at->launched = calloc(1, sizeof *o->at);
			o->at->launched->stream = of[i];
		}
	}
	for (int i = 0; i < c->n; i++) {
		append(&of[i]->tail, (struct op){.kind = WAIT, .at = begin});
		for (const struct op *o = c->branch[i].head; o; o = o->next)
			launch_op(of[i], o);
		append(&s->tail, (struct op){.kind = WAIT,
		    .at = mark(of[i])});
	}
}
