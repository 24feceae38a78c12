/* Ranks as threads, for tests of communication. */
#ifndef TESTS_COMM_RANKS_H
#define TESTS_COMM_RANKS_H

#include <check.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/comm/comm.h"
#include "runtime/comm/group.h"
#include "runtime/comm/local.h"
#include "runtime/comm/world.h"
#include "runtime/loong_rt.h"

enum { RANKS_MAX = 16 };

struct ranks;
struct rank {
	struct lt rt;
	struct ranks *all;
	pthread_t thread;
	int escaped;      /* with this code; 0: came to its end */
	uint64_t random;  /* of its own; equal at the start */
};

struct ranks {
	struct lt_program prog;
	struct lt_local *local;
	struct rank rank[RANKS_MAX];
	int n;
	double timeout;
	bool serial;
	uint64_t seed;
	void (*body)(struct rank *, void *arg);
	void *arg;
};

/* Numbers 0..n-1 (Knuth's MMIX generator, upper bits). */
static inline uint64_t
roll(uint64_t *state, uint64_t n)
{
	*state = *state * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (*state >> 33) % n;
}

static void *
ranks_thread(void *arg)
{
	struct rank *r = arg;
	jmp_buf escape;
	struct lt_comm *c = r->rt.comm;

	c->escape = &escape;
	r->escaped = setjmp(escape);
	if (!r->escaped)
		r->all->body(r, r->all->arg);
	return NULL;
}

static inline void
ranks_mesh(struct ranks *w, int naxis, const int size[])
{
	static const char *const names[] = {"dp", "co", "ci", "hk", "hr"};

	*w = (struct ranks){.n = 1, .timeout = 60};
	w->prog.naxis = naxis;
	for (int i = 0; i < naxis; i++) {
		w->prog.axis[i] = names[i];
		w->prog.axis_size[i] = size[i];
		w->n *= size[i];
	}
	ck_assert_int_le(w->n, RANKS_MAX);
}

/* Runs the body on every rank and returns when all have ended. */
static inline void
ranks_run(struct ranks *w, void (*body)(struct rank *, void *), void *arg)
{
	w->body = body;
	w->arg = arg;
	w->local = lt_local_new(&w->prog);
	ck_assert_ptr_nonnull(w->local);
	for (int i = 0; i < w->n; i++) {
		struct rank *r = &w->rank[i];

		*r = (struct rank){.all = w, .random = w->seed};
		r->rt.prog = &w->prog;
		r->rt.rank = i;
		r->rt.ranks = w->n;
		lt_mesh_coord(&w->prog, i, r->rt.coord);
		r->rt.comm = lt_local_open(w->local, i);
		ck_assert_ptr_nonnull(r->rt.comm);
		r->rt.comm->timeout = w->timeout;
		r->rt.comm->serial = w->serial;
	}
	for (int i = 0; i < w->n; i++)
		ck_assert_int_eq(pthread_create(&w->rank[i].thread, NULL,
		    ranks_thread, &w->rank[i]), 0);
	for (int i = 0; i < w->n; i++)
		pthread_join(w->rank[i].thread, NULL);
	for (int i = 0; i < w->n; i++)
		lt_comm_close(w->rank[i].rt.comm);
	lt_local_free(w->local);
}

static inline void
ranks_ended(const struct ranks *w)
{
	for (int i = 0; i < w->n; i++)
		ck_assert_int_eq(w->rank[i].escaped, 0);
}

#endif
