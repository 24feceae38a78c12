/* The thread pool: epochs, spinning, futexes. */
#define _GNU_SOURCE
#include "runtime/cpu/pool.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/cpu/cpu.h"

#define SPINS 4000 /* pauses before sleeping: 50..200 microseconds */

/* A word to wait on; sleepers tell the writer that a wake-up is needed. */
struct gate {
	_Alignas(64) atomic_uint word;
	atomic_uint sleepers;
};

struct lt_pool {
	struct gate start;   /* run number */
	struct gate done;    /* parts still at work */
	struct gate meet;    /* barrier generation */
	_Alignas(64) atomic_uint arrived;
	lt_pool_fn *fn;
	void *arg;
	int n;
	struct worker {
		struct lt_pool *pool;
		pthread_t thread;
		int part;
	} *worker; /* parts 1..n-1 */
};

static atomic_int threads_alive; /* over all pools, for the spin decision */

static void
futex(atomic_uint *word, int op, unsigned value)
{
	syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

void
lt_pool_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

int
lt_pool_patience(void)
{
	static atomic_int cores;
	int n = atomic_load_explicit(&cores, memory_order_relaxed);

	if (n == 0) {
		n = lt_cpu_cores();
		atomic_store_explicit(&cores, n, memory_order_relaxed);
	}
	return atomic_load_explicit(&threads_alive, memory_order_relaxed) > n
	    ? 0 : SPINS;
}

/* Returns once the word differs from old. */
static void
gate_wait(struct gate *g, unsigned old)
{
	int i;

	for (i = lt_pool_patience(); i > 0; i--) {
		if (atomic_load_explicit(&g->word, memory_order_acquire) != old)
			return;
		lt_pool_pause();
	}
	atomic_fetch_add(&g->sleepers, 1);
	while (atomic_load(&g->word) == old)
		futex(&g->word, FUTEX_WAIT, old);
	atomic_fetch_sub(&g->sleepers, 1);
}

static void
gate_wake(struct gate *g)
{
	if (atomic_load(&g->sleepers) > 0)
		futex(&g->word, FUTEX_WAKE, 1 << 30);
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct lt_pool *p = w->pool;
	unsigned seen = 0;

	for (;;) {
		gate_wait(&p->start, seen);
		seen = atomic_load(&p->start.word);
		if (p->fn == NULL)
			return NULL;
		p->fn(p->arg, w->part, p->n);
		if (atomic_fetch_sub(&p->done.word, 1) == 1)
			gate_wake(&p->done);
	}
}

static void
start(struct lt_pool *p, lt_pool_fn *fn, void *arg)
{
	p->fn = fn;
	p->arg = arg;
	atomic_store(&p->done.word, (unsigned)p->n - 1);
	atomic_fetch_add(&p->start.word, 1);
	gate_wake(&p->start);
}

static void
stop_workers(struct lt_pool *p, int n)
{
	int i;

	start(p, NULL, NULL);
	for (i = 0; i < n; i++)
		pthread_join(p->worker[i].thread, NULL);
	atomic_fetch_sub(&threads_alive, n + 1);
}

struct lt_pool *
lt_pool_new(int n)
{
	struct lt_pool *p = aligned_alloc(64, sizeof(*p));
	int i, err;

	if (p == NULL)
		return NULL;
	if (n < 1)
		n = lt_cpu_cores();
	*p = (struct lt_pool){ .n = n };
	p->worker = calloc(n, sizeof(*p->worker));
	if (p->worker == NULL) {
		free(p);
		return NULL;
	}
	atomic_fetch_add(&threads_alive, 1);
	for (i = 0; i < n - 1; i++) {
		p->worker[i].pool = p;
		p->worker[i].part = i + 1;
		err = pthread_create(&p->worker[i].thread, NULL, work,
		    &p->worker[i]);
		if (err != 0) {
			stop_workers(p, i);
			free(p->worker);
			free(p);
			errno = err;
			return NULL;
		}
		atomic_fetch_add(&threads_alive, 1);
	}
	return p;
}

void
lt_pool_free(struct lt_pool *p)
{
	if (p == NULL)
		return;
	stop_workers(p, p->n - 1);
	free(p->worker);
	free(p);
}

int
lt_pool_threads(const struct lt_pool *p)
{
	return p != NULL ? p->n : 1;
}

void
lt_pool_run(struct lt_pool *p, lt_pool_fn *fn, void *arg)
{
	unsigned left;

	if (p == NULL || p->n == 1) {
		fn(arg, 0, 1);
		return;
	}
	start(p, fn, arg);
	fn(arg, 0, p->n);
	while ((left = atomic_load(&p->done.word)) != 0)
		gate_wait(&p->done, left);
}

/* The last to arrive opens the gate.  Nobody can arrive at the next barrier
 * before the count is back at zero: it is reset before the gate opens. */
void
lt_pool_barrier(struct lt_pool *p)
{
	unsigned generation;

	if (p == NULL || p->n == 1)
		return;
	generation = atomic_load(&p->meet.word);
	if (atomic_fetch_add(&p->arrived, 1) + 1 == (unsigned)p->n) {
		atomic_store(&p->arrived, 0);
		atomic_fetch_add(&p->meet.word, 1);
		gate_wake(&p->meet);
	} else {
		gate_wait(&p->meet, generation);
	}
}
