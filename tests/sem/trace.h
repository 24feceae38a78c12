/*
 * Every named value of a run, to be compared with another stage's.
 *
 * Two stages agree if each value that exists in both - same function, name,
 * type, loop indices and turn - has the same elements.  A twin's value that is
 * new there may be one of its block, made again: then it is compared with the
 * block's.
 */
#ifndef LOONG_TESTS_TRACE_H
#define LOONG_TESTS_TRACE_H

#include "ir/interp/interp.h"

struct trace;

struct trace *trace_new(struct arena *mem);
/* For interp_options.on_value, with the trace as arg. */
void trace_value(const struct interp_value *v, void *trace);

struct trace_result {
	int shared;          /* values that exist in both */
	double worst;        /* largest |a - b| / (1 + |a|) */
	const char *name;    /* where, "layer.bwd.dx" */
};
/* rename: function of b called so is `to` in a (step is model); or NULL. */
struct trace_result trace_compare(struct trace *a, struct trace *b,
    const char *rename, const char *to);

#endif
