/*
 * Units of scheduling: ops that stay together, what they wait for, and those
 * that could run now.  Only passes/order.c and its parts know them.
 */
#ifndef LOONG_PASSES_UNITS_H
#define LOONG_PASSES_UNITS_H

#include "passes/effects.h"
#include "plan/machine.h"

struct edge {
	int to;
	struct edge *next;
};

struct unit {
	int at, n;        /* ops r->op[at..at+n) */
	double cost, way; /* its own seconds; to the end, itself included */
	double arrives;   /* of a start: when its results are there */
	struct effects e;
	struct edge *then; /* units that depend on it, */
	int needs;         /* and on how many it depends that are not done */
	struct unit *start; /* of a wait */
	uint64_t bytes;     /* in flight once started */
	bool starts, waits;
};

struct units {
	struct module *m;
	const struct machine *x;
	struct region *r;
	struct unit *u;
	int n;
};

/* Fusion groups and single ops of the region, in their order. */
void units_make(struct units *p);

/*
 * Edges from each unit to later ones.  Units that conflict are on a path, not
 * always joined by an edge of their own: each access waits for the last write
 * of its place, and a write for the reads since then.  Sets way, too.
 */
void units_link(struct units *p);

/* A binary heap; equal ones leave it in the order of the region. */
struct queue {
	struct unit **u;
	int n;
	bool arrivals; /* the first to arrive leads, else the longest way */
};

void queue_put(struct queue *q, struct unit *u);
struct unit *queue_take(struct queue *q, int i); /* 0: the first */
bool queue_before(const struct queue *q, const struct unit *a,
    const struct unit *b);

#endif
