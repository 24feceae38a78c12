/* Messages through shared memory: any sizes, any order, and the end of those
 * who send them. */
#include "config.h"

#include <check.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/comm/near.h"
#include "tests/suite.h"

enum { RANKS = 4, LANES = 3, EACH = 30, LONGEST = 200000 };

static void *
region_new(int ranks, uint64_t ring)
{
	void *p = mmap(NULL, lt_near_bytes(ranks, ring), PROT_READ |
	    PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(p != MAP_FAILED);
	return p;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t
roll(uint64_t *state, uint64_t n)
{
	*state = *state * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (*state >> 33) % n;
}

/* Done, or the error; at most ten seconds. */
static int
await(struct lt_near *n, int request)
{
	double end = now() + 10;
	int done = 0, error;

	while (!(error = lt_near_test(n, request, &done)) && !done) {
		ck_assert(now() < end);
		lt_near_wait(n, end - now());
	}
	return error;
}

/* ---- everybody to everybody ---- */

struct one {
	pthread_t thread;
	void *region;
	uint64_t ring;
	int rank;
	bool lend, spin, late;
};

/* Odd ones, and now and then one that is lent or longer than its ring. */
static uint32_t
size_of(int from, int to, int lane, int i)
{
	uint64_t s = (uint64_t)(((from * RANKS + to) * LANES + lane) * EACH +
	    i);
	uint64_t kind = roll(&s, 8);

	return (uint32_t)(kind == 0 ? 1 + roll(&s, LONGEST) :
	    roll(&s, kind == 1 ? 5000 : 200));
}

static unsigned char
byte_of(int from, int to, int lane, int i, uint32_t at)
{
	return (unsigned char)(from * 7 + to * 11 + lane * 13 + i * 17 + at +
	    at / 251);
}

struct parcel {
	unsigned char *data;
	int request, peer, lane, i;
	bool in;
};

static void
fill(const struct one *o, struct parcel *p, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		p->data[k] = p->in ? 0 : byte_of(o->rank, p->peer, p->lane,
		    p->i, k);
}

static void
post(struct lt_near *n, const struct one *o, struct parcel *p)
{
	uint32_t bytes = p->in ? size_of(p->peer, o->rank, p->lane, p->i) :
	    size_of(o->rank, p->peer, p->lane, p->i);
	int error;

	p->data = malloc(bytes + 1);
	fill(o, p, bytes);
	error = p->in ? lt_near_recv(n, p->lane, p->peer, p->data, bytes,
	    &p->request) : lt_near_send(n, p->lane, p->peer, p->data, bytes,
	    &p->request);
	ck_assert_int_eq(error, LT_NEAR_OK);
}

static void
complete(struct lt_near *n, const struct one *o, struct parcel *p)
{
	uint32_t bytes = size_of(p->peer, o->rank, p->lane, p->i);
	bool right = true;

	ck_assert_int_eq(await(n, p->request), LT_NEAR_OK);
	for (uint32_t k = 0; p->in && k < bytes; k++)
		right &= p->data[k] == byte_of(p->peer, o->rank, p->lane,
		    p->i, k);
	ck_assert(right);
	free(p->data);
}

static struct parcel
next_parcel(const struct one *o, uint64_t *state, int (*count)[2][LANES])
{
	for (;;) {
		int peer = (int)roll(state, RANKS);
		int lane = (int)roll(state, LANES);
		bool in = roll(state, 2);
		int *i = &count[peer][in][lane];

		if (peer != o->rank && *i < EACH)
			return (struct parcel){NULL, -1, peer, lane, (*i)++,
			    in};
	}
}

/* Posts in an order of its own; late: receives last what was sent first. */
static void *
trade(void *arg)
{
	enum { ALL = 2 * (RANKS - 1) * LANES * EACH };
	const struct one *o = arg;
	struct lt_near *n = lt_near_new(o->region, o->rank, RANKS, o->ring,
	    o->spin);
	struct parcel *p = calloc(ALL, sizeof *p);
	int count[RANKS][2][LANES] = {{{0}}}, pid[RANKS];
	uint64_t state = (uint64_t)o->rank + 77;

	for (int r = 0; r < RANKS; r++)
		pid[r] = getpid();
	if (o->lend)
		lt_near_lend(n, pid);
	for (int i = 0; i < ALL; i++) {
		p[i] = next_parcel(o, &state, count);
		if (!p[i].in || !o->late)
			post(n, o, &p[i]);
	}
	for (int i = 0; i < ALL; i++)
		if (p[i].in && o->late)
			post(n, o, &p[i]);
	for (int i = 0; i < ALL; i++)
		complete(n, o, &p[i]);
	free(p);
	lt_near_free(n);
	return NULL;
}

START_TEST(all_to_all)
{
	static const uint64_t rings[] = {128, 4096, 1 << 16, 1 << 20};
	struct one o[RANKS];
	uint64_t ring = rings[_i / 8];
	void *region = region_new(RANKS, ring);

	for (int r = 0; r < RANKS; r++)
		o[r] = (struct one){.region = region, .ring = ring, .rank = r,
		    .lend = _i & 1, .spin = _i & 2,
		    .late = _i & 4 && r % 2};
	for (int r = 0; r < RANKS; r++)
		ck_assert_int_eq(pthread_create(&o[r].thread, NULL, trade,
		    &o[r]), 0);
	for (int r = 0; r < RANKS; r++)
		pthread_join(o[r].thread, NULL);
	munmap(region, lt_near_bytes(RANKS, ring));
}
END_TEST

/* ---- two ranks in one thread ---- */

struct two {
	void *region;
	struct lt_near *a, *b; /* ranks 0 and 1 */
};

static struct two
two_new(uint64_t ring)
{
	struct two t = {.region = region_new(2, ring)};

	t.a = lt_near_new(t.region, 0, 2, ring, false);
	t.b = lt_near_new(t.region, 1, 2, ring, false);
	return t;
}

static void
two_free(struct two *t, uint64_t ring)
{
	lt_near_free(t->a);
	lt_near_free(t->b);
	munmap(t->region, lt_near_bytes(2, ring));
}

/* A lane that nobody reads stops no other one, however much is on it; and not
 * more is kept for it than its ring holds. */
START_TEST(lanes)
{
	enum { RING = 4096, N = 50 };
	struct two t = two_new(RING);
	char out[1000] = "x", in[1000];
	int sent[N], request, last, done, kept = 0;

	for (int i = 0; i < N; i++)
		ck_assert_int_eq(lt_near_send(t.a, 0, 1, out, sizeof out,
		    &sent[i]), LT_NEAR_OK);
	ck_assert_int_eq(lt_near_recv(t.b, 1, 0, in, 5, &request), LT_NEAR_OK);
	ck_assert_int_eq(lt_near_test(t.b, request, &done), LT_NEAR_OK);
	ck_assert(!done);
	ck_assert_int_eq(lt_near_send(t.a, 1, 1, "true", 5, &last),
	    LT_NEAR_OK);
	ck_assert_int_eq(lt_near_test(t.a, last, &done), LT_NEAR_OK);
	ck_assert(done);
	ck_assert_int_eq(await(t.b, request), LT_NEAR_OK);
	ck_assert_str_eq(in, "true");
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(lt_near_test(t.a, sent[i], &done),
		    LT_NEAR_OK);
		kept += done;
	}
	ck_assert_int_le(kept, RING / 1000);
	two_free(&t, RING);
}
END_TEST

START_TEST(other_size)
{
	for (int early = 0; early < 2; early++) {
		struct two t = two_new(4096);
		char in[100];
		int out, request, done;

		if (early)
			(void)lt_near_send(t.a, 0, 1, "abc", 3, &out);
		if (early) { /* b takes it while it waits for something else */
			(void)lt_near_recv(t.b, 1, 0, in, 1, &request);
			(void)lt_near_test(t.b, request, &done);
		}
		(void)lt_near_recv(t.b, 0, 0, in, 4, &request);
		if (!early)
			(void)lt_near_send(t.a, 0, 1, "abc", 3, &out);
		ck_assert_int_eq(lt_near_test(t.b, request, &done),
		    LT_NEAR_CONFUSED);
		ck_assert_int_eq(lt_near_guilty(t.b), 0);
		two_free(&t, 4096);
	}
}
END_TEST

/* What a rank sent before it left is there; more is not. */
START_TEST(left)
{
	struct two t = two_new(4096);
	char in[4] = "";
	int out, request;

	(void)lt_near_send(t.a, 0, 1, "abc", 4, &out);
	lt_near_free(t.a);
	(void)lt_near_recv(t.b, 0, 0, in, 4, &request);
	ck_assert_int_eq(await(t.b, request), LT_NEAR_OK);
	ck_assert_str_eq(in, "abc");
	(void)lt_near_recv(t.b, 0, 0, in, 4, &request);
	ck_assert_int_eq(await(t.b, request), LT_NEAR_LEFT);
	lt_near_free(t.b);
	munmap(t.region, lt_near_bytes(2, 4096));
}
END_TEST

/* ---- death ---- */

/* A child begins a message that it cannot end: it is killed when so many bytes
 * are there, or before. */
static pid_t
child(void *region, bool lend, uint32_t bytes)
{
	pid_t pid = fork();
	struct lt_near *n;
	int request, pids[2] = {getppid(), getpid()};

	if (pid)
		return pid;
	n = lt_near_new(region, 1, 2, 4096, false);
	if (lend)
		lt_near_lend(n, pids);
	(void)lt_near_send(n, 0, 0, calloc(1, bytes), bytes, &request);
	raise(SIGKILL);
	_exit(1);
}

START_TEST(killed)
{
	enum { BYTES = 100000 };
	bool lend = _i;
	void *region = region_new(2, 4096);
	pid_t pid = child(region, lend, BYTES);
	int pids[2] = {getpid(), pid}, request;
	struct lt_near *n = lt_near_new(region, 0, 2, 4096, false);
	char *in = calloc(1, BYTES);
	siginfo_t info;
	double began;

	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT),
	    0);
	began = now();
	if (lend)
		lt_near_lend(n, pids);
	lt_near_watch(n, pids, 0.3);
	ck_assert_int_eq(lt_near_recv(n, 0, 1, in, BYTES, &request),
	    LT_NEAR_OK);
	ck_assert_int_eq(await(n, request), LT_NEAR_LOST);
	ck_assert_int_eq(lt_near_guilty(n), 1);
	ck_assert(now() - began < 5);
	waitpid(pid, NULL, 0);
	lt_near_free(n);
	free(in);
	munmap(region, lt_near_bytes(2, 4096));
}
END_TEST

/* Nothing comes: a wait ends all the same. */
START_TEST(silence)
{
	struct two t = two_new(4096);
	char in[4];
	int request, done;
	double began = now();

	(void)lt_near_recv(t.b, 0, 0, in, 4, &request);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(lt_near_test(t.b, request, &done),
		    LT_NEAR_OK);
		ck_assert(!done);
		lt_near_wait(t.b, 1e9);
	}
	ck_assert(now() - began < 5);
	two_free(&t, 4096);
}
END_TEST

/* Bytes that N messages, awaited before they are sent, take; the error. */
enum { N = 100 };

static size_t
taken(struct two *t, int *error)
{
	static int in[N], out[N];
	size_t before = mallinfo2().uordblks, after;
	int done, sent[N], got[N];

	for (int i = 0; i < N; i++)
		*error |= lt_near_recv(t->b, 0, 0, &in[i], sizeof in[i],
		    &got[i]);
	for (int i = 0; i < N; i++)
		*error |= lt_near_send(t->a, 0, 1, &out[i], sizeof out[i],
		    &sent[i]);
	after = mallinfo2().uordblks;
	for (int i = 0; i < N; i++) {
		*error |= await(t->b, got[i]);
		*error |= lt_near_test(t->a, sent[i], &done) | !done;
	}
	return after - before;
}

/* No memory is taken for as many messages as it was reserved for; without, it
 * is (a sanitizer's malloc does not tell). */
START_TEST(reserved)
{
	enum { RING = 1 << 16 };
	struct two t = two_new(RING), u = two_new(RING);
	int error = 0;

	ck_assert_int_eq(lt_near_reserve(t.a, N), LT_NEAR_OK);
	ck_assert_int_eq(lt_near_reserve(t.b, N), LT_NEAR_OK);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(taken(&t, &error), 0);
	ck_assert_int_eq(lt_near_reserve(t.a, N), LT_NEAR_OK);
	ck_assert_uint_eq(taken(&t, &error), 0);
	if (mallinfo2().uordblks)
		ck_assert_uint_gt(taken(&u, &error), 0);
	ck_assert_int_eq(error, LT_NEAR_OK);
	two_free(&t, RING);
	two_free(&u, RING);
}
END_TEST

START_TEST(sizes)
{
	ck_assert_uint_gt(lt_near_bytes(8, 64), 0);
	ck_assert_uint_ge(lt_near_bytes(8, 1 << 20), UINT64_C(56) << 20);
	ck_assert_uint_eq(lt_near_bytes(1 << 20, 64), 0);
	ck_assert_uint_eq(lt_near_bytes(8, UINT64_MAX / 8), 0);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("near");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, all_to_all, 0, 32);
	tcase_add_test(t, lanes);
	tcase_add_test(t, other_size);
	tcase_add_test(t, left);
	tcase_add_loop_test(t, killed, 0, 2);
	tcase_add_test(t, silence);
	tcase_add_test(t, reserved);
	tcase_add_test(t, sizes);
	return suite_run("near", t);
}
