/*
 * What a program for GPUs has that one for CPUs has not: other callees
 * (callees.def) and, for some ops, other statements.  Everything else, the
 * order of the statements too, is the same text.
 */
#ifndef LOONG_CODEGEN_TARGET_H
#define LOONG_CODEGEN_TARGET_H

#include "codegen/emit.h"

enum callee {
#define CALLEE(id, cpu, gpu) CALL_##id,
#include "codegen/callees.def"
#undef CALLEE
	CALLEES
};

typedef void (*emit_fn)(struct emit *e, const struct op *op);

struct target {
	const char *callee[CALLEES];
	const char *work;     /* last argument of what needs scratch */
	const char *args;     /* of a kernel: "a->" */
	const char *includes; /* of the program */
	bool gpu;
	const emit_fn *op;    /* by opcode; NULL: as on a CPU */
	/* One kernel for a fusion group; the same for single numbers. */
	void (*kernel)(struct emit *e, struct op *const *op, int n);
	void (*scalars)(struct emit *e, struct op *const *op, int n);
	/* One array of a sum of squares. */
	void (*square)(struct emit *e, uint64_t n, const char *x);
	void (*finish_step)(struct emit *e, const struct op *ret);
	void (*finish_eval)(struct emit *e, const struct op *ret);
	/* Before the first update: what is not finite changes nothing.
	 * gnorm is NULL where it is not known yet. */
	void (*check_step)(struct emit *e, const char *loss,
	    const char *gnorm);
};

extern const struct target target_cpu, target_cuda;

/* "lt_gemm(rt->pool, ": a call up to the operands. */
const char *emit_callee(const struct emit *e, enum callee c);
/* A single number that a call reads: its value, or where a GPU has it;
 * NULL: 1. */
const char *emit_factor(struct emit *e, const struct arg *a);
void emit_memcpy(struct emit *e, const char *indent, const char *to,
    const char *from, uint64_t bytes);
void emit_zero_bytes(struct emit *e, const char *to, uint64_t bytes);

#endif
