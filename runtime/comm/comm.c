/* Moves: started, finished, failed. */
#include "config.h"

#include "runtime/comm/comm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/gpu/gpu.h"
#include "runtime/gpu/nest.h"
#include "runtime/main/report.h"
#include "runtime/metrics/metrics.h"
#include "runtime/trace/trace.h"
#include "runtime/trace/watch.h"

/* ---- failing ---- */

void
lt_comm_escape(struct lt_comm *c, int code)
{
	if (!c->escape)
		_exit(code);
	longjmp(*c->escape, code);
}

void
lt_comm_fail(struct lt_comm *c, int code, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (c->transport->claim(c, code))
		lt_fail(code, "rank %d: %s", c->rank, text);
	c->transport->stop(c, code);
	lt_comm_escape(c, code);
}

static const struct lt_transport *
by(const struct lt_comm *c, const struct lt_op *op)
{
	return op->device && c->on_device ? c->on_device : c->transport;
}

static const char *
axes_text(const struct lt_comm *c, const struct lt_op *op, char buf[128])
{
	size_t at = 0;

	buf[0] = '\0';
	for (int h = 0; h < op->move->n && at < 127; h++)
		at += (size_t)snprintf(buf + at, 128 - at, "%s%s", h ? "," : "",
		    c->prog->axis[op->move->hop[h].axis]);
	return buf;
}

/* "rank 3" or "ranks 3, 5", growing by one. */
struct names {
	char text[256];
	size_t at;
	int n;
};

static void
add_name(struct names *w, int rank)
{
	if (w->n++ == 0)
		w->at = (size_t)snprintf(w->text, sizeof w->text, "rank %d",
		    rank);
	else if (w->at < sizeof w->text - 16)
		w->at += (size_t)snprintf(w->text + w->at,
		    sizeof w->text - w->at, ", %d", rank);
	if (w->n == 2) {
		memmove(w->text + 5, w->text + 4, w->at - 3);
		w->text[4] = 's';
		w->at++;
	}
}

/* Those that everybody waits for in the end. */
static void
name_idle(struct lt_comm *c, struct names *w)
{
	for (int r = 0; c->transport->waits && r < c->ranks; r++)
		if (r != c->rank && !c->transport->waits(c, r))
			add_name(w, r);
}

/* Names the members that a test holds for. */
static _Noreturn void
late(struct lt_comm *c, struct lt_op *op, const char *what,
    bool (*is_late)(struct lt_comm *, struct lt_op *, int))
{
	struct names who = {.n = 0}, idle = {.n = 0};
	char axes[128];

	for (int p = 0; p < op->group.n; p++)
		if (is_late(c, op, p))
			add_name(&who, lt_group_rank(&op->group, p));
	name_idle(c, &idle);
	lt_comm_fail(c, LT_EXIT_COMM, "%s on %s: %s %s for %g s%s%s%s; "
	    "--comm-timeout sets how long ranks wait for each other",
	    op->move->name, axes_text(c, op, axes), what, who.text,
	    c->timeout, idle.n ? ", and " : "", idle.text, !idle.n ? "" :
	    idle.n > 1 ? " wait for nobody" : " waits for nobody");
}

static bool
not_here(struct lt_comm *c, struct lt_op *op, int p)
{
	return lt_op_takes(op, p) && !by(c, op)->here(c, op, p);
}

static bool
reads(struct lt_comm *c, struct lt_op *op, int p)
{
	(void)c;
	return lt_op_sends(op, p);
}

/* ---- one step ---- */

static void
post(struct lt_comm *c, struct lt_op *op)
{
	const struct lt_transport *t = by(c, op);

	(c->rehearses ? t->reserve : t->post)(c, op);
}

static void
take(struct lt_comm *c, struct lt_op *op, int member)
{
	if (lt_op_takes(op, member) &&
	    !by(c, op)->take(c, op, member, &c->view[member]))
		late(c, op, "nothing came from", not_here);
}

static struct lt_source
source_of(const struct lt_comm *c, const struct lt_op *op, int pair,
    int member, uint64_t at)
{
	const struct lt_view *v = &c->view[member];
	size_t size = lt_dtype_size(op->move->type);
	uint64_t before = 0;

	if (member == op->group.me)
		return (struct lt_source){lt_op_src(op, pair) + at * size, 0};
	if (v->piece)
		return (struct lt_source){v->piece[pair], 1};
	if (!v->packed)
		return (struct lt_source){lt_op_src(v->peer, pair) +
		    at * size, 0};
	for (int i = 0; i < pair; i++) {
		struct lt_nest x = lt_op_piece(op, i, member,
		    op->group.me).nest;

		before += x.rows * x.len;
	}
	return (struct lt_source){v->packed + before * size, 1};
}

static enum lt_stream
stream_of(const struct lt_op *op)
{
	return lt_stream_of(op->move->lane);
}

static void
sum_pieces(struct lt_comm *c, const struct lt_op *op, const struct lt_nest *x,
    char *dst, int n)
{
	if (op->device)
		lt_gpu_nest_sum(c->device, stream_of(op), x,
		    (float *)(void *)dst, n, c->source, op->move->max ?
		    LT_NEST_MAX : LT_NEST_SUM);
	else if (op->move->max)
		lt_nest_max(c->pool, x, (float *)(void *)dst, n, c->source);
	else
		lt_nest_sum(c->pool, x, (float *)(void *)dst, n, c->source);
}

static void
copy_piece(struct lt_comm *c, const struct lt_op *op, const struct lt_nest *x,
    char *dst)
{
	size_t size = lt_dtype_size(op->move->type);

	struct lt_nest from = c->source[0].packed ? lt_nest_from_packed(x) :
	    *x;

	if (op->device)
		lt_gpu_nest_copy(c->device, stream_of(op), &from, size, dst,
		    c->source[0].at);
	else
		lt_nest_copy(c->pool, x, size, dst, c->source[0]);
}

/* All pairs from the members whose views are in c->view, or from me. */
static void
fill(struct lt_comm *c, const struct lt_op *op, const int *member, int n)
{
	size_t size = lt_dtype_size(op->move->type);

	for (int k = 0; k < op->npair; k++) {
		struct lt_piece x = lt_op_piece(op, k, member[0],
		    op->group.me);
		char *dst = (char *)op->pair[k].dst + x.dst * size;

		for (int i = 0; i < n; i++)
			c->source[i] = source_of(c, op, k, member[i], x.src);
		if (n > 1)
			sum_pieces(c, op, &x.nest, dst, n);
		else if (c->source[0].at != dst)
			copy_piece(c, op, &x.nest, dst);
	}
}

static void
take_and_fill(struct lt_comm *c, struct lt_op *op, int leader)
{
	int n = 0;

	for (int p = leader; p < op->group.n; p++)
		if (op->from != LT_OP_ALL ? p == leader :
		    lt_op_adds(op, leader, p)) {
			take(c, op, p);
			c->member[n++] = p;
		}
	fill(c, op, c->member, n);
}

/* Everything that comes in; the fixed order makes the sums. */
static void
receive(struct lt_comm *c, struct lt_op *op)
{
	if (c->rehearses)
		return;
	if (op->from >= 0)
		take_and_fill(c, op, op->from);
	for (int p = 0; op->from == LT_OP_ALL && p < op->group.n; p++)
		if (lt_op_leads(op, p))
			take_and_fill(c, op, p);
	by(c, op)->taken(c, op);
}

static void
end(struct lt_comm *c, struct lt_op *op)
{
	if (c->rehearses)
		by(c, op)->release(c, op);
	else if (!by(c, op)->done(c, op))
		late(c, op, "nobody took what was sent to", reads);
}

void
lt_comm_run(struct lt_comm *c, struct lt_op *op)
{
	post(c, op);
	receive(c, op);
	end(c, op);
}

/* ---- moves ---- */

static struct lt_pending *
free_pending(struct lt_comm *c)
{
	for (int i = 0; i < LT_PENDING_MAX; i++)
		if (!c->pending[i].used)
			return &c->pending[i];
	lt_comm_fail(c, LT_EXIT_INTERNAL,
	    "more than %d transfers are under way", LT_PENDING_MAX);
}

static void
copy_pairs(struct lt_comm *c, struct lt_pending *p, int n,
    const struct lt_pair *pair)
{
	if (n > p->room) {
		free(p->pair);
		p->pair = calloc((size_t)n, sizeof *p->pair);
		p->room = p->pair ? n : 0;
	}
	if (n > p->room)
		lt_comm_fail(c, LT_EXIT_FAIL, "out of memory");
	memcpy(p->pair, pair, (size_t)n * sizeof *pair);
}

/* Everything is enqueued on the stream of its lane, in the order of starts. */
static void
enqueue(struct lt_comm *c, struct lt_pending *p)
{
	receive(c, &p->op);
	if (p->op.phase == LT_PHASE_SUM) {
		post(c, &p->spread);
		receive(c, &p->spread);
	}
}

static void
finish_enqueued(struct lt_comm *c, struct lt_pending *p)
{
	end(c, &p->op);
	if (p->op.phase == LT_PHASE_SUM)
		end(c, &p->spread);
	p->finished = true;
}

static void
finish_posted(struct lt_comm *c, struct lt_pending *p)
{
	receive(c, &p->op);
	if (p->op.phase == LT_PHASE_SUM) {
		post(c, &p->spread);
		end(c, &p->op);
		receive(c, &p->spread);
		end(c, &p->spread);
	} else {
		end(c, &p->op);
	}
	p->finished = true;
}

static void
finish(struct lt_comm *c, struct lt_pending *p)
{
	bool enqueued = by(c, &p->op)->at_once;

	if (enqueued)
		finish_enqueued(c, p);
	else
		finish_posted(c, p);
	if (c->trace && !enqueued)
		lt_trace_stop(c->trace, p->span);
}

static void
check_sum(struct lt_comm *c, const struct lt_op *op)
{
	for (int p = 1; p < op->group.n && op->from == LT_OP_ALL; p++)
		if (!lt_op_leads(op, p) && op->move->type != LT_F32)
			lt_comm_fail(c, LT_EXIT_INTERNAL,
			    "%s: sums are of f32 only", op->move->name);
}

/*
 * The oldest of the lane and group ends here if many came after it.  All ranks
 * do so in the same place of the same program, so each that is waited for has
 * started it long ago, and waits for none that is behind.
 */
static void
make_room(struct lt_comm *c, const struct lt_move *m, uint32_t axes)
{
	for (int i = 0; i < LT_PENDING_MAX; i++) {
		struct lt_pending *p = &c->pending[i];

		if (!p->used || p->finished || p->op.move->lane != m->lane ||
		    p->op.group.axes != axes)
			continue;
		if (++p->later == LT_LANE_DEPTH)
			finish(c, p);
	}
}

/* What is on a device is not copied when it is posted, so it is not small. */
static void
set_steps(struct lt_comm *c, struct lt_pending *p, const struct lt_move *m,
    const struct lt_group *g, int n)
{
	lt_op_set(&p->op, m, g, m->kind == LT_ALLREDUCE ? LT_PHASE_WHOLE :
	    LT_PHASE_MOVE, n, p->pair);
	if (m->kind == LT_ALLREDUCE && (!p->op.small || c->device)) {
		lt_op_set(&p->op, m, g, LT_PHASE_SUM, n, p->pair);
		lt_op_set(&p->spread, m, g, LT_PHASE_SPREAD, n, p->pair);
	}
	if (c->device) {
		p->op.small = 0;
		p->op.device = p->spread.device = true;
	}
}

static uint64_t
bytes_of(const struct lt_move *m, int n, const struct lt_pair *pair)
{
	uint64_t count = 0;

	for (int i = 0; i < n; i++)
		count += pair[i].count;
	return count * lt_dtype_size(m->type);
}

lt_token
lt_start(struct lt *rt, const struct lt_move *m, int n,
    const struct lt_pair *pair)
{
	struct lt_comm *c = rt->comm;
	struct lt_pending *p = free_pending(c);
	struct lt_group g = lt_group_of(c->prog, c->coord, m);

	make_room(c, m, g.axes);
	copy_pairs(c, p, n, pair);
	p->used = true;
	p->finished = false;
	p->later = 0;
	set_steps(c, p, m, &g, n);
	check_sum(c, &p->op);
	lt_count_add(&c->count, &p->op);
	p->span = c->trace ? lt_trace_start(c->trace, m, bytes_of(m, n, pair)) :
	    -1;
	post(c, &p->op);
	if (by(c, &p->op)->at_once) {
		enqueue(c, p);
		if (c->trace)
			lt_trace_stop(c->trace, p->span);
	}
	if (c->serial)
		finish(c, p);
	return (lt_token)(p - c->pending);
}

lt_token
lt_host_start(struct lt *rt, void *dst, const void *src, uint64_t bytes)
{
	double began = rt->watch ? lt_now() : 0;

	memcpy(dst, src, bytes);
	lt_count_copy(rt, dst, bytes);
	if (rt->watch && rt->watch->trace)
		lt_trace_copied(rt->watch->trace, dst, bytes, began);
	return LT_TOKEN_DONE;
}

void
lt_finish(struct lt *rt, lt_token t)
{
	struct lt_comm *c = rt->comm;
	struct lt_pending *p;

	if (t == LT_TOKEN_DONE)
		return;
	if (t >= LT_TOKEN_HOST && rt->gpu) {
		lt_gpu_host_finish(rt, t);
		return;
	}
	p = &c->pending[t < LT_PENDING_MAX ? t : 0];
	if (t >= LT_PENDING_MAX || !p->used)
		lt_comm_fail(c, LT_EXIT_INTERNAL,
		    "a transfer is finished that was not started");
	if (!p->finished)
		finish(c, p);
	p->used = false;
}

/* ---- opening and closing ---- */

struct lt_comm *
lt_comm_new(const struct lt_program *prog, int rank,
    const struct lt_transport *t, void *world)
{
	struct lt_comm *c = calloc(1, sizeof *c);
	size_t n = (size_t)lt_mesh_ranks(prog);

	if (!c)
		return NULL;
	*c = (struct lt_comm){.transport = t, .world = world, .prog = prog,
	    .rank = rank, .ranks = (int)n, .timeout = 600,
	    .view = calloc(n, sizeof *c->view),
	    .source = calloc(n, sizeof *c->source),
	    .member = calloc(n, sizeof *c->member),
	    .agreed = calloc(n, sizeof *c->agreed)};
	lt_mesh_coord(prog, rank, c->coord);
	if (!c->view || !c->source || !c->member || !c->agreed) {
		lt_comm_close(c);
		return NULL;
	}
	return c;
}

void
lt_comm_close(struct lt_comm *c)
{
	if (!c)
		return;
	c->transport->close(c);
	for (int i = 0; i < LT_PENDING_MAX; i++)
		free(c->pending[i].pair);
	free(c->view);
	free(c->source);
	free(c->member);
	free(c->agreed);
	free(c);
}
