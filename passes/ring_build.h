/*
 * Inside of the ring pass: building blocks.  Ops go to r->out.
 */
#ifndef LOONG_PASSES_RING_BUILD_H
#define LOONG_PASSES_RING_BUILD_H

#include "passes/ring.h"

enum { LOOP_CARRIES = RING_IN + RING_ACC };

/*
 * t as this place of the loops sees it, ko hops along the outer axis and ki
 * along the inner one from there.
 */
const struct type *ring_place(const struct ring *r, const struct type *t,
    int64_t ko, int64_t ki);
/* base and suffix in one word. */
const char *ring_named(const struct ring *r, const char *base,
    const char *suffix);

struct op *ring_put(struct ring *r, enum opcode code, const struct arg *in,
    int nin, int nout);
struct value *ring_fill(struct ring *r, enum opcode code, const char *base,
    const struct type *t);
struct value *ring_add(struct ring *r, const char *base, struct value *a,
    struct value *b);

/* A list of values that go the same way; results replace them. */
struct flock {
	struct value **v[LOOP_CARRIES];
	const char *name[LOOP_CARRIES];
	int n;
};

void ring_flock_add(struct flock *f, struct value **v, const char *name);
/* By so many hops along both axes, or along that of one level; until: the
 * bound of the loop over var whose last trip needs none, or NULL. */
void ring_shift_by(struct ring *r, struct flock *f, const int64_t *by,
    const struct bound *until, const char *var);
void ring_shift(struct ring *r, struct flock *f, int level, int64_t hops,
    const struct bound *until, const char *var);

struct loop {
	struct op *op;
	struct region *up;
	struct value **slot[LOOP_CARRIES]; /* where the value is kept */
	const char *name[LOOP_CARRIES];
	int level, n;
};

struct bound ring_bound_of(const struct ring *r, int level);
void ring_loop_begin(struct ring *r, struct loop *l, int level, int64_t lo);
/* *v goes in as init; the carry, of type t, takes its place.  NULL: none. */
void ring_loop_carry(struct ring *r, struct loop *l, struct value **v,
    const char *base, const struct type *t);
/* What the slots hold now is yielded; then they hold the results. */
void ring_loop_end(struct ring *r, struct loop *l);

#endif
