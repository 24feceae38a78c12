/*
 * Inside of the replay: what values are at the moment, and where.  Nothing
 * outside ir/replay*.c includes this.
 */
#ifndef LOONG_IR_REPLAY_RUN_H
#define LOONG_IR_REPLAY_RUN_H

#include "ir/race.h"
#include "ir/replay.h"

enum { NO_PLACE = ARENA_COUNT };

struct spot { /* bytes of an arena */
	uint8_t arena;
	uint64_t lo, hi;
};

struct held { /* what a value is at the moment */
	struct spot at;
	uint32_t content;
	bool undefined; /* its op did not run: only carries may pass it on */
	uint32_t *part; /* an image written field by field: contents of these */
};

struct kept { /* contents that save left, by layer and value */
	const struct func *f;
	uint32_t *content;
	struct kept *next;
};

struct replay {
	struct module *m;
	struct replay_bytes bytes[ARENA_COUNT];
	const char **name; /* by content */
	uint32_t n, cap;
	struct kept *kept;
	struct replay_layer *layers; /* of bundles that have less room */
	struct race race;
	const struct frame *frame; /* and the op that runs in it */
	const struct op *op;
	bool failed;
};

struct frame {
	struct func *f;
	struct held *held;	/* by value id */
	const struct held *out; /* where the caller wants the results */
	const char *var[MAX_LOOPS + 1];
	int64_t val[MAX_LOOPS + 1];
	int nvar;
};

/* ---- replay_place.c ---- */

/* Reports once; false. */
bool replay_fail(struct replay *p, const struct frame *f, const struct op *op,
    const char *fmt, ...) PRINTF_LIKE(4, 5);
const char *replay_name(const struct value *v);
uint32_t replay_content(struct replay *p, const char *name);
/* Element `at` of the slot of v; where v is in this trip. */
struct spot replay_spot_in(struct replay *p, const struct frame *f,
    const struct op *op, const struct value *v, int64_t at);
struct spot replay_spot(struct replay *p, const struct frame *f,
    const struct op *op, const struct value *v);
bool replay_same_spot(struct spot a, struct spot b);
bool replay_overlap(struct spot a, struct spot b);
/* Bytes become content; nothing in flight may read them. */
void replay_put(struct replay *p, struct spot at, uint32_t content);
/* v is where and what h says, or a field of an image is. */
bool replay_holds(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v, struct held h);
struct held replay_field(
    const struct replay *p, const struct value *v, struct held h, int field);
bool replay_field_holds(struct replay *p, const struct frame *f,
    const struct op *op, const struct arg *a);
/* Reads v where it is and puts it at `to`, unless it is there. */
void replay_copy(struct replay *p, const struct frame *f, const struct op *op,
    const struct value *v, struct spot to);
void replay_no_race(struct replay *p, struct race_place at, const char *what);

/* ---- replay_layer.c ---- */

/* Finds the bundles whose layers share one place. */
void replay_layers(struct replay *p);
/* op reads no layer but the one that is there, and writes its own. */
void replay_use_layers(
    struct replay *p, const struct frame *f, const struct op *op);

/* ---- replay.c ---- */

/* Contents that layer `layer` of f has saved, by value id. */
uint32_t *replay_kept(struct replay *p, const struct func *f, int64_t layer);

/* ---- replay_op.c ---- */

/* Ops of one kernel, and single ops. */
void replay_compute(
    struct replay *p, struct frame *f, struct op *const *group, int n);
void replay_take(struct replay *p, struct frame *f, const struct op *op);
void replay_wait(struct replay *p, struct frame *f, const struct op *op);
void replay_local(struct replay *p, struct frame *f, const struct op *op);
void replay_write_field(struct replay *p, struct frame *f, const struct op *op,
    const struct op *maker);
void replay_fetch(struct replay *p, struct frame *f, const struct op *op);
void replay_skip(struct replay *p, struct frame *f, const struct op *op);

#endif
