/*
 * What named values were when the reference ran, and how far those of a later
 * stage are from them.
 *
 * A key is phase, function, value, iteration, and how often that was seen in
 * the phase.  A value that a function recomputes has the name of its twin's.
 */
#ifndef LOONG_DRIVER_RECORD_H
#define LOONG_DRIVER_RECORD_H

#include "ir/interp/interp.h"

struct record;

/*
 * Passes only change the order of sums: with at most 4096 terms in one, about
 * a thousand roundings on the way to any value and 2^-53 each, values of both
 * sides differ by less than 4096 * 1000 * 1.1e-16 = 5e-10 of a tensor's
 * largest element; twice that is accepted.  The second number stands for
 * tensors that are zero but for rounding.
 */
#define RECORD_TOLERANCE 1e-9
#define RECORD_ZERO 1e-15

struct record_result {
	uint64_t values, elements; /* compared */
	uint64_t unknown;	   /* values the reference does not have */
	uint64_t wrong;
	double worst; /* difference / largest element */
};

struct record *record_new(void);
void record_free(struct record *r);

/* A run begins: counts start anew.  name: "step", "eval", ... */
void record_phase(struct record *r, const char *name);

/* Adds to the reference. */
void record_add(struct record *r, const struct interp_value *v);

/*
 * Compares with the reference.  False if it differs; *at is then the element
 * that differs most and *want its reference.
 */
bool record_compare(struct record *r, const struct interp_value *v,
    struct record_result *sum, uint64_t *at, double *want);

/* A tensor that is no value, such as a gradient. */
void record_add_tensor(
    struct record *r, const char *name, const double *x, uint64_t n);
bool record_compare_tensor(struct record *r, const char *name, const double *x,
    uint64_t n, struct record_result *sum, uint64_t *at, double *want);

#endif
