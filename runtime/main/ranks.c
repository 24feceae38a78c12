/* A thread per rank. */
#include "config.h"

#include "runtime/main/ranks.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/comm/comm.h"
#include "runtime/comm/group.h"
#include "runtime/comm/local.h"
#include "runtime/comm/world.h"
#include "runtime/cpu/pool.h"
#include "runtime/gpu/device.h"
#include "runtime/main/memory.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"
#include "runtime/main/signals.h"
#include "runtime/trace/trace.h"

/* Generated code and kernels keep blocks on the stack; seconds that ranks
 * have to leave after one has failed; exit codes and signals are smaller. */
enum { STACK = 16 << 20, GRACE = 5, SIGNALS = 1024 };

struct ranks {
	struct lt_local *local;
	int (*body)(struct lt *);
	int n;
	atomic_int left; /* ranks that have ended */
	struct member {
		struct ranks *all;
		struct lt *rt;
		pthread_t thread;
		bool runs;
		int rc;
		struct lt own;       /* not used by rank 0 */
		struct lt_run run;
	} *member;
};

int
lt_ranks_agree(struct lt *rt, int rc)
{
	int64_t all = lt_world_agree(rt, (int64_t)rc * SIGNALS +
	    lt_signals_stop());

	rt->run->stop = (int)(all % SIGNALS);
	return (int)(all / SIGNALS);
}

/* ---- one rank ---- */

static int
enter(struct member *m)
{
	jmp_buf escape;
	struct lt_comm *c = m->rt->comm;
	int code;

	c->escape = &escape;
	code = setjmp(escape);
	return code ? code : m->all->body(m->rt);
}

/* A rank that computes for ever would keep the others from ending. */
static void
leave(struct ranks *w)
{
	struct timespec t = {0, 20000000};

	atomic_fetch_add(&w->left, 1);
	for (int i = 0; lt_local_failed(w->local) &&
	    atomic_load(&w->left) < w->n; i++) {
		if (i > GRACE * 50) {
			fflush(NULL);
			_exit(lt_local_failed(w->local));
		}
		nanosleep(&t, NULL);
	}
}

static void *
run(void *arg)
{
	struct member *m = arg;

	lt_report_rank(m->rt->rank);
	m->rc = enter(m);
	leave(m->all);
	lt_report_rank(-1);
	return NULL;
}

/* ---- all of them ---- */

static int
open_member(struct ranks *w, int rank, struct lt *first)
{
	struct member *m = &w->member[rank];

	m->all = w;
	m->rt = first;
	if (rank > 0) {
		m->own = *first;
		m->run = *first->run;
		m->rt = &m->own;
		m->rt->run = &m->run;
		m->rt->prog = &m->run.prog;
	}
	m->rt->rank = rank;
	m->rt->ranks = w->n;
	lt_mesh_coord(m->rt->prog, rank, m->rt->coord);
	m->rt->comm = lt_local_open(w->local, rank);
	if (!m->rt->comm)
		return lt_fail(LT_EXIT_FAIL, "out of memory");
	m->rt->comm->timeout = first->run->opt.comm_timeout;
	m->rt->comm->serial = first->run->opt.serial_comm;
	return LT_OK;
}

static int
start(struct ranks *w)
{
	pthread_attr_t attr;
	int err = pthread_attr_init(&attr);

	if (!err)
		err = pthread_attr_setstacksize(&attr, STACK);
	for (int i = 1; !err && i < w->n; i++) {
		err = pthread_create(&w->member[i].thread, &attr, run,
		    &w->member[i]);
		w->member[i].runs = err == 0;
	}
	if (err) {
		(void)lt_local_fail(w->local, LT_EXIT_CONFIG);
		return lt_fail(LT_EXIT_CONFIG, "cannot start %d ranks: %s",
		    w->n, strerror(err));
	}
	run(&w->member[0]);
	return LT_OK;
}

static void
close_members(struct ranks *w)
{
	for (int i = 0; i < w->n; i++)
		if (w->member[i].runs)
			pthread_join(w->member[i].thread, NULL);
	for (int i = 0; i < w->n; i++) {
		struct lt *rt = w->member[i].rt;

		if (!rt)
			continue;
		lt_comm_close(rt->comm);
		rt->comm = NULL;
		lt_trace_close(rt);
		lt_memory_free(rt);
		lt_gpu_close(rt);
		if (rt->pool)
			lt_pool_free(rt->pool);
		rt->pool = NULL;
	}
}

static int
run_members(struct ranks *w, struct lt *first)
{
	int rc = LT_OK;

	for (int i = 0; !rc && i < w->n; i++)
		rc = open_member(w, i, first);
	if (!rc)
		rc = start(w);
	close_members(w);
	if (!rc)
		rc = lt_local_failed(w->local);
	return rc ? rc : w->member[0].rc;
}

int
lt_ranks_run(struct lt *rt, int (*body)(struct lt *))
{
	struct ranks w = {.body = body, .n = lt_mesh_ranks(rt->prog)};
	int rc;

	if (w.n == 1)
		return body(rt);
	w.local = lt_local_new(rt->prog);
	w.member = calloc((size_t)w.n, sizeof *w.member);
	rc = w.local && w.member ? run_members(&w, rt) :
	    lt_fail(LT_EXIT_FAIL, "out of memory");
	free(w.member);
	lt_local_free(w.local);
	return rc;
}
