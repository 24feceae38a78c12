/*
 * A gang of threads for kernels.  lt_pool_run hands one function to every
 * thread and returns when all are done; the caller is part 0.  Waiting
 * threads spin for some tens of microseconds, so that back-to-back kernels
 * find them awake, and then sleep.  A process may hold several pools (one
 * per rank); when all of them together have more threads than the machine
 * has cores, nobody spins.
 *
 * A NULL pool is one thread.  One caller at a time per pool; no nesting.
 */
#ifndef LT_RUNTIME_CPU_POOL_H
#define LT_RUNTIME_CPU_POOL_H

struct lt_pool;

typedef void lt_pool_fn(void *arg, int part, int parts);

/* n threads, the caller of lt_pool_run included; n < 1 counts as one per
 * core.  NULL, with errno set, if they cannot be had. */
struct lt_pool *lt_pool_new(int n);
void lt_pool_free(struct lt_pool *);

int lt_pool_threads(const struct lt_pool *);
void lt_pool_run(struct lt_pool *, lt_pool_fn *, void *arg);

/* Inside a running function: returns when every part has called it. */
void lt_pool_barrier(struct lt_pool *);

/* How often to look before sleeping, with a pause between: 0 where there are
 * more threads, of all pools, than cores. */
int lt_pool_patience(void);
void lt_pool_pause(void);

#endif
