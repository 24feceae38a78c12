/* Rings of bytes in shared memory: written, read, and who sleeps beside them. */
#define _GNU_SOURCE
#include "config.h"

#include "runtime/comm/rings.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/comm/near.h"

static uint64_t
lines(uint64_t n)
{
	return (n + LINE - 1) / LINE * LINE;
}

void
lt_ring_fail(struct lt_near *n, int error, int rank)
{
	if (n->error)
		return;
	n->error = error;
	n->guilty = rank;
}

/* ---- bells ---- */

/* Not everybody who sleeps has to know of everything. */
void
lt_ring_bell(struct lt_near *n, int rank, bool any)
{
	struct lt_seat *s = &n->seat[rank];
	int awaits;

	atomic_fetch_add(&s->bell, 1);
	awaits = atomic_load(&s->awaits);
	if (awaits && (any || awaits == n->rank + 1))
		syscall(SYS_futex, &s->bell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void
lt_ring_tell(struct lt_near *n, int rank)
{
	struct lt_peer *p = &n->peer[rank];

	if (atomic_load(&p->in->wants) && atomic_exchange(&p->in->wants, 0))
		lt_ring_bell(n, rank, true);
}

/* ---- out ---- */

static uint64_t
room(const struct lt_near *n, const struct lt_peer *p)
{
	uint64_t used = atomic_load_explicit(&p->out->put,
	    memory_order_relaxed) - atomic_load(&p->out->got);

	return used < n->ring ? n->ring - used : 0;
}

static void
put(struct lt_near *n, struct lt_peer *p, const void *data, uint64_t bytes,
    uint64_t advance)
{
	uint64_t at = atomic_load_explicit(&p->out->put, memory_order_relaxed);

	memcpy(p->out_data + at % n->ring, data, bytes);
	atomic_store(&p->out->put, at + advance);
}

static bool
is_lent(const struct lt_peer *p, const struct lt_slip *x)
{
	return p->pid && x->bytes >= LENT;
}

static bool
may_begin(const struct lt_near *n, struct lt_peer *p, int lane)
{
	const struct lt_slip *x = p->to_send[lane];
	uint64_t ahead = x->bytes;

	if (is_lent(p, x) || (int32_t)(atomic_load(&p->out->ready[lane]) - p->begun[lane]) > 0)
		return true;
	for (int i = 0; i < LANES; i++) {
		if (p->ahead[i] && (int32_t)(atomic_load(&p->out->ready[i]) -
		    p->begun[i]) >= 0)
			p->ahead[i] = 0;
		ahead += p->ahead[i];
	}
	return ahead <= n->ring;
}

struct lt_slip *
lt_slip_new(struct lt_near *n)
{
	struct lt_slip *x = n->spare;

	if (!x)
		return calloc(1, sizeof *x);
	n->spare = x->next;
	*x = (struct lt_slip){0};
	return x;
}

void
lt_slip_drop(struct lt_near *n, struct lt_slip *x)
{
	x->next = n->spare;
	n->spare = x;
}

void
lt_slip_append(struct lt_slip **list, struct lt_slip *x)
{
	while (*list)
		list = &(*list)->next;
	*list = x;
}

static void
begin_letter(struct lt_near *n, struct lt_peer *p, struct lt_slip *x)
{
	struct lt_head h = {(uint32_t)x->lane, x->bytes, 0};

	x->number = p->begun[x->lane];
	if (is_lent(p, x)) {
		h.lent = x->lent = (uint64_t)(uintptr_t)x->data;
		p->to_send[x->lane] = x->next;
		x->next = NULL;
		lt_slip_append(&p->lent[x->lane], x);
	} else {
		if ((int32_t)(atomic_load(&p->out->ready[x->lane]) -
		    x->number) <= 0)
			p->ahead[x->lane] += x->bytes;
		p->sending = x;
	}
	p->begun[x->lane]++;
	put(n, p, &h, sizeof h, LINE);
}

/* The lanes in turn. */
static bool
begin(struct lt_near *n, struct lt_peer *p)
{
	for (int i = 1; i <= LANES; i++) {
		int lane = (p->turn + i) % LANES;
		struct lt_slip *x = p->to_send[lane];

		if (!x || !may_begin(n, p, lane))
			continue;
		begin_letter(n, p, x);
		p->turn = lane;
		return true;
	}
	return false;
}

static void
write_chunk(struct lt_near *n, struct lt_peer *p, uint64_t space)
{
	struct lt_slip *x = p->sending;
	uint64_t to_end = n->ring - atomic_load_explicit(&p->out->put,
	    memory_order_relaxed) % n->ring;
	uint64_t bytes = x->bytes - x->at;

	bytes = bytes < CHUNK ? bytes : CHUNK;
	bytes = bytes < space ? bytes : space;
	bytes = bytes < to_end ? bytes : to_end;
	put(n, p, x->data + x->at, bytes, lines(bytes));
	x->at += (uint32_t)bytes;
	if (x->at < x->bytes)
		return;
	p->to_send[x->lane] = x->next;
	p->sending = NULL;
	x->done = true;
}

/* Whether there is anything that could be written with more room. */
static bool
has_more(const struct lt_peer *p)
{
	bool any = p->sending != NULL;

	for (int i = 0; i < LANES; i++)
		any |= p->to_send[i] != NULL;
	return any;
}

/* One chunk or head. */
static bool
write_some(struct lt_near *n, struct lt_peer *p)
{
	uint64_t space = room(n, p);

	if (space == 0)
		return false;
	if (!p->sending)
		return begin(n, p);
	write_chunk(n, p, space);
	return true;
}

void
lt_ring_push(struct lt_near *n, int rank)
{
	struct lt_peer *p = &n->peer[rank];
	bool moved = false;

	if (!has_more(p))
		return;
	while (write_some(n, p))
		moved = true;
	/* Said first, then looked at again: the receiver does it the other
	 * way round. */
	if (has_more(p)) {
		atomic_store(&p->out->wants, 1);
		while (write_some(n, p))
			moved = true;
	}
	if (moved)
		lt_ring_bell(n, rank, p->sending != NULL || room(n, p) == 0);
}

/* What was lent and has been read. */
static void
settle(struct lt_peer *p)
{
	for (int i = 0; i < LANES; i++)
		while (p->lent[i] && (int32_t)(atomic_load(&p->out->taken[i]) -
		    p->lent[i]->number) > 0) {
			p->lent[i]->done = true;
			p->lent[i] = p->lent[i]->next;
		}
}

/* ---- in ---- */

/* In the order in which they were awaited. */
void
lt_slip_finish(struct lt_peer *p, struct lt_slip *x)
{
	x->done = true;
	if (p->awaited[x->lane] == x)
		p->awaited[x->lane] = x->next;
	atomic_fetch_add(&p->in->taken[x->lane], 1);
}

/* From the sender's memory to its place. */
void
lt_ring_read(struct lt_near *n, int rank, struct lt_slip *x, uint64_t from)
{
	struct lt_peer *p = &n->peer[rank];

	while (x->at < x->bytes) {
		struct iovec to = {x->data + x->at, x->bytes - x->at};
		struct iovec at = {(void *)(uintptr_t)(from + x->at),
		    to.iov_len};
		ssize_t got = process_vm_readv(p->pid, &to, 1, &at, 1, 0);

		if (got <= 0) {
			lt_ring_fail(n, LT_NEAR_LOST, rank);
			return;
		}
		x->at += (uint32_t)got;
	}
	lt_slip_finish(p, x);
	lt_ring_bell(n, rank, false);
}

static struct lt_slip *
new_early(struct lt_near *n, const struct lt_head *h)
{
	struct lt_slip *x = lt_slip_new(n);

	if (x)
		*x = (struct lt_slip){.data = h->lent ? NULL : malloc(h->bytes +
		    1), .bytes = h->bytes, .lane = (int)h->lane,
		    .lent = h->lent};
	if (x && !x->data && !x->lent) {
		lt_slip_drop(n, x);
		x = NULL;
	}
	return x;
}

/* What comes next, and where it goes; false after an error. */
static bool
place(struct lt_near *n, int rank, const struct lt_head *h)
{
	struct lt_peer *p = &n->peer[rank];
	struct lt_slip *x = h->lane < LANES ? p->awaited[h->lane] : NULL;

	if (h->lane >= LANES || (h->lent && !p->pid) ||
	    (x ? x->bytes != h->bytes : !h->lent && h->bytes > n->ring)) {
		lt_ring_fail(n, LT_NEAR_CONFUSED, rank);
		return false;
	}
	if (x && h->lent) {
		lt_ring_read(n, rank, x, h->lent);
		return !n->error;
	}
	if (!x) {
		x = new_early(n, h);
		if (!x) {
			lt_ring_fail(n, LT_NEAR_NO_MEMORY, rank);
			return false;
		}
		lt_slip_append(&p->early[h->lane], x);
	}
	p->coming = x->lent ? NULL : x;
	return true;
}

static bool
read_head(struct lt_near *n, int rank)
{
	struct lt_peer *p = &n->peer[rank];
	uint64_t got = atomic_load_explicit(&p->in->got, memory_order_relaxed);
	struct lt_head h;

	memcpy(&h, p->in_data + got % n->ring, sizeof h);
	atomic_store(&p->in->got, got + LINE);
	return place(n, rank, &h);
}

static void
read_chunk(struct lt_near *n, struct lt_peer *p, uint64_t there)
{
	struct lt_slip *x = p->coming;
	uint64_t got = atomic_load_explicit(&p->in->got, memory_order_relaxed);
	uint64_t bytes = x->bytes - x->at, to_end = n->ring - got % n->ring;

	bytes = bytes < CHUNK ? bytes : CHUNK;
	bytes = bytes < there ? bytes : there;
	bytes = bytes < to_end ? bytes : to_end;
	memcpy(x->data + x->at, p->in_data + got % n->ring, bytes);
	x->at += (uint32_t)bytes;
	atomic_store(&p->in->got, got + lines(bytes));
}

/* One that was not awaited is done, too, but not at its place. */
static void
came(struct lt_peer *p)
{
	struct lt_slip *x = p->coming;

	if (!x || x->at < x->bytes)
		return;
	p->coming = NULL;
	if (p->awaited[x->lane] == x)
		lt_slip_finish(p, x);
	else
		x->done = true;
}

void
lt_ring_pull(struct lt_near *n, int rank)
{
	struct lt_peer *p = &n->peer[rank];
	bool moved = false;

	while (!n->error) {
		uint64_t there = atomic_load(&p->in->put) -
		    atomic_load_explicit(&p->in->got, memory_order_relaxed);

		if (there > n->ring)
			lt_ring_fail(n, LT_NEAR_CONFUSED, rank);
		if (there == 0 || there > n->ring)
			break;
		moved = true;
		if (p->coming)
			read_chunk(n, p, there);
		else if (!read_head(n, rank))
			break;
		came(p);
	}
	if (moved)
		lt_ring_tell(n, rank);
}

void
lt_ring_move(struct lt_near *n)
{
	for (int r = 0; r < n->ranks; r++)
		if (r != n->rank) {
			lt_ring_pull(n, r);
			lt_ring_push(n, r);
			settle(&n->peer[r]);
		}
}
