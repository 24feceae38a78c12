/*
 * --verify: is what the compiler made of this program the same program?
 *
 * The program is scaled down (scale.h) and given made-up input (batch.h).  The
 * interpreter runs it before the first pass, and after every pass all named
 * values and all gradients, moments and parameters are compared with those of
 * the first stage that had them.  What differentiation adds is held against
 * differences of the loss.  In the end the emitted C is compiled, run and
 * compared with the interpreter.
 */
#ifndef LOONG_DRIVER_VERIFY_H
#define LOONG_DRIVER_VERIFY_H

#include "passes/pass.h"

struct verify_options {
	FILE *out;	 /* what was proved */
	bool verbose;	 /* show the C compiler's command */
	uint64_t tokens; /* of a sequence, at most */
	bool stages;	 /* compare all values of all passes */
	bool c;		 /* compile and run the emitted C, too */
	bool no_slopes;	 /* gradients are not held against differences */
	/* Tests: called before C is emitted and again after. */
	void (*around_c)(struct module *m);
};

/*
 * Runs the rest of list on m.  PIPELINE_BROKEN: something differs, reported to
 * m->diag with pass, function, value and iteration; PIPELINE_ERRORS: the
 * program itself is wrong.  m is scaled and lowered afterwards.
 */
enum pipeline_result verify_module(struct module *m,
    const struct pass *const *list, const struct verify_options *o);

/*
 * Runs the rest of list on m, as it is, and proves without executing anything:
 * types behind every pass, transfers that match and complete, masks that rings
 * cover, the memory plan.  Prints a line for each.
 */
enum pipeline_result verify_static(struct module *m,
    const struct pass *const *list, FILE *out);

#endif
