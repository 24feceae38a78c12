/* The emitted program in action: a child that runs two steps. */
#ifndef LOONG_DRIVER_PROBE_H
#define LOONG_DRIVER_PROBE_H

#include "driver/batch.h"

/* What a run of the emitted program gives, in the order of probe_main.c. */
struct probe_tensor {
	const struct bundle *b; /* parameter, gradient or moment */
	int field;
	uint64_t n;
	double *x; /* all layers */
};

struct probe_step {
	double loss, gnorm;
	struct probe_tensor *tensor;
	int ntensor;
};

struct probe {
	struct probe_step step[2];
	double nll, count; /* of eval after both steps */
	double *logits;	   /* [b,v] or NULL */
	uint64_t nlogits;
};

/*
 * Emits m (stage e), compiles it together with probe_main.c and runs it on the
 * batch with batch_parameter's parameters.  Everything is in m's arena.
 * False after errors reported to stderr or m->diag.
 */
bool probe_run(struct probe *p, struct module *m, const struct batch *x,
    uint64_t seed, double lr, bool verbose);

#endif
