/*
 * Linked with a trainer's C in place of the trainer's main part: reads the
 * newest checkpoint of FROM on the trainer's mesh and saves it in TO, or the
 * initial values of seed 3 if FROM is "-".  What no rank restores is NaN.
 *
 *	resave FROM TO
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/comm/comm.h"
#include "runtime/comm/group.h"
#include "runtime/comm/local.h"
#include "runtime/state/state.h"

enum { RANKS_MAX = 64 };

struct rank {
	struct lt rt;
	pthread_t thread;
	struct lt_out *from, *to; /* rank 0's */
	bool init;
	int rc;
};

static int
fail(const struct lt *rt, const char *what, const struct lt_error *e)
{
	fprintf(stderr, "rank %d: %s: %s\n", rt->rank, what, e->text);
	return LT_EXIT_FAIL;
}

static int
resave(struct rank *r)
{
	struct lt *rt = &r->rt;
	struct lt_error e = {.code = LT_OK};
	struct lt_point at = {0, 0, 0};
	struct lt_run_id id = {3, &rt->prog->recipe, "data", "path"};

	if (r->init)
		lt_state_init(rt, 3);
	else if (lt_restore(rt, r->from, NULL, LT_RESUME_NEWEST, &at, &e) !=
	    LT_RESTORE_OK)
		return fail(rt, "cannot restore", &e);
	return lt_save(rt, r->to, &id, &at, 0, &e) ? LT_OK :
	    fail(rt, "cannot save", &e);
}

static void *
run(void *arg)
{
	struct rank *r = arg;
	jmp_buf escape;

	r->rt.comm->escape = &escape;
	r->rc = setjmp(escape);
	if (!r->rc)
		r->rc = resave(r);
	return NULL;
}

static void
start(struct rank *r, const struct lt_program *prog, struct lt_local *local,
    int rank)
{
	uint64_t n = prog->arena[LT_STATE];

	r->rt.prog = prog;
	r->rt.rank = rank;
	r->rt.ranks = lt_mesh_ranks(prog);
	lt_mesh_coord(prog, rank, r->rt.coord);
	r->rt.arena[LT_STATE] = aligned_alloc(64, (n + 63) / 64 * 64);
	r->rt.comm = lt_local_open(local, rank);
	if (!r->rt.arena[LT_STATE] || !r->rt.comm)
		abort();
	r->rt.comm->timeout = 60;
	memset(r->rt.arena[LT_STATE], 0xff, n);
	if (pthread_create(&r->thread, NULL, run, r) != 0)
		abort();
}

static struct lt_out *
open_out(const char *path)
{
	struct lt_error e;
	struct lt_out *o = lt_out_open(path, &e);

	if (!o) {
		fprintf(stderr, "%s\n", e.text);
		exit(LT_EXIT_FAIL);
	}
	return o;
}

int
lt_main(int argc, char **argv, const struct lt_program *prog)
{
	static struct rank rank[RANKS_MAX];
	struct lt_local *local = lt_local_new(prog);
	int n = lt_mesh_ranks(prog), rc = LT_OK;

	if (argc != 3 || n > RANKS_MAX || !local)
		return LT_EXIT_USAGE;
	rank[0].to = open_out(argv[2]);
	if (strcmp(argv[1], "-") != 0)
		rank[0].from = open_out(argv[1]);
	for (int i = 0; i < n; i++) {
		rank[i].init = !rank[0].from;
		start(&rank[i], prog, local, i);
	}
	for (int i = 0; i < n; i++) {
		pthread_join(rank[i].thread, NULL);
		rc = rc ? rc : rank[i].rc;
		free(rank[i].rt.arena[LT_STATE]);
	}
	for (int i = 0; i < n; i++)
		lt_comm_close(rank[i].rt.comm);
	lt_local_free(local);
	return rc;
}
