/* Messages through rings: requests, waiting, the layout of the region. */
#define _GNU_SOURCE
#include "config.h"

#include "runtime/comm/near.h"

#include <linux/futex.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/comm/rings.h"
#include "runtime/cpu/pool.h"

/* A sleeper looks every LOOK seconds whether others live. */
static const double LOOK = 0.1;
enum { SPINS = 4000 };

/* ---- requests ---- */

static bool
more_letters(struct lt_near *n, int more)
{
	struct lt_slip **all = realloc(n->letter, (size_t)more * sizeof *all);

	if (!all)
		return false;
	memset(all + n->nletter, 0, (size_t)(more - n->nletter) * sizeof *all);
	n->letter = all;
	n->nletter = more;
	return true;
}

/* A free request; -1: out of memory. */
static int
take(struct lt_near *n)
{
	int i = 0;

	while (i < n->nletter && n->letter[i])
		i++;
	if (i == n->nletter && !more_letters(n, 2 * n->nletter + 64))
		return -1;
	n->letter[i] = lt_slip_new(n);
	return n->letter[i] ? i : -1;
}

int
lt_near_reserve(struct lt_near *n, int messages)
{
	int have = 0;

	if (messages > n->nletter && !more_letters(n, messages))
		return LT_NEAR_NO_MEMORY;
	for (int i = 0; i < n->nletter; i++)
		have += n->letter[i] != NULL;
	for (struct lt_slip *x = n->spare; x; x = x->next)
		have++;
	for (; have < messages; have++) {
		struct lt_slip *x = calloc(1, sizeof *x);

		if (!x)
			return LT_NEAR_NO_MEMORY;
		lt_slip_drop(n, x);
	}
	return LT_NEAR_OK;
}

static struct lt_slip *
new_letter(struct lt_near *n, int lane, int peer, void *data, uint32_t bytes,
    int *request)
{
	struct lt_slip *x;

	*request = take(n);
	if (*request < 0)
		return NULL;
	x = n->letter[*request];
	*x = (struct lt_slip){.data = data, .bytes = bytes, .peer = peer,
	    .lane = lane};
	return x;
}

int
lt_near_send(struct lt_near *n, int lane, int to, const void *data,
    uint32_t bytes, int *request)
{
	struct lt_slip *x = new_letter(n, lane, to, (void *)data, bytes,
	    request);

	if (!x)
		return LT_NEAR_NO_MEMORY;
	lt_slip_append(&n->peer[to].to_send[lane], x);
	lt_ring_push(n, to);
	return LT_NEAR_OK;
}

/* Something has come before it was awaited, or is coming: what follows goes to
 * its place. */
static void
take_early(struct lt_near *n, int rank, struct lt_slip *x)
{
	struct lt_peer *p = &n->peer[rank];
	struct lt_slip *e = p->early[x->lane];

	if (e->bytes != x->bytes) {
		lt_ring_fail(n, LT_NEAR_CONFUSED, rank);
		return;
	}
	p->early[x->lane] = e->next;
	if (e->at) {
		memcpy(x->data, e->data, e->at);
		x->at = e->at;
	}
	if (p->coming == e) {
		p->coming = x;
		lt_slip_append(&p->awaited[x->lane], x);
	} else if (e->lent) {
		lt_ring_read(n, rank, x, e->lent);
	} else {
		lt_slip_finish(p, x);
	}
	free(e->data);
	lt_slip_drop(n, e);
}

int
lt_near_recv(struct lt_near *n, int lane, int from, void *data,
    uint32_t bytes, int *request)
{
	struct lt_peer *p = &n->peer[from];
	struct lt_slip *x = new_letter(n, lane, from, data, bytes, request);

	if (!x)
		return LT_NEAR_NO_MEMORY;
	if (!p->early[lane])
		lt_slip_append(&p->awaited[lane], x);
	else
		take_early(n, from, x);
	atomic_fetch_add(&p->in->ready[lane], 1);
	lt_ring_tell(n, from);
	lt_ring_pull(n, from);
	return LT_NEAR_OK;
}

static int
not_done(struct lt_near *n, const struct lt_slip *x, bool left)
{
	n->tested = x->peer;
	n->stir = x->lent != 0;
	if (left)
		lt_ring_fail(n, LT_NEAR_LEFT, x->peer);
	return n->error;
}

int
lt_near_test(struct lt_near *n, int request, int *done)
{
	struct lt_slip *x = n->letter[request];
	bool left = false;

	if (!x->done) {
		n->seen = atomic_load(&n->seat[n->rank].bell);
		left = atomic_load(&n->seat[x->peer].left);
		lt_ring_move(n);
	}
	*done = x->done;
	if (!x->done)
		return not_done(n, x, left);
	n->letter[request] = NULL;
	lt_slip_drop(n, x);
	return LT_NEAR_OK;
}

/* ---- waiting ---- */

static bool
has_ended(const struct lt_peer *p)
{
	struct pollfd f = {.fd = p->pidfd, .events = POLLIN};

	return p->pidfd >= 0 && poll(&f, 1, 0) > 0;
}

/* One that has left in order is missed only by those that still await
 * something from it. */
static void
look_for_dead(struct lt_near *n)
{
	for (int r = 0; n->watches && r < n->ranks; r++) {
		struct lt_peer *p = &n->peer[r];

		if (p->ended == 0 && has_ended(p))
			p->ended = lt_now();
		if (p->ended != 0 && lt_now() >= p->ended + n->grace &&
		    !atomic_load(&n->seat[r].left))
			lt_ring_fail(n, LT_NEAR_LOST, r);
	}
}

static void
sleep_for(struct lt_near *n, double seconds)
{
	struct lt_seat *s = &n->seat[n->rank];
	struct timespec t = {0, 0};

	seconds = seconds < LOOK ? seconds : LOOK;
	t.tv_nsec = seconds > 0 ? (long)(seconds * 1e9) : 0;
	atomic_store(&s->awaits, n->tested + 1);
	if (atomic_load(&s->bell) == n->seen)
		syscall(SYS_futex, &s->bell, FUTEX_WAIT, n->seen, &t, NULL, 0);
	atomic_store(&s->awaits, 0);
}

void
lt_near_wait(struct lt_near *n, double seconds)
{
	struct lt_seat *s = &n->seat[n->rank];

	if (n->stir)
		lt_ring_bell(n, n->tested, true);
	n->stir = false;
	for (int i = n->spin ? SPINS : 0; i > 0; i--) {
		if (atomic_load(&s->bell) != n->seen)
			return;
		lt_pool_pause();
	}
	sleep_for(n, seconds);
	if (atomic_load(&s->bell) == n->seen)
		look_for_dead(n);
}

void
lt_near_lend(struct lt_near *n, const int *pid)
{
	for (int r = 0; r < n->ranks; r++)
		n->peer[r].pid = pid[r];
}

void
lt_near_watch(struct lt_near *n, const int *pid, double grace)
{
	n->watches = true;
	n->grace = grace;
	for (int r = 0; r < n->ranks; r++)
		if (r != n->rank)
			n->peer[r].pidfd = (int)syscall(SYS_pidfd_open,
			    pid[r], 0);
}

int
lt_near_trouble(const struct lt_near *n)
{
	return n->error;
}

int
lt_near_guilty(const struct lt_near *n)
{
	return n->guilty;
}

/* ---- the region ----
 *
 * Seats, then rings, then their bytes: those to rank 0 from 1, 2, .., those to
 * rank 1 from 0, 2, ..
 */

enum { PAGE = 4096 };

static uint64_t
pages(uint64_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

static uint64_t
index_of(int ranks, int from, int to)
{
	return (uint64_t)to * (uint64_t)(ranks - 1) +
	    (uint64_t)(from < to ? from : from - 1);
}

static uint64_t
pairs(int ranks)
{
	return (uint64_t)ranks * (uint64_t)(ranks - 1);
}

static uint64_t
data_at(int ranks)
{
	return pages((uint64_t)ranks * sizeof(struct lt_seat) +
	    pairs(ranks) * sizeof(struct lt_ring));
}

uint64_t
lt_near_bytes(int ranks, uint64_t ring)
{
	uint64_t n;

	if (ranks > 1 << 15 || __builtin_mul_overflow(pairs(ranks), ring, &n) ||
	    __builtin_add_overflow(n, data_at(ranks), &n))
		return 0;
	return n;
}

static void
set_peer(struct lt_near *n, char *region, int rank)
{
	struct lt_ring *rings = (struct lt_ring *)(void *)(n->seat + n->ranks);
	uint64_t out = index_of(n->ranks, n->rank, rank);
	uint64_t in = index_of(n->ranks, rank, n->rank);
	char *data = region + data_at(n->ranks);

	n->peer[rank] = (struct lt_peer){.out = rings + out, .in = rings + in,
	    .out_data = data + out * n->ring, .in_data = data + in * n->ring,
	    .pidfd = -1};
}

struct lt_near *
lt_near_new(void *region, int rank, int ranks, uint64_t ring, bool spin)
{
	struct lt_near *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	*n = (struct lt_near){.rank = rank, .ranks = ranks, .ring = ring,
	    .spin = spin, .seat = region,
	    .peer = calloc((size_t)ranks, sizeof *n->peer)};
	if (!n->peer) {
		free(n);
		return NULL;
	}
	n->peer[rank].pidfd = -1;
	for (int r = 0; r < ranks; r++)
		if (r != rank)
			set_peer(n, region, r);
	return n;
}

static void
forget(struct lt_peer *p)
{
	for (int i = 0; i < LANES; i++)
		while (p->early[i]) {
			struct lt_slip *x = p->early[i];

			p->early[i] = x->next;
			free(x->data);
			free(x);
		}
	if (p->pidfd >= 0)
		close(p->pidfd);
}

void
lt_near_free(struct lt_near *n)
{
	if (!n)
		return;
	atomic_store(&n->seat[n->rank].left, 1);
	for (int r = 0; r < n->ranks; r++)
		if (r != n->rank) {
			lt_ring_bell(n, r, true);
			forget(&n->peer[r]);
		}
	for (int i = 0; i < n->nletter; i++)
		free(n->letter[i]);
	while (n->spare) {
		struct lt_slip *x = n->spare;

		n->spare = x->next;
		free(x);
	}
	free(n->letter);
	free(n->peer);
	free(n);
}
