/* Moves over NCCL, which is loaded when a program needs it. */
#include "config.h"

#include "runtime/gpu/nccl.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/clock.h"
#include "runtime/comm/comm.h"
#include "runtime/comm/world.h"
#include "runtime/gpu/cuda.h"
#include "runtime/gpu/nest.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"

/* Of nccl.h. */
enum { SUCCESS = 0, IN_PROGRESS = 7, BYTES = 1, OLDEST = 21800,
	MAGIC = (int)0xcafebeef, ID = 128, UNDEFINED = INT_MIN, RING = 256 };
struct unique_id {
	char bytes[ID];
};
struct config { /* as of 2.18; later libraries know it */
	size_t size;
	unsigned magic, version;
	int blocking, cga, min_ctas, max_ctas;
	const char *net;
	int split_share;
};
typedef struct ncclComm *communicator;

#define LT_NCCL_FUNCTIONS(F)                                                  \
	F(version, "GetVersion", (int *))                                     \
	F(get_id, "GetUniqueId", (struct unique_id *))                        \
	F(init, "CommInitRankConfig",                                         \
	    (communicator *, int n, struct unique_id, int rank,               \
	    struct config *))                                                 \
	F(finalize, "CommFinalize", (communicator))                           \
	F(destroy, "CommDestroy", (communicator))                             \
	F(abort, "CommAbort", (communicator))                                 \
	F(async, "CommGetAsyncError", (communicator, int *))                  \
	F(send, "Send",                                                       \
	    (const void *, size_t, int type, int peer, communicator,          \
	    lt_cu_stream))                                                    \
	F(recv, "Recv",                                                       \
	    (void *, size_t, int type, int peer, communicator, lt_cu_stream)) \
	F(group_start, "GroupStart", (void))                                  \
	F(group_end, "GroupEnd", (void))

/* One lane of one group. */
struct line {
	struct line *next;
	uint32_t axes;
	int lane;
	communicator comm;
};

/* A step under way: what it sends and gets where it does not lie together. */
struct flight {
	struct flight *next;
	bool busy, own;        /* own: buffer is in no other allocation */
	char *buffer;          /* NULL: only its size is known */
	uint64_t room;
	char **piece;          /* [member][pair] */
	int pieces;
	struct lt_event *there;
};

struct lt_nccl {
	void *lib;
	struct line *lines;
	struct flight *flights;
	void *buffer;          /* all that the rehearsal has asked for */
#define F(name, symbol, args) int(*name) args;
	LT_NCCL_FUNCTIONS(F)
#undef F
	const char *(*text)(int);
};

static struct lt_nccl *
of(const struct lt_comm *c)
{
	return c->nccl;
}

static struct lt_gpu *
gpu_of(const struct lt_comm *c)
{
	return c->device->gpu;
}

static enum lt_stream
stream_of(const struct lt_op *op)
{
	return lt_stream_of(op->move->lane);
}

static lt_cu_stream
driver_stream(const struct lt_comm *c, const struct lt_op *op)
{
	const struct lt_cuda *cuda = gpu_of(c)->self;

	return cuda->stream[stream_of(op)];
}

/* ---- failing ---- */

static void
abort_all(struct lt_comm *c)
{
	for (struct line *l = of(c)->lines; l; l = l->next)
		if (l->comm) {
			(void)of(c)->abort(l->comm);
			l->comm = NULL;
		}
}

static _Noreturn void
fail(struct lt_comm *c, const char *move, int result)
{
	const char *hint = gpu_of(c)->graph.begun ? ", in a capture of the "
	    "step; --no-graph does without" : "";

	abort_all(c);
	lt_comm_fail(c, LT_EXIT_COMM, "%s: NCCL: %s%s", move,
	    of(c)->text ? of(c)->text(result) : "error", hint);
}

/* Calls do not block: until one is through, at most until the deadline. */
static void
settle(struct lt_comm *c, const char *move, communicator x, int result)
{
	struct timespec nap = {0, 100000};
	double end = lt_now() + c->timeout;

	while (result == IN_PROGRESS && lt_now() < end) {
		int r = of(c)->async(x, &result);

		c->transport->heed(c, abort_all);
		if (r)
			result = r;
		else if (result == IN_PROGRESS)
			nanosleep(&nap, NULL);
	}
	if (result == IN_PROGRESS) {
		abort_all(c);
		lt_comm_fail(c, LT_EXIT_COMM, "%s: NCCL has not come to an "
		    "end for %g s; --comm-timeout sets how long ranks wait "
		    "for each other", move, c->timeout);
	}
	if (result)
		fail(c, move, result);
}

static const char *
name_lane(const struct lt_program *p, int lane, char text[32])
{
	if (lane < p->nlane)
		return p->lane[lane];
	snprintf(text, 32, "%d", lane);
	return text;
}

void
lt_nccl_check(struct lt *rt, double s)
{
	struct lt_comm *c = rt->comm;
	const struct lt_passed *x;
	char name[32];
	int lane = 0;

	if (!c || !c->nccl)
		return;
	x = lt_progress_move(gpu_of(c), &lane);
	for (struct line *l = of(c)->lines; l; l = l->next) {
		int error = SUCCESS, r = of(c)->async(l->comm, &error);

		if (r || (error && error != IN_PROGRESS))
			fail(c, x ? x->name : "a transfer", r ? r : error);
	}
	c->transport->heed(c, abort_all);
	if (s < c->timeout)
		return;
	abort_all(c);
	lt_comm_fail(c, LT_EXIT_COMM, "the GPU has done nothing for %g s, and "
	    "%s%s%s has not come; --comm-timeout sets how long ranks wait for "
	    "each other", s, x ? x->name : "no transfer", x ? " on lane " : "",
	    x ? name_lane(rt->prog, lane, name) : "");
}

/* ---- steps ---- */

static struct line *
line_of(struct lt_comm *c, const struct lt_op *op)
{
	struct line *l = of(c)->lines;

	while (l && (l->lane != op->move->lane || l->axes != op->group.axes))
		l = l->next;
	if (!l)
		lt_comm_fail(c, LT_EXIT_INTERNAL, "%s is in no table of moves",
		    op->move->name);
	return l;
}

static struct flight *
flight_of(struct lt_comm *c, const struct lt_op *op)
{
	int pieces = op->group.n * op->npair;
	struct flight **last = &of(c)->flights, *f;

	while (*last && (*last)->busy)
		last = &(*last)->next;
	f = *last;
	if (!f && (f = calloc(1, sizeof *f)) != NULL) {
		f->there = gpu_of(c)->device->event(gpu_of(c));
		*last = f; /* those that were there keep their places */
	}
	if (f && pieces > f->pieces) {
		free(f->piece);
		f->piece = calloc((size_t)pieces, sizeof *f->piece);
		f->pieces = f->piece ? pieces : 0;
	}
	if (!f || pieces > f->pieces)
		lt_comm_fail(c, LT_EXIT_FAIL, "out of memory");
	f->busy = true;
	return f;
}

struct ends { /* of a piece that I send or get */
	struct lt_nest nest;
	char *at;      /* in my array */
	uint64_t bytes;
	bool direct;   /* travels from or to there */
};

static struct ends
ends_of(const struct lt_op *op, int pair, int member, bool sends)
{
	size_t size = lt_dtype_size(op->move->type);
	struct lt_piece x = lt_op_piece(op, pair, sends ? op->group.me :
	    member, sends ? member : op->group.me);

	return (struct ends){.nest = x.nest,
	    .at = sends ? (char *)(uintptr_t)lt_op_src(op, pair) +
	    x.src * size : (char *)op->pair[pair].dst + x.dst * size,
	    .bytes = x.nest.rows * x.nest.len * size,
	    .direct = x.nest.rank == 0 && (sends || !lt_op_sums(op))};
}

/* Calls do for every piece, members and pairs in order. */
typedef void each_fn(struct lt_comm *, struct lt_op *, struct flight *,
    int member, int pair, bool sends, void *arg);

static void
each(struct lt_comm *c, struct lt_op *op, struct flight *f, each_fn *fn,
    void *arg)
{
	for (int p = 0; p < op->group.n; p++)
		for (int k = 0; k < op->npair; k++) {
			if (lt_op_sends(op, p))
				fn(c, op, f, p, k, true, arg);
			if (lt_op_takes(op, p))
				fn(c, op, f, p, k, false, arg);
		}
}

static void
measure(struct lt_comm *c, struct lt_op *op, struct flight *f, int member,
    int pair, bool sends, void *arg)
{
	struct ends e = ends_of(op, pair, member, sends);
	uint64_t *sum = arg;

	(void)c;
	(void)f;
	if (!e.direct)
		*sum += (e.bytes + 255) / 256 * 256;
}

/* A step that nobody has rehearsed. */
static void
grow(struct lt_comm *c, struct lt_op *op, struct flight *f, uint64_t want)
{
	struct lt_gpu *g = gpu_of(c);
	void *p = NULL;

	if (lt_cuda_spoil(g, 0, "memory for a transfer"))
		return;
	g->device->synchronize(g);
	if (f->own)
		g->device->free(g, f->buffer);
	f->buffer = NULL;
	f->own = false;
	if (g->device->alloc(g, want, &p))
		lt_comm_fail(c, LT_EXIT_CONFIG, "%s: no memory on the device "
		    "for %llu bytes of messages", op->move->name,
		    (unsigned long long)want);
	g->device->synchronize(g);
	f->buffer = p;
	f->own = true;
	f->room = want;
}

/* Returns how many bytes its messages need. */
static uint64_t
begin_flight(struct lt_comm *c, struct lt_op *op)
{
	struct flight *f = flight_of(c, op);
	uint64_t want = 0;

	op->state = f;
	each(c, op, f, measure, &want);
	return want;
}

static void
reserve(struct lt_comm *c, struct lt_op *op)
{
	uint64_t want = begin_flight(c, op);
	struct flight *f = op->state;

	f->room = want > f->room ? want : f->room;
	gpu_of(c)->counted[stream_of(op)]++;
}

static void
release(struct lt_comm *c, struct lt_op *op)
{
	(void)c;
	((struct flight *)op->state)->busy = false;
}

int
lt_nccl_reserve(struct lt *rt)
{
	struct lt_comm *c = rt->comm;
	uint64_t sum = 0;
	char *at;

	if (!c || !c->nccl)
		return LT_OK;
	for (struct flight *f = of(c)->flights; f; f = f->next)
		sum += f->room;
	if (!sum)
		return LT_OK;
	if (rt->gpu->device->alloc(rt->gpu, sum, &of(c)->buffer))
		return lt_fail(LT_EXIT_CONFIG, "rank %d: no memory on the "
		    "device for messages: %llu bytes", rt->rank,
		    (unsigned long long)sum);
	c->reserved += sum;
	at = of(c)->buffer;
	for (struct flight *f = of(c)->flights; f; f = f->next) {
		f->buffer = at;
		at += f->room;
	}
	return LT_OK;
}

/* Where a piece travels from or to; what is sent is packed. */
static char *
place_of(struct flight *f, const struct ends *e, uint64_t *at)
{
	char *x = f->buffer + *at;

	if (e->direct)
		return e->at;
	*at += (e->bytes + 255) / 256 * 256;
	return x;
}

static void
pack(struct lt_comm *c, struct lt_op *op, struct flight *f, int member,
    int pair, bool sends, void *arg)
{
	struct ends e = ends_of(op, pair, member, sends);
	char *x = place_of(f, &e, arg);
	struct lt_nest to = lt_nest_to_packed(&e.nest);

	if (sends && !e.direct)
		lt_gpu_nest_copy(c->device, stream_of(op), &to,
		    lt_dtype_size(op->move->type), x, e.at);
	if (!sends)
		f->piece[member * op->npair + pair] = x;
}

struct talk {
	communicator comm;
	uint64_t at;
	int error;
};

static void
talk(struct lt_comm *c, struct lt_op *op, struct flight *f, int member,
    int pair, bool sends, void *arg)
{
	struct talk *t = arg;
	struct ends e = ends_of(op, pair, member, sends);
	char *x = place_of(f, &e, &t->at);
	int peer = lt_op_place(op, member);

	if (!e.bytes || t->error)
		return;
	t->error = sends ? of(c)->send(x, e.bytes, BYTES, peer, t->comm,
	    driver_stream(c, op)) : of(c)->recv(x, e.bytes, BYTES, peer,
	    t->comm, driver_stream(c, op));
	if (t->error == IN_PROGRESS)
		t->error = SUCCESS;
}

/* What an allreduce spreads, its lane has made. */
static void
begin(struct lt_comm *c, const struct lt_op *op, struct flight *f)
{
	struct lt_gpu *g = gpu_of(c);

	if (op->phase == LT_PHASE_SPREAD)
		return;
	g->device->record(g, f->there, LT_COMPUTE);
	g->device->wait(g, stream_of(op), f->there);
}

static void
post(struct lt_comm *c, struct lt_op *op)
{
	uint64_t want = begin_flight(c, op), at = 0;
	struct flight *f = op->state;
	struct talk t = {.comm = line_of(c, op)->comm};
	int r;

	if (want > f->room)
		grow(c, op, f, want);
	begin(c, op, f);
	each(c, op, f, pack, &at);
	r = of(c)->group_start();
	each(c, op, f, talk, &t);
	if (!r)
		r = of(c)->group_end();
	settle(c, op->move->name, t.comm, t.error ? t.error : r);
}

static bool
take(struct lt_comm *c, struct lt_op *op, int member, struct lt_view *v)
{
	struct flight *f = op->state;

	(void)c;
	*v = (struct lt_view){.piece = f->piece + member * op->npair};
	return true;
}

static bool
here(struct lt_comm *c, struct lt_op *op, int member)
{
	(void)c;
	(void)op;
	(void)member;
	return true;
}

static void
taken(struct lt_comm *c, struct lt_op *op)
{
	struct flight *f = op->state;

	lt_progress_count(gpu_of(c), stream_of(op), (struct lt_passed){
	    .name = op->move->name});
	gpu_of(c)->device->record(gpu_of(c), f->there, stream_of(op));
}

static bool
done(struct lt_comm *c, struct lt_op *op)
{
	struct flight *f = op->state;

	gpu_of(c)->device->wait(gpu_of(c), LT_COMPUTE, f->there);
	f->busy = false;
	return true;
}

static const struct lt_transport nccl = {
	.name = "nccl", .at_once = true, .post = post, .reserve = reserve,
	.release = release, .take = take,
	.here = here, .taken = taken, .done = done,
};

/* ---- opening ---- */

static void *
find_library(void)
{
	const char *const roots[] = {getenv("CUDA_HOME"), getenv("CUDA_PATH"),
		"", "/usr/local/cuda"};
	char path[4096];
	void *lib = NULL;

	for (int r = 2, i = 0; !lib && i < 4; i++, r = (r + 1) % 4) {
		if (!roots[r])
			continue;
		snprintf(path, sizeof path, "%s%slibnccl.so.2", roots[r],
		    *roots[r] ? "/lib64/" : "");
		lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	}
	return lib;
}

static int
load(struct lt_nccl *n)
{
	const char *missing = NULL;
	int version = 0;
	void *p;

	n->lib = find_library();
	if (!n->lib)
		return lt_fail(LT_EXIT_CONFIG, "libnccl.so.2 is not here; "
		    "ranks with a GPU each need it");
#define F(name, symbol, args)                                                 \
	p = dlsym(n->lib, "nccl" symbol);                                     \
	if (!p && !missing)                                                   \
		missing = "nccl" symbol;                                      \
	memcpy(&n->name, &p, sizeof p);
	LT_NCCL_FUNCTIONS(F)
#undef F
	p = dlsym(n->lib, "ncclGetErrorString");
	memcpy(&n->text, &p, sizeof p);
	if (n->version)
		(void)n->version(&version);
	if (missing || version < OLDEST)
		return lt_fail(LT_EXIT_CONFIG, "NCCL %d.%d.%d is here%s%s; "
		    "2.18 or later is needed", version / 10000,
		    version / 100 % 100, version % 100, missing ?
		    ", without " : "", missing ? missing : "");
	return LT_OK;
}

/* Every rank gets the id that the first of its group has made. */
static struct unique_id
agree(struct lt *rt, const struct lt_group *g)
{
	struct unique_id mine = {{0}}, *all;
	struct lt_comm *c = rt->comm;
	int r = g->base == rt->rank ? of(c)->get_id(&mine) : SUCCESS;

	if (r)
		fail(c, "an id", r);
	all = calloc((size_t)rt->ranks, sizeof *all);
	if (!all)
		lt_comm_fail(c, LT_EXIT_FAIL, "out of memory");
	lt_world_gather(rt, &mine, sizeof mine, rt->rank ? NULL : all);
	lt_world_broadcast(rt, all, (uint64_t)rt->ranks * sizeof *all);
	mine = all[g->base];
	free(all);
	return mine;
}

static void
open_line(struct lt *rt, const struct lt_move *m)
{
	struct lt_comm *c = rt->comm;
	struct lt_group g = lt_group_of(rt->prog, rt->coord, m);
	struct lt_op op = {.move = m, .group = g};
	struct config config = {sizeof config, (unsigned)MAGIC, OLDEST, 0,
	    UNDEFINED, UNDEFINED, UNDEFINED, NULL, UNDEFINED};
	struct line *l;
	int r;

	for (l = of(c)->lines; l; l = l->next)
		if (l->lane == m->lane && l->axes == g.axes)
			return;
	l = calloc(1, sizeof *l);
	if (!l)
		lt_comm_fail(c, LT_EXIT_FAIL, "out of memory");
	*l = (struct line){of(c)->lines, g.axes, m->lane, NULL};
	r = of(c)->init(&l->comm, g.n, agree(rt, &g), lt_op_place(&op, g.me),
	    &config);
	of(c)->lines = l;
	settle(c, m->name, l->comm, r);
}

static bool
in_processes(const struct lt *rt)
{
	return rt->run && rt->run->processes;
}

/* A GPU for every rank; ranks that are threads have another way. */
static bool
wanted(const struct lt *rt)
{
	return rt->prog->device == LT_DEVICE_CUDA && rt->ranks > 1 &&
	    (in_processes(rt) || rt->ranks <= rt->gpu->devices);
}

int
lt_nccl_open(struct lt *rt)
{
	struct lt_nccl *n;
	int rc;

	if (rt->gpu && in_processes(rt) &&
	    rt->prog->device != LT_DEVICE_CUDA)
		return lt_fail(LT_EXIT_CONFIG, "ranks on the emulator are "
		    "threads: start this without mpirun or srun");
	if (!wanted(rt))
		return LT_OK;
	rc = lt_cuda_apart(rt);
	if (rc)
		return rc;
	n = calloc(1, sizeof *n);
	rc = n ? load(n) : lt_fail(LT_EXIT_FAIL, "out of memory");
	rt->comm->nccl = n;
	rt->comm->on_device = &nccl;
	for (int i = 0; !rc && i < rt->prog->nmove; i++)
		open_line(rt, &rt->prog->move[i]);
	return rc;
}

static void
close_lines(struct lt_comm *c)
{
	while (of(c)->lines) {
		struct line *l = of(c)->lines;

		of(c)->lines = l->next;
		if (l->comm) {
			settle(c, "the end", l->comm,
			    of(c)->finalize(l->comm));
			(void)of(c)->destroy(l->comm);
		}
		free(l);
	}
}

static void
close_flights(struct lt *rt)
{
	struct lt_gpu *g = rt->gpu;
	struct lt_nccl *n = rt->comm->nccl;

	while (n->flights) {
		struct flight *f = n->flights;

		n->flights = f->next;
		g->device->event_free(g, f->there);
		if (f->own)
			g->device->free(g, f->buffer);
		free(f->piece);
		free(f);
	}
	if (n->buffer)
		g->device->free(g, n->buffer);
}

void
lt_nccl_close(struct lt *rt)
{
	if (!rt->comm || !rt->comm->nccl)
		return;
	close_flights(rt);
	close_lines(rt->comm);
	if (of(rt->comm)->lib)
		dlclose(of(rt->comm)->lib);
	free(rt->comm->nccl);
	rt->comm->nccl = NULL;
	rt->comm->on_device = NULL;
}
