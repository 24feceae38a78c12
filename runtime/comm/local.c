/* Ranks as threads: slots that say where sources are. */
#define _GNU_SOURCE
#include "config.h"

#include "runtime/comm/local.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/comm/comm.h"
#include "runtime/cpu/pool.h"
#include "runtime/gpu/device.h"

/* Steps of a channel that may be under way at a time; bytes of a small
 * step; how often a sleeper looks whether the run has failed. */
enum { SLOTS = 4 * LT_LANE_DEPTH, SMALL = 256, LOOK_MS = 100 };

/* Steps seq, seq + SLOTS, .. of one member.  The words hold the number of the
 * step plus one, and only grow. */
struct slot {
	_Alignas(64) atomic_uint posted; /* op, small, name can be read */
	atomic_uint taken;               /* I have read all I need of others */
	atomic_int sleepers;             /* on either word */
	bool busy;                       /* the owner's: op is in use */
	const struct lt_op *op;
	const char *name;
	int kind, npair;
	struct lt_event *sent, *read; /* on a device: the words' places in the
	                                 owner's streams */
	char small[SMALL];
};

/* One lane of one group; members in the order of ranks. */
struct shared {
	struct shared *next;
	uint32_t axes;
	int lane, base, n;
	struct slot *slot; /* [n][SLOTS] */
};

/* A rank's end of it. */
struct lt_channel {
	struct lt_channel *next;
	struct shared *shared;
	uint32_t seq;
	struct lt_event *event[SLOTS][2];
};

struct lt_local {
	const struct lt_program *prog;
	atomic_int failed;
	atomic_bool *waits;   /* each rank: for another one */
	pthread_mutex_t lock; /* of the list */
	struct shared *list;
};

/* ---- waiting ---- */

static bool
reached(atomic_uint *word, uint32_t want)
{
	return (int32_t)(atomic_load(word) - want) >= 0;
}

static void
set_waits(struct lt_comm *c, bool waits)
{
	atomic_store(&((struct lt_local *)c->world)->waits[c->rank], waits);
}

static void
check_failed(struct lt_comm *c)
{
	int code = atomic_load(&((struct lt_local *)c->world)->failed);

	if (code)
		lt_comm_escape(c, code);
}

static void
heed(struct lt_comm *c, void (*first)(struct lt_comm *))
{
	if (!atomic_load(&((struct lt_local *)c->world)->failed))
		return;
	first(c);
	check_failed(c);
}

static void
sleep_on(struct slot *s, atomic_uint *word, uint32_t want)
{
	struct timespec t = {0, LOOK_MS * 1000000};
	unsigned seen;

	atomic_fetch_add(&s->sleepers, 1);
	seen = atomic_load(word);
	if ((int32_t)(seen - want) < 0)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, &t, NULL,
		    0);
	atomic_fetch_sub(&s->sleepers, 1);
}

/* False if the word has not come that far at the deadline. */
static bool
sleep_until(struct lt_comm *c, struct slot *s, atomic_uint *word,
    uint32_t want)
{
	double end = lt_now() + c->timeout;

	while (!reached(word, want)) {
		check_failed(c);
		if (lt_now() > end)
			return false;
		sleep_on(s, word, want);
	}
	return true;
}

static bool
await(struct lt_comm *c, struct slot *s, atomic_uint *word, uint32_t want)
{
	for (int i = lt_pool_patience(); i > 0; i--) {
		if (reached(word, want))
			return true;
		lt_pool_pause();
	}
	if (reached(word, want))
		return true;
	set_waits(c, true);
	if (!sleep_until(c, s, word, want))
		return false; /* and waits still, for those who also give up */
	set_waits(c, false);
	return true;
}

static void
advance(struct slot *s, atomic_uint *word, uint32_t to)
{
	atomic_store(word, to);
	if (atomic_load(&s->sleepers) > 0)
		syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1 << 30, NULL,
		    NULL, 0);
}

/* ---- channels ---- */

static struct shared *
shared_new(const struct lt_op *op)
{
	struct shared *s = calloc(1, sizeof *s);
	size_t bytes = (size_t)op->group.n * SLOTS * sizeof *s->slot;

	if (!s)
		return NULL;
	*s = (struct shared){.axes = op->group.axes, .lane = op->move->lane,
	    .base = op->group.base, .n = op->group.n,
	    .slot = aligned_alloc(64, bytes)};
	if (!s->slot) {
		free(s);
		return NULL;
	}
	memset(s->slot, 0, bytes);
	return s;
}

static bool
is_of(const struct shared *s, const struct lt_op *op)
{
	return s->lane == op->move->lane && s->axes == op->group.axes &&
	    s->base == op->group.base;
}

static struct shared *
shared_find(struct lt_local *w, const struct lt_op *op)
{
	struct shared *s;

	pthread_mutex_lock(&w->lock);
	for (s = w->list; s && !is_of(s, op); s = s->next)
		continue;
	if (!s && (s = shared_new(op)) != NULL) {
		s->next = w->list;
		w->list = s;
	}
	pthread_mutex_unlock(&w->lock);
	return s;
}

static void
make_events(struct lt_comm *c, struct lt_channel *ch)
{
	struct lt_gpu *g = c->device->gpu;

	for (int i = 0; i < SLOTS; i++)
		for (int k = 0; k < 2; k++)
			ch->event[i][k] = g->device->event(g);
}

static struct lt_channel *
channel_of(struct lt_comm *c, const struct lt_op *op)
{
	struct lt_channel *ch;

	for (ch = c->channels; ch; ch = ch->next)
		if (is_of(ch->shared, op))
			return ch;
	ch = calloc(1, sizeof *ch);
	if (!ch || !(ch->shared = shared_find(c->world, op))) {
		free(ch);
		lt_comm_fail(c, LT_EXIT_FAIL, "out of memory");
	}
	if (op->device)
		make_events(c, ch);
	ch->next = c->channels;
	c->channels = ch;
	return ch;
}

static struct slot *
slot_of(const struct lt_op *op, int member)
{
	return &op->channel->shared->slot[lt_op_place(op, member) * SLOTS +
	    (int)(op->seq % SLOTS)];
}

/* ---- devices ----
 *
 * A word says that something has been enqueued; an event, where.  Who waits
 * for the word then lets its own stream wait for the event.  An event may be
 * recorded again meanwhile, for a later step of its slot: that place, too,
 * comes before everything that waits for it.
 */

static enum lt_stream
stream_of(const struct lt_op *op)
{
	return lt_stream_of(op->move->lane);
}

static struct lt_event *
mark(struct lt_comm *c, struct lt_op *op, int which, enum lt_stream stream)
{
	struct lt_gpu *g = c->device->gpu;
	struct lt_event *e = op->channel->event[op->seq % SLOTS][which];

	g->device->record(g, e, stream);
	return e;
}

static void
follow(struct lt_comm *c, enum lt_stream stream, struct lt_event *e)
{
	struct lt_gpu *g = c->device->gpu;

	g->device->wait(g, stream, e);
}

/* What a large allreduce spreads, its lane has added up. */
static void
mark_sent(struct lt_comm *c, struct lt_op *op, struct slot *s)
{
	s->sent = mark(c, op, 0, op->phase == LT_PHASE_SPREAD ?
	    stream_of(op) : LT_COMPUTE);
	follow(c, stream_of(op), s->sent);
}

static void
free_events(struct lt_comm *c, struct lt_channel *ch)
{
	for (int i = 0; i < SLOTS; i++)
		for (int k = 0; k < 2; k++)
			if (ch->event[i][k])
				c->device->gpu->device->event_free(
				    c->device->gpu, ch->event[i][k]);
}

/* ---- the transport ---- */

/* The slot's last step was small and nobody waited for it then. */
static void
await_readers(struct lt_comm *c, struct lt_op *op)
{
	if (op->seq < SLOTS)
		return;
	for (int p = 0; p < op->group.n; p++) {
		struct slot *s = slot_of(op, p);

		if (p != op->group.me && !await(c, s, &s->taken,
		    op->seq - SLOTS + 1))
			lt_comm_fail(c, LT_EXIT_COMM, "%s: rank %d is more "
			    "than %d steps behind", op->move->name,
			    lt_group_rank(&op->group, p), SLOTS);
	}
}

static void
copy_small(const struct lt_op *op, char *to)
{
	for (int i = 0; i < op->npair; i++) {
		size_t n = op->pair[i].count * lt_dtype_size(op->move->type);

		memcpy(to, lt_op_src(op, i), n);
		to += n;
	}
}

static void
post(struct lt_comm *c, struct lt_op *op)
{
	struct slot *s;

	check_failed(c);
	op->channel = channel_of(c, op);
	op->seq = op->channel->seq++;
	s = slot_of(op, op->group.me);
	if (s->busy)
		lt_comm_fail(c, LT_EXIT_INTERNAL, "%s: more than %d transfers "
		    "are under way on one lane", op->move->name, SLOTS);
	await_readers(c, op);
	s->busy = true;
	s->op = op;
	s->name = op->move->name;
	s->kind = op->move->kind;
	s->npair = op->npair;
	if (op->device)
		mark_sent(c, op, s);
	if (op->small && op->to != LT_OP_NOBODY)
		copy_small(op, s->small);
	advance(s, &s->posted, op->seq + 1);
}

static void
reserve(struct lt_comm *c, struct lt_op *op)
{
	op->channel = channel_of(c, op);
}

static void
release(struct lt_comm *c, struct lt_op *op)
{
	(void)c;
	(void)op;
}

static bool
here(struct lt_comm *c, struct lt_op *op, int member)
{
	(void)c;
	return reached(&slot_of(op, member)->posted, op->seq + 1);
}

static bool
take(struct lt_comm *c, struct lt_op *op, int member, struct lt_view *v)
{
	struct slot *s = slot_of(op, member);

	if (!await(c, s, &s->posted, op->seq + 1))
		return false;
	if (s->name != op->move->name || s->kind != op->move->kind ||
	    s->npair != op->npair)
		lt_comm_fail(c, LT_EXIT_INTERNAL, "is at %s where rank %d is "
		    "at %s", op->move->name,
		    lt_group_rank(&op->group, member), s->name);
	if (op->device)
		follow(c, stream_of(op), s->sent);
	*v = (struct lt_view){op->small ? s->small : NULL, s->op, NULL};
	return true;
}

static bool
waits(struct lt_comm *c, int rank)
{
	return atomic_load(&((struct lt_local *)c->world)->waits[rank]);
}

static void
taken(struct lt_comm *c, struct lt_op *op)
{
	struct slot *s = slot_of(op, op->group.me);

	if (op->device)
		s->read = mark(c, op, 1, stream_of(op));
	advance(s, &s->taken, op->seq + 1);
}

static bool
done(struct lt_comm *c, struct lt_op *op)
{
	for (int p = 0; !op->small && p < op->group.n; p++) {
		struct slot *s = slot_of(op, p);

		if (!lt_op_sends(op, p))
			continue;
		if (!await(c, s, &s->taken, op->seq + 1))
			return false;
		if (op->device)
			follow(c, LT_COMPUTE, s->read);
	}
	if (op->device)
		follow(c, LT_COMPUTE, slot_of(op, op->group.me)->read);
	slot_of(op, op->group.me)->busy = false;
	return true;
}

static bool
claim(struct lt_comm *c, int code)
{
	return lt_local_fail(c->world, code);
}

static void
stop(struct lt_comm *c, int code)
{
	(void)c;
	(void)code;
}

static void
close_rank(struct lt_comm *c)
{
	while (c->channels) {
		struct lt_channel *ch = c->channels;

		c->channels = ch->next;
		if (c->device)
			free_events(c, ch);
		free(ch);
	}
}

static const struct lt_transport local = {
    .name = "local", .post = post, .reserve = reserve,
    .release = release, .take = take, .here = here,
    .waits = waits, .taken = taken, .done = done, .heed = heed,
    .claim = claim, .stop = stop, .close = close_rank,
};

struct lt_local *
lt_local_new(const struct lt_program *prog)
{
	struct lt_local *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->prog = prog;
	w->waits = calloc((size_t)lt_mesh_ranks(prog), sizeof *w->waits);
	if (!w->waits) {
		free(w);
		return NULL;
	}
	pthread_mutex_init(&w->lock, NULL);
	return w;
}

void
lt_local_free(struct lt_local *w)
{
	while (w && w->list) {
		struct shared *s = w->list;

		w->list = s->next;
		free(s->slot);
		free(s);
	}
	if (w)
		free(w->waits);
	free(w);
}

struct lt_comm *
lt_local_open(struct lt_local *w, int rank)
{
	return lt_comm_new(w->prog, rank, &local, w);
}

int
lt_local_failed(struct lt_local *w)
{
	return atomic_load(&w->failed);
}

bool
lt_local_fail(struct lt_local *w, int code)
{
	int none = 0;

	return atomic_compare_exchange_strong(&w->failed, &none, code);
}
