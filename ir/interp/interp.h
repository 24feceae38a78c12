/*
 * The reference interpreter: what a program means, in double precision.
 *
 * All ranks of the module's mesh run in lock-step, one op at a time; a value
 * is an array of local arrays, and leaves as the global tensor they form.
 * Every array that crosses this interface is global, row-major and double,
 * integers included.  The module must be verified and must not change while
 * an interpreter of it lives; only sizes in its dimension table are read when
 * the interpreter is made.
 *
 *	in = interp_new(m, &(struct interp_options){.seed = 1});
 *	interp_init(in);
 *	interp_run(in, "step", 0, (const double *[]){tok, lab}, result);
 *	interp_get(in, module_bundle(m, "GW"), 0, grad);
 *	interp_free(in);
 */
#ifndef LOONG_INTERP_H
#define LOONG_INTERP_H

#include "ir/ir.h"

struct interp;

/*
 * One named value: op results, loop carries and parameters of functions, in
 * program order.  iter holds the function's layer index (if it has one) and
 * its loops' variables, outermost first.  global is valid during the call.
 */
struct interp_value {
	const struct func *func;
	const struct value *value;
	const struct op *op; /* that made it; NULL for parameters */
	const int64_t *iter;
	int niter;
	const double *global;
	uint64_t count;
};

struct interp_options {
	uint64_t seed;  /* of initial values and dropout */
	int64_t step;   /* number of this step, from 1: AdamW, dropout */
	double lr;      /* 0: recipe.lr of the module */
	bool training;  /* dropout drops */
	bool round;     /* round every value to its dtype, as a trainer does */
	void (*on_value)(const struct interp_value *v, void *arg);
	void *arg;
};

/* NULL after an error reported through the module's diag. */
struct interp *interp_new(struct module *m, const struct interp_options *o);
void interp_free(struct interp *in);

/* Bundle fields, [stack,] dims; all zero at first. */
uint64_t interp_count(const struct interp *in, const struct bundle *b,
    int field);
void interp_set(struct interp *in, const struct bundle *b, int field,
    const double *global);
/* False if replicas on different ranks disagree. */
bool interp_get(struct interp *in, const struct bundle *b, int field,
    double *global);
/* Parameters start as the trainer's: by seed, name and global index. */
void interp_init(struct interp *in);
/* After parameters are set: fills the copies of them, by fn refresh. */
bool interp_refresh(struct interp *in);
void interp_set_step(struct interp *in, int64_t step, double lr);

/*
 * Calls a function; index is its layer index, if it has one.  arg[i] is
 * parameter i; result[i] (or result, or one of them, NULL) takes result i.
 * False after an error reported through the module's diag.
 */
bool interp_run(struct interp *in, const char *func, int64_t index,
    const double *const *arg, double *const *result);

/* x rounded to a dtype: to nearest, ties to even. */
double interp_round(double x, enum dtype dt);

#endif
