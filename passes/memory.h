/*
 * Inside of the pass memory: places, the clock, who shares a place, offsets.
 * Nothing outside passes/memory*.c includes this.
 */
#ifndef LOONG_PASSES_MEMORY_H
#define LOONG_PASSES_MEMORY_H

#include "ir/ir.h"

enum { MEMORY_ALIGN = 64 };

struct place { /* of an arena that values share in turn */
	const char *name; /* slot */
	uint64_t size;    /* bytes of one element */
	uint32_t count;
	int from, to;     /* clock, inclusive */
	uint64_t offset;
};

struct frame_use { /* a call: the frame of the callee is in the way */
	int from, to;   /* clock, inclusive */
	uint64_t size;
	bool in_flight; /* something is sent from it when the call is over */
};

struct plan { /* of one function */
	struct module *m;
	struct func *f;
	struct place *place;
	int nplace;
	int *of;     /* by value id: index of its place, or -1 */
	int *depth;  /* by value id: number of loops around it */
	int *reads;  /* by value id: operands that are it */
	bool *saved; /* by value id */
	struct value **comes; /* by id of a future: what a wait makes of it */
	int clock;
	/* when each loop around the clock begins and ends */
	int loop_from[MAX_LOOPS + 1], loop_to[MAX_LOOPS + 1];
	int nloop;
	struct frame_use *call;
	int ncall;
	uint64_t frame;
};

/* Bytes, up to whole lines of the cache. */
uint64_t memory_round(uint64_t n);
/* Takes n elements of `stride` bytes from the end of an arena; offset. */
uint64_t memory_take(struct module *m, enum arena_id arena, uint64_t n,
    uint64_t stride);
int memory_new_place(struct plan *p, const char *name, uint64_t size,
    uint32_t count);
/* Is f called by others?  Then its values live in a frame. */
bool memory_called(const struct func *f);

/* memory_reads.c: fills reads, saved and comes. */
void memory_reads(struct plan *p);
/* Does an op that is not among these n read v? */
bool memory_read_outside(const struct plan *p, const struct value *v,
    struct op *const *op, int n);

/* memory_share.c: slots for everything, before anything has an offset. */
void memory_share(struct plan *p);
const char *memory_slot_name(struct plan *p, const char *value);
void memory_set_indexed(struct value *v, const char *slot, struct affine index);
/* v is where `from` is. */
void memory_take_place(struct plan *p, struct value *v,
    const struct value *from);
/* The result of op that takes the place of its operand i, or NULL. */
struct value *memory_accumulated(const struct op *op, int i);
/* memory_carry.c: slots for what the loops of a region carry. */
void memory_carries(struct plan *p, struct region *r);
/* memory_clock.c: when each place is in use. */
int memory_length(const struct region *r);
void memory_clock(struct plan *p);
/* memory_offset.c: offsets in act, and the size of the frame. */
void memory_offsets(struct plan *p);

#endif
