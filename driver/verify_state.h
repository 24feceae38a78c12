/* Inside of --verify. */
#ifndef LOONG_DRIVER_VERIFY_STATE_H
#define LOONG_DRIVER_VERIFY_STATE_H

#include "driver/batch.h"
#include "driver/record.h"
#include "driver/verify.h"

struct verify {
	struct module *m;
	const struct verify_options *o;
	struct batch batch;
	struct record *record;
	bool have_forward, have_step; /* recorded, by some stage */
	bool failed;		      /* reported */
	/* of the stage that runs */
	const char *after;
	bool reference, wrong_shown;
	struct record_result sum;
};

/* Runs the interpreter on the module after a pass; prints a line. */
void verify_stage(struct verify *v, const char *after);

/*
 * The slope of the loss along a random direction of every parameter tensor,
 * by differences and by the gradients of `step`.
 */
void verify_slopes(struct verify *v);

/* Emits C, runs it for two steps and compares. */
void verify_c(struct verify *v);

/* A field's name for people: bundle.field. */
const char *verify_field(struct verify *v, const struct bundle *b, int field);

#endif
