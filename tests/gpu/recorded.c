/*
 * A trainer for the emulator, PROGRAM, with all calls of its steps written
 * down; then the rules of order.h, on what was called and on what a broken host
 * program would have called:
 *
 *	wait    a wait is left out
 *	record  an event is not recorded again, or never
 *	swap    a rank starts two moves of a lane and group the other way round
 *	place   an address is the size of all arenas further on
 *
 * Programs in which every call is behind what it was behind before do not
 * count.  Not all waits that do are found: that a buffer may be written again,
 * say, often follows from what ranks have waited for since.
 */
#define main main_of_program
#define lt_start start_of_program
#define lt_finish finish_of_program
#include PROGRAM
#undef lt_start
#undef lt_finish
#undef main

#include <stdio.h>
#include <stdlib.h>

#include "runtime/comm/comm.h"
#include "runtime/main/run.h"
#include "tests/gpu/order.h"

lt_token lt_start(struct lt *, const struct lt_move *, int n,
    const struct lt_pair *);
void lt_finish(struct lt *, lt_token);

enum { EACH = 37 }; /* of the addresses */

static int threads;
static _Thread_local const struct lt_move *started[LT_PENDING_MAX];

lt_token
start_of_program(struct lt *rt, const struct lt_move *m, int n,
    const struct lt_pair *pair)
{
	lt_token t;

	record_start(rt, m, n, pair);
	t = lt_start(rt, m, n, pair);
	record_of(rt, NULL);
	started[t] = m;
	return t;
}

void
finish_of_program(struct lt *rt, lt_token t)
{
	if (t < LT_PENDING_MAX)
		record_of(rt, started[t]);
	lt_finish(rt, t);
	record_of(rt, NULL);
}

static void
step(struct lt *rt)
{
	if (rt->gpu->rehearses) {
		program.step(rt);
		return;
	}
	record_begin(rt);
	threads = rt->run->threads;
	program.step(rt);
	record_end(rt);
}

/* ---- broken programs ---- */

struct tally {
	int made, found;
};

static void
tell(const char *what, struct tally t)
{
	printf("%-8s %5d made %5d found\n", what, t.made, t.found);
}

static struct tally
without(struct order *o, enum call_kind kind)
{
	struct tally t = {0, 0};
	uint64_t hash;
	char why[512];
	bool broken;

	(void)order_check_events(o, why);
	hash = order_hash(o);
	for (int i = 0; i < record_log.n; i++) {
		struct call *c = &record_log.call[i], was = *c;

		if (c->kind != kind)
			continue;
		c->kind = CALL_START; /* which no rule of events reads */
		broken = order_check_events(o, why) != NULL;
		t.found += broken;
		t.made += broken || order_hash(o) != hash;
		*c = was;
	}
	return t;
}

static bool
match(const struct call *a, const struct call *b)
{
	return a->kind == b->kind && a->rank == b->rank &&
	    a->move->lane == b->move->lane && a->axes == b->axes &&
	    a->group == b->group;
}

static struct tally
swapped(struct order *o)
{
	struct tally t = {0, 0};
	char why[512];

	for (int i = 0; i < record_log.n; i++) {
		struct call *a = &record_log.call[i], x = *a;
		int k = i + 1;

		if (a->kind != CALL_START)
			continue;
		while (k < record_log.n && !match(a, &record_log.call[k]))
			k++;
		if (k == record_log.n ||
		    strcmp(record_log.call[k].name, a->name) == 0)
			continue;
		*a = record_log.call[k];
		record_log.call[k] = x;
		t.made++;
		t.found += order_check_moves(o, why) != NULL;
		record_log.call[k] = *a;
		*a = x;
	}
	return t;
}

static struct tally
misplaced(struct order *o)
{
	struct tally t = {0, 0};
	uint64_t far = 0;
	char why[512];
	int n = 0;

	for (int i = 0; i < LT_ARENAS; i++)
		far += program.arena[i];
	for (int i = 0; i < record_log.n; i++)
		for (int k = 0; k < record_log.call[i].n; k++) {
			struct touch *x = &record_log.call[i].touch[k];

			if (!x->given || x->arena == LT_WORK || n++ % EACH)
				continue;
			x->lo += far;
			x->hi += far;
			t.made++;
			t.found += order_check_places(o, why) != NULL;
			x->lo -= far;
			x->hi -= far;
		}
	return t;
}

static int
check(void)
{
	struct order *o = order_new(&record_log, &program, threads);
	char why[512] = "";
	const char *rule = order_check(o, why);

	printf("%d calls, %d events\n", record_log.n, record_log.events);
	if (rule) {
		fprintf(stderr, "rule of the %s: %s\n", rule, why);
		order_free(o);
		return 1;
	}
	tell("wait", without(o, CALL_WAIT));
	tell("record", without(o, CALL_RECORD));
	tell("swap", swapped(o));
	tell("place", misplaced(o));
	order_free(o);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct lt_program p;
	int rc;

	p = program;
	p.step = step;
	(void)main_of_program;
	rc = lt_main(argc, argv, &p);
	return rc ? rc : check();
}
