/*
 * What the ranks send each other, and whether it fits together.
 *
 * A trace is the communication one rank posts, in order: calls entered, loops
 * rolled out, `when` decided.  All ranks of a program run the same text, so
 * one trace stands for all; a checker that took that for granted would prove
 * nothing, so it takes one per rank.
 *
 * Checked is what NCCL or MPI would do.  A communicator is a lane and a group
 * of ranks: those that differ only on the axes of the op.  The k-th transfer
 * of a communicator has one kind, size and dtype on all members, and is the
 * same transfer of the program; what a shift sends the peer expects from there.
 * Then the strong form: even if every transfer is a rendezvous and each rank
 * runs one at a time, in the order posted, all of them complete.  Lanes run
 * them in an order that this one refines, so they complete as well.
 */
#ifndef LOONG_IR_TRACE_H
#define LOONG_IR_TRACE_H

#include "ir/ir.h"

enum { TRACE_ITERS = 4 };

struct trace_op {
	const struct op *op; /* where it comes from */
	const struct func *func;
	int32_t iter[TRACE_ITERS]; /* index of the function, then its loops */
	uint8_t niter;
	uint8_t lane, kind; /* enum lane, enum opcode */
	uint8_t dtype;      /* on the wire */
	uint8_t part;       /* which of the op's arrays */
	axis_set group;
	int8_t by[MAX_AXES]; /* shift: to the rank at +by[axis] */
	uint64_t count;      /* elements this rank hands in */
};

struct trace {
	struct trace_op *op;
	int n, cap;
};

struct trace_sum {
	uint64_t transfers;   /* one per group of ranks that takes part */
	int communicators;    /* lanes and sets of axes */
	int traces;           /* different ones among the ranks */
};

/*
 * What each rank posts from the entry f: any module of stage b or later.
 * Loops over microbatches run two or three times.  In the module's arena.
 */
struct trace *trace_make(struct module *m, const struct func *f);
struct trace *trace_copy(struct module *m, const struct trace *t);

/*
 * True if the ranks' traces (one pointer per rank, in the mesh's order) fit;
 * otherwise the first thing that does not is reported to m->diag.  If all
 * ranks share one trace the work does not grow with their number.
 */
bool trace_check(struct module *m, const struct trace *const *rank,
    struct trace_sum *sum);

/* trace_make and trace_check of step, eval and logits. */
bool trace_check_module(struct module *m, struct trace_sum *sum);

/* Elements and dtype of array i of a communication op, on one rank. */
uint64_t trace_elements(const struct module *m, const struct op *op, int i);
enum dtype trace_dtype(const struct op *op, int i);

/* Ranks of the mesh, and a rank's coordinates, major to minor. */
uint32_t mesh_ranks(const struct module *m);
void mesh_coord(const struct module *m, uint32_t rank, int *coord);
uint32_t mesh_rank(const struct module *m, const int *coord);

#endif
