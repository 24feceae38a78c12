/*
 * An independent judge of memory plans: replays a program in stage e byte by
 * byte and shares nothing with what planned it.
 *
 * Every value ever made is a content with a number.  Writing puts the content
 * into the bytes of its place, and whatever was there is gone; reading demands
 * that all bytes of the place hold that content.  Loops run as often as they
 * will, those over microbatches two or three times.
 *
 * Found are: bytes read after something else was written there or before
 * anything was, results that lie over their op's operands or scratch, places
 * outside slots or arenas, slots that share bytes in arenas of fixed layout,
 * carries and loads that look elsewhere than where the value was put, groups
 * no kernel can compute.
 */
#ifndef LOONG_IR_REPLAY_H
#define LOONG_IR_REPLAY_H

#include "ir/ir.h"

/* Errors found, reported to m->diag; after the first in an entry it goes on
 * with the next. */
int replay_check(struct module *m);

/* The parts: slots and groups as such; bytes and what they hold. */
bool replay_layout(struct module *m);

struct replay_range {
	uint64_t lo, hi; /* bytes, half open */
	uint32_t content;
};
struct replay_bytes { /* of one arena: sorted, disjoint; gaps: nothing yet */
	struct replay_range *r;
	int n, cap;
};
void replay_write(struct replay_bytes *b, uint64_t lo, uint64_t hi,
    uint32_t content);
/* The first range in [lo, hi) that is not content; content 0 for a gap.
 * False if all of it is. */
bool replay_differs(const struct replay_bytes *b, uint64_t lo, uint64_t hi,
    uint32_t content, struct replay_range *found);
void replay_forget(struct replay_bytes *b);

#endif
