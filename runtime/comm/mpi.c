/* Ranks as processes: packed messages over a plugin. */
#define _GNU_SOURCE
#include "config.h"

#include "runtime/comm/mpi.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "runtime/comm/comm.h"
#include "runtime/comm/mpi_abi.h"
#include "runtime/main/report.h"

/*
 * Pieces go packed, one after the other, in one message; one that lies together
 * on both sides and is long goes by itself, from where it is to where it
 * belongs.  One message is no longer than LONGEST.
 */
static const uint64_t LONGEST = UINT64_C(1) << 30, ALONE = 4096;

/* What a step exchanges with one member. */
struct lane_peer {
	char *buf;     /* packed pieces, kept for the next step */
	uint64_t room;
	char **piece;  /* by pair: where it is */
	int npiece;
	int *request;  /* of its messages */
	int n, nroom;
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

static const struct lt_mpi *mpi;

/* ---- the plugin ---- */

static const char *
wanted(void)
{
	return getenv("OMPI_COMM_WORLD_SIZE") ? "openmpi" :
	    getenv("PMI_SIZE") ? "mpich" : NULL;
}

static const struct lt_mpi_image *
choose(const char *name)
{
	const char *fits = name ? name : wanted();

	for (int i = 0; i < lt_mpi_image_count; i++)
		if (fits && strcmp(lt_mpi_images[i].name, fits) == 0)
			return &lt_mpi_images[i];
	return name || lt_mpi_image_count == 0 ? NULL : &lt_mpi_images[0];
}

/* Through a file in memory: nothing is written where others could change it. */
static void *
load(const struct lt_mpi_image *x)
{
	int fd = memfd_create(x->name, MFD_CLOEXEC);
	char path[64];
	void *lib = NULL;
	ssize_t n = fd < 0 ? -1 : write(fd, x->bytes, x->n);

	if (n == (ssize_t)x->n) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		lib = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
	}
	if (fd >= 0)
		close(fd);
	return lib;
}

static int
no_plugin(const char *name)
{
	if (lt_mpi_image_count == 0)
		return lt_fail(LT_EXIT_CONFIG, "this trainer was made without "
		    "MPI: run it once, by itself, and all ranks are in it, "
		    "or configure loongc where mpicc is");
	return lt_fail(LT_EXIT_CONFIG, "this trainer has no plugin for MPI "
	    "'%s'; it has %s%s%s", name ? name : wanted(),
	    lt_mpi_images[0].name, lt_mpi_image_count > 1 ? " and " : "",
	    lt_mpi_image_count > 1 ? lt_mpi_images[1].name : "");
}

/*
 * Joining waits inside the library, for ever if a process never comes, and
 * some libraries keep signals from ending it: a thread ends the process.
 */
struct watch {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t joined;
	bool over;
	struct timespec end;
};

static const char *
own_rank(void)
{
	const char *open = getenv("OMPI_COMM_WORLD_RANK");
	const char *other = getenv("PMI_RANK");

	return open ? open : other ? other : "of this process";
}

static void *
watch(void *arg)
{
	struct watch *w = arg;
	int err = 0;

	pthread_mutex_lock(&w->lock);
	while (!w->over && !err)
		err = pthread_cond_timedwait(&w->joined, &w->lock, &w->end);
	pthread_mutex_unlock(&w->lock);
	if (w->over)
		return NULL;
	lt_fail(LT_EXIT_COMM, "rank %s has come, but not all others have "
	    "within --comm-timeout: those that say nothing are missing",
	    own_rank());
	_exit(LT_EXIT_COMM);
}

static bool
watch_start(struct watch *w, double timeout)
{
	*w = (struct watch){.over = false};
	clock_gettime(CLOCK_REALTIME, &w->end);
	w->end.tv_sec += (time_t)timeout + 1;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->joined, NULL);
	return pthread_create(&w->thread, NULL, watch, w) == 0;
}

static void
watch_end(struct watch *w)
{
	pthread_mutex_lock(&w->lock);
	w->over = true;
	pthread_cond_signal(&w->joined);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->joined);
	pthread_mutex_destroy(&w->lock);
}

int
lt_mpi_start(const char *name, double timeout, int *rank, int *ranks)
{
	const struct lt_mpi_image *x = choose(name);
	const struct lt_mpi *(*plugin)(void);
	void *lib = x ? load(x) : NULL;
	struct watch w;
	int err;

	if (!x)
		return no_plugin(name);
	if (!lib)
		return lt_fail(LT_EXIT_CONFIG, "cannot load %s: %s", x->name,
		    dlerror());
	*(void **)&plugin = dlsym(lib, LT_MPI_SYMBOL);
	mpi = plugin ? plugin() : NULL;
	if (!mpi || mpi->abi != LT_MPI_ABI)
		return lt_fail(LT_EXIT_INTERNAL, "the plugin for %s is of "
		    "another version", x->name);
	if (!watch_start(&w, timeout))
		return lt_fail(LT_EXIT_FAIL, "cannot start a thread");
	err = mpi->start(rank, ranks);
	watch_end(&w);
	return err ? lt_fail(LT_EXIT_COMM, "%s: %s", x->name,
	    mpi->text(err)) : LT_OK;
}

const char *
lt_mpi_library(void)
{
	return mpi ? mpi->library() : "";
}

void
lt_mpi_stop(void)
{
	if (mpi)
		mpi->stop();
	mpi = NULL;
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
	struct flight *f = ch->flights;

	while (f && f->busy)
		f = f->next;
	if (f)
		return f;
	f = calloc(1, sizeof *f);
	if (f) {
		f->out = calloc((size_t)n, sizeof *f->out);
		f->in = calloc((size_t)n, sizeof *f->in);
	}
	if (!f || !f->out || !f->in)
		lt_comm_fail(c, LT_EXIT_FAIL, "out of memory");
	f->n = n;
	f->next = ch->flights;
	return ch->flights = f;
}

static _Noreturn void
no_memory(struct lt_comm *c, uint64_t bytes)
{
	lt_comm_fail(c, LT_EXIT_FAIL, "out of memory for %llu bytes of "
	    "messages", (unsigned long long)bytes);
}

/* A buffer of so many bytes, a place for each pair. */
static void
reserve(struct lt_comm *c, struct lane_peer *p, uint64_t bytes, int npair)
{
	if (bytes > p->room) {
		free(p->buf);
		p->buf = malloc(bytes);
		p->room = p->buf ? bytes : 0;
	}
	if (npair > p->npiece) {
		free(p->piece);
		p->piece = calloc((size_t)npair, sizeof *p->piece);
		p->npiece = p->piece ? npair : 0;
	}
	if (bytes > p->room || npair > p->npiece)
		no_memory(c, bytes);
}

static int *
new_request(struct lt_comm *c, struct lane_peer *p)
{
	if (p->n == p->nroom) {
		int n = 2 * p->n + 4;
		int *r = realloc(p->request, (size_t)n * sizeof *r);

		if (!r)
			no_memory(c, (uint64_t)n * sizeof *r);
		p->request = r;
		p->nroom = n;
	}
	return &p->request[p->n++];
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
	if (err)
		lt_comm_fail(c, LT_EXIT_COMM, "%s: %s", op->move->name,
		    mpi->text(err));
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

typedef int (*exchange_fn)(int lane, int rank, char *data, uint32_t bytes,
    int *request);

static int
send_bytes(int lane, int rank, char *data, uint32_t bytes, int *request)
{
	return mpi->send(lane, rank, data, bytes, request);
}

static int
receive_bytes(int lane, int rank, char *data, uint32_t bytes, int *request)
{
	return mpi->recv(lane, rank, data, bytes, request);
}

static void
exchange(struct lt_comm *c, struct lt_op *op, struct lane_peer *p, int member,
    exchange_fn go, char *data, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += LONGEST) {
		uint64_t n = bytes - at < LONGEST ? bytes - at : LONGEST;

		check(c, op, go(plugin_lane(op),
		    lt_group_rank(&op->group, member), data + at, (uint32_t)n,
		    new_request(c, p)));
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

	reserve(c, p, bytes + copied_bytes(op), op->npair);
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

	reserve(c, p, sums ? lt_op_bytes(op, member, op->group.me) : bytes,
	    op->npair);
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

static void
post(struct lt_comm *c, struct lt_op *op)
{
	struct flight *f;

	op->channel = channel_of(c, op);
	f = flight_of(c, op->channel, op->group.n);
	f->busy = true;
	op->state = f;
	for (int p = 0; p < op->group.n; p++) {
		f->in[p].n = f->out[p].n = 0;
		if (lt_op_takes(op, p))
			expect_piece(c, op, &f->in[p], p);
	}
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

		check(c, op, mpi->test(p->request[p->n - 1], &done));
		if (!done)
			return false;
		p->n--;
	}
	return true;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Looks often at first, then less: cores may be shared.  Not much less: large
 * messages come in pieces, and a library moves on only when it is asked. */
static bool
await(struct lt_comm *c, const struct lt_op *op, struct lane_peer *p)
{
	struct timespec nap = {0, 0};
	double end = now() + c->timeout;

	for (int i = 0; !over(c, op, p); i++) {
		if (i < 64) {
			sched_yield();
			continue;
		}
		if (now() > end)
			return false;
		nap.tv_nsec = i < 1024 ? 20000 : 100000;
		nanosleep(&nap, NULL);
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
	mpi->abort(code);
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
    .name = "mpi", .post = post, .take = take, .here = here, .waits = NULL,
    .taken = taken, .done = done, .claim = claim, .stop = stop,
    .close = close_rank,
};

struct lt_comm *
lt_mpi_open(const struct lt_program *prog, int rank)
{
	return lt_comm_new(prog, rank, &transport, NULL);
}
