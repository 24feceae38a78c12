/* Steps as messages: cut, packed, posted, awaited. */
#include "config.h"

#include "runtime/comm/message.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/clock.h"
#include "runtime/comm/comm.h"
#include "runtime/comm/mpi_abi.h"

/*
 * Pieces go packed, one after the other, in one message; one that lies together
 * on both sides and is long goes by itself, from where it is to where it
 * belongs.  One message is no longer than LONGEST.
 */
static const uint64_t LONGEST = UINT64_C(1) << 30, ALONE = 4096;
enum { YIELDS = 64 }; /* before a wait sleeps */

/* What a step exchanges with one member. */
struct lane_peer {
	char *buf;     /* packed pieces, kept for the next step */
	uint64_t room;
	char **piece;  /* by pair: where it is */
	int npiece;
	int *request;  /* of its messages */
	int n, nroom;  /* under way, and how many there may be */
};

/* One step under way; channels keep theirs. */
struct flight {
	struct flight *next;
	bool busy;
	int n;
	struct lane_peer *out, *in; /* by member */
};

struct lt_channel {
	struct lt_channel *next;
	uint32_t axes;
	int lane, base;
	struct flight *flights;
};

static const struct lt_mpi *
wire_of(const struct lt_comm *c)
{
	return c->world;
}

/* ---- channels ---- */

static struct lt_channel *
channel_of(struct lt_comm *c, const struct lt_op *op)
{
	struct lt_channel *ch;

	for (ch = c->channels; ch; ch = ch->next)
		if (ch->lane == op->move->lane && ch->axes == op->group.axes &&
		    ch->base == op->group.base)
			return ch;
	ch = calloc(1, sizeof *ch);
	if (!ch)
		lt_comm_fail(c, LT_EXIT_FAIL, "out of memory");
	*ch = (struct lt_channel){c->channels, op->group.axes,
	    op->move->lane, op->group.base, NULL};
	c->channels = ch;
	return ch;
}

static struct flight *
flight_of(struct lt_comm *c, struct lt_channel *ch, int n)
{
	struct flight **last = &ch->flights, *f;

	while (*last && (*last)->busy)
		last = &(*last)->next;
	if (*last)
		return *last;
	f = calloc(1, sizeof *f);
	if (f) {
		f->out = calloc((size_t)n, sizeof *f->out);
		f->in = calloc((size_t)n, sizeof *f->in);
	}
	if (!f || !f->out || !f->in)
		lt_comm_fail(c, LT_EXIT_FAIL, "out of memory");
	f->n = n;
	return *last = f; /* those that were there keep their places */
}

static _Noreturn void
no_memory(struct lt_comm *c, uint64_t bytes)
{
	lt_comm_fail(c, LT_EXIT_FAIL, "out of memory for %llu bytes of "
	    "messages", (unsigned long long)bytes);
}

static void
make_buffer(struct lt_comm *c, struct lane_peer *p, uint64_t bytes)
{
	if (bytes <= p->room)
		return;
	free(p->buf);
	p->buf = malloc(bytes);
	if (!p->buf)
		no_memory(c, bytes);
	c->reserved += bytes - p->room;
	p->room = bytes;
}

/* A buffer of so many bytes, a place for each pair, and for each message. */
static void
make_room(struct lt_comm *c, struct lane_peer *p, uint64_t bytes, int npair,
    int messages)
{
	make_buffer(c, p, bytes);
	if (npair > p->npiece) {
		free(p->piece);
		p->piece = calloc((size_t)npair, sizeof *p->piece);
		p->npiece = p->piece ? npair : 0;
	}
	if (messages > p->nroom) {
		free(p->request);
		p->request = calloc((size_t)messages, sizeof *p->request);
		p->nroom = p->request ? messages : 0;
	}
	if (npair > p->npiece || messages > p->nroom)
		no_memory(c, bytes);
	p->n = 0;
}

/* ---- the transport ---- */

static int
plugin_lane(const struct lt_op *op)
{
	return op->move->lane == LT_LANE_WORLD ? LT_MPI_LANES - 1 :
	    op->move->lane;
}

static void
check(struct lt_comm *c, const struct lt_op *op, int err)
{
	int code = err && wire_of(c)->ended ? wire_of(c)->ended() : LT_OK;

	if (code)
		lt_comm_escape(c, code);
	if (err)
		lt_comm_fail(c, LT_EXIT_COMM, "%s: %s", op->move->name,
		    wire_of(c)->text(err));
}

static uint64_t
bytes_of(const struct lt_op *op, const struct lt_piece *x)
{
	return x->nest.rows * x->nest.len * lt_dtype_size(op->move->type);
}

/* Both sides decide alike: a nest of one row lies together on both. */
static bool
goes_alone(const struct lt_op *op, const struct lt_piece *x)
{
	return x->nest.rows == 1 && bytes_of(op, x) >= ALONE;
}

/* Bytes of what goes together. */
static uint64_t
packed_bytes(const struct lt_op *op, int sender, int receiver)
{
	uint64_t n = 0;

	for (int k = 0; k < op->npair; k++) {
		struct lt_piece x = lt_op_piece(op, k, sender, receiver);

		n += goes_alone(op, &x) ? 0 : bytes_of(op, &x);
	}
	return n;
}

/* How many messages from one to the other. */
static int
messages(const struct lt_op *op, int sender, int receiver)
{
	uint64_t n = (packed_bytes(op, sender, receiver) + LONGEST - 1) /
	    LONGEST;

	for (int k = 0; k < op->npair; k++) {
		struct lt_piece x = lt_op_piece(op, k, sender, receiver);

		if (goes_alone(op, &x))
			n += (bytes_of(op, &x) + LONGEST - 1) / LONGEST;
	}
	return (int)n;
}

typedef int (*exchange_fn)(const struct lt_mpi *, int lane, int rank,
    char *data, uint32_t bytes, int *request);

static int
send_bytes(const struct lt_mpi *wire, int lane, int rank, char *data,
    uint32_t bytes, int *request)
{
	return wire->send(lane, rank, data, bytes, request);
}

static int
receive_bytes(const struct lt_mpi *wire, int lane, int rank, char *data,
    uint32_t bytes, int *request)
{
	return wire->recv(lane, rank, data, bytes, request);
}

static void
exchange(struct lt_comm *c, struct lt_op *op, struct lane_peer *p, int member,
    exchange_fn go, char *data, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += LONGEST) {
		uint64_t n = bytes - at < LONGEST ? bytes - at : LONGEST;

		check(c, op, go(wire_of(c), plugin_lane(op),
		    lt_group_rank(&op->group, member), data + at, (uint32_t)n,
		    &p->request[p->n++]));
	}
}

/* In an allreduce the sum may be written where a piece is being read. */
static bool
stays(const struct lt_op *op, int pair)
{
	return op->phase != LT_PHASE_WHOLE ||
	    op->pair[pair].dst != op->pair[pair].src;
}

/* What goes alone but must be read at once, packed behind the rest. */
static uint64_t
copied_bytes(const struct lt_op *op)
{
	uint64_t n = 0;

	for (int k = 0; op->phase == LT_PHASE_WHOLE && k < op->npair; k++)
		n += stays(op, k) ? 0 :
		    op->pair[k].count * lt_dtype_size(op->move->type);
	return n;
}

static void
send_piece(struct lt_comm *c, struct lt_op *op, struct lane_peer *p,
    int member)
{
	size_t size = lt_dtype_size(op->move->type);
	uint64_t bytes = packed_bytes(op, op->group.me, member);
	char *to, *copy;

	to = p->buf;
	copy = p->buf + bytes;
	for (int k = 0; k < op->npair; k++) {
		struct lt_piece x = lt_op_piece(op, k, op->group.me, member);
		char *src = (char *)lt_op_src(op, k) + x.src * size;

		if (!goes_alone(op, &x)) {
			lt_nest_pack(&x.nest, size, to, src);
			to += bytes_of(op, &x);
			continue;
		}
		if (!stays(op, k)) {
			memcpy(copy, src, bytes_of(op, &x));
			src = copy;
			copy += bytes_of(op, &x);
		}
		exchange(c, op, p, member, send_bytes, src,
		    bytes_of(op, &x));
	}
	exchange(c, op, p, member, send_bytes, p->buf, bytes);
}

static void
expect_piece(struct lt_comm *c, struct lt_op *op, struct lane_peer *p,
    int member)
{
	size_t size = lt_dtype_size(op->move->type);
	bool sums = lt_op_sums(op);
	uint64_t bytes = packed_bytes(op, member, op->group.me);
	char *at;

	at = p->buf + bytes;
	for (int k = 0; k < op->npair; k++) {
		struct lt_piece x = lt_op_piece(op, k, member, op->group.me);

		if (!goes_alone(op, &x))
			continue;
		p->piece[k] = sums ? at :
		    (char *)op->pair[k].dst + x.dst * size;
		at += sums ? bytes_of(op, &x) : 0;
		exchange(c, op, p, member, receive_bytes, p->piece[k],
		    bytes_of(op, &x));
	}
	exchange(c, op, p, member, receive_bytes, p->buf, bytes);
	at = p->buf;
	for (int k = 0; k < op->npair; k++) {
		struct lt_piece x = lt_op_piece(op, k, member, op->group.me);

		if (goes_alone(op, &x))
			continue;
		p->piece[k] = at;
		at += bytes_of(op, &x);
	}
}

/* What comes to be added has a place to itself; the rest comes to where it
 * belongs, if it does not come packed. */
static void
reserve_flight(struct lt_comm *c, struct lt_op *op)
{
	int me = op->group.me;
	struct flight *f;

	op->channel = channel_of(c, op);
	f = flight_of(c, op->channel, op->group.n);
	f->busy = true;
	op->state = f;
	for (int p = 0; p < op->group.n; p++) {
		f->in[p].n = f->out[p].n = 0;
		if (lt_op_takes(op, p))
			make_room(c, &f->in[p], lt_op_sums(op) ?
			    lt_op_bytes(op, p, me) : packed_bytes(op, p, me),
			    op->npair, messages(op, p, me));
		if (lt_op_sends(op, p))
			make_room(c, &f->out[p], packed_bytes(op, me, p) +
			    copied_bytes(op), op->npair, messages(op, me, p));
	}
}

static int
under_way(const struct lt_channel *ch)
{
	int n = 0;

	for (; ch; ch = ch->next)
		for (struct flight *f = ch->flights; f; f = f->next)
			for (int p = 0; f->busy && p < f->n; p++)
				n += f->in[p].n + f->out[p].n;
	return n;
}

static void
reserve(struct lt_comm *c, struct lt_op *op)
{
	const struct lt_mpi *wire = wire_of(c);
	int me = op->group.me;
	struct flight *f;

	reserve_flight(c, op);
	f = op->state;
	for (int p = 0; p < op->group.n; p++) {
		if (lt_op_takes(op, p))
			f->in[p].n = messages(op, p, me);
		if (lt_op_sends(op, p))
			f->out[p].n = messages(op, me, p);
	}
	if (wire->reserve)
		check(c, op, wire->reserve(under_way(c->channels)));
}

static void
release(struct lt_comm *c, struct lt_op *op)
{
	(void)c;
	((struct flight *)op->state)->busy = false;
}

static void
post(struct lt_comm *c, struct lt_op *op)
{
	struct flight *f;

	reserve_flight(c, op);
	f = op->state;
	for (int p = 0; p < op->group.n; p++)
		if (lt_op_takes(op, p))
			expect_piece(c, op, &f->in[p], p);
	for (int p = 0; p < op->group.n; p++)
		if (lt_op_sends(op, p))
			send_piece(c, op, &f->out[p], p);
}

/* Whether all messages of a peer are over. */
static bool
over(struct lt_comm *c, const struct lt_op *op, struct lane_peer *p)
{
	while (p->n > 0) {
		int done = 0;

		check(c, op, wire_of(c)->test(p->request[p->n - 1], &done));
		if (!done)
			return false;
		p->n--;
	}
	return true;
}

/* Looks often at first, then less: cores may be shared.  Not much less: large
 * messages come in pieces, and a library moves on only when it is asked. */
static void
rest(int i)
{
	struct timespec nap = {0, i < 1024 ? 20000 : 100000};

	if (i < YIELDS)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

static bool
await(struct lt_comm *c, const struct lt_op *op, struct lane_peer *p)
{
	const struct lt_mpi *wire = wire_of(c);
	double end = lt_now() + c->timeout;

	for (int i = 0; !over(c, op, p); i++) {
		if ((wire->wait || i >= YIELDS) && lt_now() > end)
			return false;
		if (wire->wait)
			wire->wait(end - lt_now());
		else
			rest(i);
	}
	return true;
}

static bool
here(struct lt_comm *c, struct lt_op *op, int member)
{
	return over(c, op, &((struct flight *)op->state)->in[member]);
}

static bool
take(struct lt_comm *c, struct lt_op *op, int member, struct lt_view *v)
{
	struct lane_peer *p = &((struct flight *)op->state)->in[member];

	*v = (struct lt_view){.piece = p->piece};
	return await(c, op, p);
}

static void
taken(struct lt_comm *c, struct lt_op *op)
{
	(void)c;
	(void)op;
}

static bool
done(struct lt_comm *c, struct lt_op *op)
{
	struct flight *f = op->state;

	for (int p = 0; p < f->n; p++)
		if (!await(c, op, &f->out[p]))
			return false;
	f->busy = false;
	return true;
}

static void
heed(struct lt_comm *c, void (*first)(struct lt_comm *))
{
	const struct lt_mpi *wire = wire_of(c);
	int err = wire->trouble ? wire->trouble() : 0, code;

	if (!err)
		return;
	first(c);
	code = wire->ended ? wire->ended() : LT_OK;
	if (code)
		lt_comm_escape(c, code);
	lt_comm_fail(c, LT_EXIT_COMM, "%s", wire->text(err));
}

static bool
claim(struct lt_comm *c, int code)
{
	(void)c;
	(void)code;
	return true;
}

static void
stop(struct lt_comm *c, int code)
{
	(void)c;
	fflush(NULL);
	wire_of(c)->abort(code);
}

static void
close_rank(struct lt_comm *c)
{
	while (c->channels) {
		struct lt_channel *ch = c->channels;

		c->channels = ch->next;
		while (ch->flights) {
			struct flight *f = ch->flights;

			ch->flights = f->next;
			for (int p = 0; p < f->n; p++) {
				free(f->in[p].buf);
				free(f->in[p].piece);
				free(f->in[p].request);
				free(f->out[p].buf);
				free(f->out[p].piece);
				free(f->out[p].request);
			}
			free(f->in);
			free(f->out);
			free(f);
		}
		free(ch);
	}
}

static const struct lt_transport transport = {
    .name = "messages", .post = post, .reserve = reserve,
    .release = release, .take = take, .here = here,
    .waits = NULL, .taken = taken, .done = done, .heed = heed,
    .claim = claim, .stop = stop, .close = close_rank,
};

struct lt_comm *
lt_message_open(const struct lt_program *prog, int rank,
    const struct lt_mpi *wire)
{
	return lt_comm_new(prog, rank, &transport, (void *)wire);
}
