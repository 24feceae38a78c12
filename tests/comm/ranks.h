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
#ifdef ON_DEVICE
#include "runtime/gpu/nccl.h"
#include "runtime/main/run.h"
#include "tests/gpu/kernels.h"
#endif

enum { RANKS_MAX = 16, ROOM = 4 << 20 };

struct ranks;
struct rank {
	struct lt rt;
	struct ranks *all;
	pthread_t thread;
	int escaped;      /* with this code; 0: came to its end */
	uint64_t random;  /* of its own; equal at the start */
	char *room;       /* on a device: memory there, */
	size_t used;      /* and how much of it is taken */
};

struct ranks {
	struct lt_program prog;
	struct lt_local *local;
	struct rank rank[RANKS_MAX];
	int n;
	double timeout;
	bool serial;
	bool processes;   /* ranks believe that each is one */
	uint64_t seed;
	void (*body)(struct rank *, void *arg);
	void *arg;
	pthread_barrier_t end;
};

/* Numbers 0..n-1 (Knuth's MMIX generator, upper bits). */
static inline uint64_t
roll(uint64_t *state, uint64_t n)
{
	*state = *state * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (*state >> 33) % n;
}

static void
ranks_thread_body(struct rank *r)
{
	jmp_buf escape;
	struct lt_comm *c = r->rt.comm;

	c->escape = &escape;
	r->escaped = setjmp(escape);
	if (r->escaped)
		return;
#ifdef ON_DEVICE
	r->escaped = lt_nccl_open(&r->rt);
	if (r->escaped) {
		lt_nccl_close(&r->rt);
		return;
	}
#endif
	r->all->body(r, r->all->arg);
#ifdef ON_DEVICE
	lt_nccl_close(&r->rt);
#endif
}

/* No stack goes before all have ended, as in a run (main/ranks.c): others may
 * be reading from it. */
static void *
ranks_thread(void *arg)
{
	struct rank *r = arg;

	ranks_thread_body(r);
	pthread_barrier_wait(&r->all->end);
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

#ifdef ON_DEVICE
enum { LANES = 3 };
static struct lt_move every_line[LANES << LT_AXES_MAX];

/* A move on each lane over each set of axes, which a program would have. */
static inline void
ranks_moves(struct ranks *w)
{
	w->prog.move = every_line;
	for (int lane = 0; lane < LANES; lane++)
		for (int set = 1; set < 1 << w->prog.naxis; set++) {
			struct lt_move *m = &every_line[w->prog.nmove++];

			*m = (struct lt_move){.name = "line",
			    .lane = (uint8_t)lane};
			for (int i = 0; i < w->prog.naxis; i++)
				if (set >> i & 1)
					m->hop[m->n++].axis = (int8_t)i;
		}
}
#endif

/* On a device what is moved is there. */
static inline void
rank_open(struct rank *r)
{
#ifdef ON_DEVICE
	void *room;

	static struct lt_run run = {.processes = true};

	r->rt.run = r->all->processes ? &run : NULL;
	ck_assert_int_eq(lt_gpu_open(&r->rt), LT_OK);
	ck_assert_int_eq(r->rt.gpu->device->alloc(r->rt.gpu, ROOM, &room),
	    LT_OK);
	r->room = room;
	r->rt.comm->device = &r->rt;
#else
	(void)r;
#endif
}

static inline void
rank_close(struct rank *r)
{
	lt_comm_close(r->rt.comm);
#ifdef ON_DEVICE
	r->rt.gpu->device->free(r->rt.gpu, r->room);
	lt_gpu_close(&r->rt);
#endif
}

/* Where moves find n bytes that are at p, which is freed.  On a device they
 * are there when the compute stream has come that far. */
static inline void *
rank_send(struct rank *r, void *p, size_t n)
{
#ifdef ON_DEVICE
	const struct lt_device *d = r->rt.gpu->device;
	char *to = r->room + r->used, *from = to + (n + 255) / 256 * 256;

	r->used += (n + 255) / 256 * 512;
	ck_assert_uint_le(r->used, ROOM);
	if (n) {
		d->upload(r->rt.gpu, from, p, n);
		d->copy(r->rt.gpu, LT_COMPUTE, to, from, n);
	}
	free(p);
	return to;
#else
	(void)r;
	(void)n;
	return p;
#endif
}

/* And back. */
static inline void *
rank_fetch(struct rank *r, void *x, size_t n)
{
#ifdef ON_DEVICE
	void *p = malloc(n + 1);

	if (n)
		r->rt.gpu->device->download(r->rt.gpu, p, x, n);
	return p;
#else
	(void)r;
	(void)n;
	return x;
#endif
}

/* Runs the body on every rank and returns when all have ended. */
static inline void
ranks_run(struct ranks *w, void (*body)(struct rank *, void *), void *arg)
{
	w->body = body;
	w->arg = arg;
#ifdef ON_DEVICE
	kernels_program(&w->prog);
	ranks_moves(w);
#endif
	w->local = lt_local_new(&w->prog);
	ck_assert_ptr_nonnull(w->local);
	pthread_barrier_init(&w->end, NULL, (unsigned)w->n);
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
		rank_open(r);
	}
	for (int i = 0; i < w->n; i++)
		ck_assert_int_eq(pthread_create(&w->rank[i].thread, NULL,
		    ranks_thread, &w->rank[i]), 0);
	for (int i = 0; i < w->n; i++)
		pthread_join(w->rank[i].thread, NULL);
	for (int i = 0; i < w->n; i++)
		rank_close(&w->rank[i]);
	pthread_barrier_destroy(&w->end);
	lt_local_free(w->local);
}

static inline void
ranks_ended(const struct ranks *w)
{
	for (int i = 0; i < w->n; i++)
		ck_assert_int_eq(w->rank[i].escaped, 0);
}

#endif
