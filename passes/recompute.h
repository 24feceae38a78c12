/* Inside of recompute: what is kept for backward, and what the rest costs. */
#ifndef LOONG_PASSES_RECOMPUTE_H
#define LOONG_PASSES_RECOMPUTE_H

#include "ir/ir.h"

/* True if v of block f is to be kept rather than made again. */
typedef bool keep_fn(void *arg, const struct func *f, const struct value *v);

/*
 * Every twin of the module loads only what keep says, and makes the rest
 * again.  Parameters of blocks are always kept.  Can be called again with
 * another keep that keeps less.
 */
void recompute_apply(struct module *m, keep_fn *keep, void *arg);

/* Of what twins load then, the host keeps what `host` says: offload.c. */
void recompute_offload(struct module *m, keep_fn *host, void *arg);
bool recompute_offloads(const struct module *m); /* does it keep anything? */

/* The same for a policy in text: none, full, save(x, attention, ...), in which
 * offload(x, ...) stands for what the host keeps. */
bool recompute_policy(struct module *m, const char *policy, struct span at);

/* What to drop so that the module needs at most so many bytes. */
void recompute_best(struct module *m, uint64_t bytes);

/* The load of a twin, or NULL. */
struct op *twin_load(const struct func *bwd);

/* need.c: plan.memory as a number of bytes; 0: not given. */
uint64_t memory_bytes(double setting);

/* Bytes of the planned arenas; total: of the device, without the host's. */
struct need {
	uint64_t arena[ARENA_COUNT], total;
};
/* What the passes behind recompute make of a copy of m. */
struct need memory_need(const struct module *m);
struct need planned_need(const struct module *m); /* of m, after memory */

#endif
