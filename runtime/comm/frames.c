/* Frames in and out of one connection, never waiting. */
#include "config.h"

#include "runtime/comm/frames.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* A piece is short enough for the others not to wait long, and long enough
 * for the calls not to count. */
enum { READY = 1, DATA, FAILED, BYE, PIECE = 1 << 18, HEAD = 12 };

_Static_assert(sizeof(struct lt_frame) == HEAD, "a head has no gaps");

static void
append(struct lt_letter **list, struct lt_letter *x)
{
	while (*list)
		list = &(*list)->next;
	*list = x;
}

void
lt_line_send(struct lt_line *l, int lane, struct lt_letter *x)
{
	append(&l->lane[lane].out, x);
}

void
lt_line_receive(struct lt_line *l, int lane, struct lt_letter *x)
{
	append(&l->lane[lane].in, x);
	if (!l->lane[lane].silent)
		l->lane[lane].silent = x;
}

void
lt_line_fail(struct lt_line *l, int code)
{
	l->say = FAILED;
	l->say_code = code;
}

void
lt_line_bye(struct lt_line *l)
{
	l->say = BYE;
}

static void
finish(struct lt_line *l, struct lt_letter **list)
{
	struct lt_letter *x = *list;

	*list = x->next;
	x->next = NULL;
	x->done = true;
	l->moved++;
}

/* An error of a call: nothing if it only had to wait. */
static void
broken(struct lt_line *l)
{
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		l->end = l->bye ? LT_LEFT : LT_LOST;
}

/* ---- out ---- */

static void
begin(struct lt_line *l, int kind, int lane, uint32_t bytes, uint32_t total)
{
	l->out.head = (struct lt_frame){(uint8_t)kind, (uint8_t)lane, 0, bytes,
	    total};
	l->out.at = 0;
	l->out.data = NULL;
	l->out.left = 0;
	l->out.letter = NULL;
}

static bool
say_ready(struct lt_line *l)
{
	for (int i = 0; i < LT_MPI_LANES; i++) {
		struct lt_letter *x = l->lane[i].silent;

		if (!x)
			continue;
		l->lane[i].silent = x->next;
		begin(l, READY, i, 0, x->bytes);
		return true;
	}
	return false;
}

static bool
send_piece(struct lt_line *l)
{
	for (int i = 1; i <= LT_MPI_LANES; i++) {
		int lane = (l->turn + i) % LT_MPI_LANES;
		struct lt_letter *x = l->lane[lane].out;
		uint32_t n;

		if (!x || !l->lane[lane].ready)
			continue;
		n = x->bytes - x->at < PIECE ? x->bytes - x->at : PIECE;
		begin(l, DATA, lane, n, x->bytes);
		l->out.data = x->data + x->at;
		l->out.left = n;
		l->out.letter = x;
		l->turn = lane;
		return true;
	}
	return false;
}

/* The next frame, if there is one. */
static bool
next(struct lt_line *l)
{
	if (l->say) {
		begin(l, l->say, 0, (uint32_t)l->say_code, 0);
		l->say = 0;
		return true;
	}
	return say_ready(l) || send_piece(l);
}

static bool
under_way(const struct lt_line *l)
{
	return l->out.head.kind && (l->out.at < HEAD || l->out.left > 0);
}

bool
lt_line_full(const struct lt_line *l)
{
	return l->end == LT_OPEN && under_way(l);
}

/* False: the peer has to read first, or is gone. */
static bool
write_some(struct lt_line *l)
{
	struct iovec part[2] = {
	    {(char *)&l->out.head + l->out.at, HEAD - l->out.at},
	    {l->out.data, l->out.left}};
	struct msghdr m = {.msg_iov = part, .msg_iovlen = 2};
	ssize_t n = sendmsg(l->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	size_t head = HEAD - l->out.at, body;

	if (n < 0) {
		broken(l);
		return errno == EINTR;
	}
	head = (size_t)n < head ? (size_t)n : head;
	body = (size_t)n - head;
	l->out.at += head;
	if (body) {
		l->out.data += body;
		l->out.left -= (uint32_t)body;
	}
	return true;
}

static void
sent(struct lt_line *l)
{
	struct lt_letter *x = l->out.letter;
	struct lane *lane = &l->lane[l->out.head.lane];

	l->out.head.kind = 0;
	if (!x)
		return;
	x->at += l->out.head.bytes;
	if (x->at == x->bytes) {
		lane->ready--;
		finish(l, &lane->out);
	}
}

void
lt_line_push(struct lt_line *l)
{
	while (l->end == LT_OPEN) {
		if (!under_way(l) && !next(l))
			return;
		if (!write_some(l))
			return;
		if (!under_way(l))
			sent(l);
	}
}

/* ---- in ---- */

/* A piece of the oldest letter that READY was said for. */
static void
expect(struct lt_line *l, const struct lt_frame *f)
{
	struct lane *lane = &l->lane[f->lane];
	struct lt_letter *x = lane->in;

	if (!x || x == lane->silent || f->total != x->bytes || !f->bytes ||
	    f->bytes > x->bytes - x->at) {
		l->end = LT_CONFUSED;
		return;
	}
	l->in.letter = x;
	l->in.data = x->data + x->at;
	l->in.left = f->bytes;
}

static void
obey(struct lt_line *l)
{
	const struct lt_frame f = l->in.head;

	l->in.at = 0;
	if (f.lane >= LT_MPI_LANES)
		l->end = LT_CONFUSED;
	else if (f.kind == READY)
		l->lane[f.lane].ready++;
	else if (f.kind == DATA)
		expect(l, &f);
	else if (f.kind == BYE)
		l->bye = true;
	else if (f.kind == FAILED && f.bytes > 0 && f.bytes < 256) {
		l->end = LT_ENDED;
		l->code = (int)f.bytes;
	} else
		l->end = LT_CONFUSED;
}

static void
came(struct lt_line *l, size_t n)
{
	struct lt_letter *x = l->in.letter;

	if (!x) {
		l->in.at += n;
		if (l->in.at == HEAD)
			obey(l);
		return;
	}
	l->in.data += n;
	l->in.left -= (uint32_t)n;
	x->at += (uint32_t)n;
	if (l->in.left)
		return;
	l->in.letter = NULL;
	if (x->at == x->bytes)
		finish(l, &l->lane[l->in.head.lane].in);
}

void
lt_line_pull(struct lt_line *l)
{
	while (l->end == LT_OPEN) {
		bool head = !l->in.letter;
		void *to = head ? (char *)&l->in.head + l->in.at : l->in.data;
		size_t room = head ? HEAD - l->in.at : l->in.left;
		ssize_t n = recv(l->fd, to, room, MSG_DONTWAIT);

		if (n == 0)
			l->end = l->bye ? LT_LEFT : LT_LOST;
		if (n < 0)
			broken(l);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		came(l, (size_t)n);
	}
}
