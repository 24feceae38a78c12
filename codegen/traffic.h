/* What a step sends and copies: each transfer of the program with how often it runs. */
#ifndef LOONG_CODEGEN_TRAFFIC_H
#define LOONG_CODEGEN_TRAFFIC_H

#include "ir/ir.h"

struct traffic {
	const struct func *f;
	const struct op *op;
	uint64_t calls; /* in a step */
	uint64_t bytes; /* that a rank sends in one; or copies */
};

/* Rows in program order, callees first; n says how many. */
struct traffic *traffic_of_step(const struct module *m, int *n);
/* The same for copies to the host and from it. */
struct traffic *copies_of_step(const struct module *m, int *n);

#endif
