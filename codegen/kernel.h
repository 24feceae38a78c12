/*
 * Inside of the row and map kernels: one C function per fusion group.
 *
 *   a group                              its kernel
 *   y = add x, p : f32[b,s,e]            for each row of [b,s]:
 *   n = rmsnorm y, w : f32[b,s,e]          loop 0: t = x + p; y = t; q += t * t
 *                                          r = 1 / sqrt(q / e + eps)
 *                                          loop 1: n = t * r * w
 *
 * The dims of a group are rows (outer) and columns (inner).  A reduction over
 * the columns ends a loop ("phase"); what a later phase reads again sits in an
 * array of one row, in cache.  Sums over rows (gradients of norm weights) go
 * to one partial per block of rows and are added in block order afterwards:
 * the same bits for any number of threads.
 */
#ifndef LOONG_CODEGEN_KERNEL_H
#define LOONG_CODEGEN_KERNEL_H

#include "codegen/emit.h"
#include "ir/group.h"

enum { FLAT_COLS = 4096 }; /* elements a row of a kernel without rows has */
enum { MAX_INPUTS = 3 * GROUP_MAX, MAX_SUMS = 2 * GROUP_MAX };

struct input {
	struct arg arg;
	const struct type *type;
	const char *name;  /* "x_h": its element, and the field of the struct */
	bool has_cols;     /* else one element a row */
	int declared;      /* phase that declared its element, or -1 */
};

struct member { /* a result that is no sum over rows */
	const struct op *op;
	const struct value *v;
	const char *name;  /* "t_h" */
	bool per_row;
	bool stored;       /* written to memory */
	bool array;        /* kept for a later phase */
	int def_phase, last_phase, declared;
};

struct row_sum { /* a result that is a sum over rows */
	const struct op *op;
	int out;
	uint64_t cols, at; /* elements, and the first of them in a partial */
};

struct kernel {
	struct emit *e;
	struct op *const *op;
	int n, id;
	const struct type *space;
	int ncol;          /* dims that are columns */
	uint64_t rows, cols;
	bool flat;         /* no rows: cut into pieces of FLAT_COLS */
	int phase;
	struct input in[MAX_INPUTS];
	int nin;
	struct member mem[MAX_INPUTS];
	int nmem;
	struct row_sum sum[MAX_SUMS];
	int nsum;
	uint64_t width;    /* elements of one partial */
	FILE *row;         /* body of one row */
	FILE *loop;        /* body of the current loop over columns */
	char *loop_text;
	size_t loop_size;
	const char *reductions; /* clauses of that loop */
	bool loop_used;
};

/* kernel_shape.c: rows, columns and where they lie */
void kernel_shape(struct kernel *k);
/* Element offset of row r in an operand of type t, as C text. */
const char *kernel_row_offset(const struct kernel *k, const struct type *t);
/* Is an element's number in the whole tensor another than here? */
bool kernel_is_cut(const struct kernel *k);
/* Index in the whole tensor of the space's element c of row r. */
const char *kernel_global_index(const struct kernel *k);
/* Name in the kernel's struct of the runs of dim i of the space. */
const char *kernel_runs_name(const struct kernel *k, int i);
/* Offset of row r's cosines in its table. */
const char *kernel_rope_row(const struct kernel *k, const struct op *rope);

/* kernel_loop.c: phases, and what stands in a loop over columns */
#define TEXT(k, ...) arena_printf((k)->e->m->mem, __VA_ARGS__)
struct input *kernel_input(struct kernel *k, const struct arg *a);
struct member *kernel_member(struct kernel *k, const struct op *op, int out);
void kernel_plan_phases(struct kernel *k);
void kernel_begin_loop(struct kernel *k);
void kernel_end_loop(struct kernel *k);
/* A C name (or constant) of the element of a at column c. */
const char *kernel_element(struct kernel *k, const struct arg *a);
/* The same at column `index` of the row, outside a loop over c. */
const char *kernel_element_at(struct kernel *k, const struct arg *a,
    const char *index);
void kernel_define(struct kernel *k, const struct op *op, int out,
    const char *expr);
void kernel_store(struct kernel *k, FILE *out, const struct member *t,
    const char *index, const char *value);
/* Accumulates expr over the columns into `name`; op is "+" or "max". */
void kernel_reduce(struct kernel *k, const char *op, const char *name,
    const char *first, const char *expr);
void kernel_add_sum(struct kernel *k, const struct op *op, int out,
    const char *expr);
const char *kernel_constant(struct kernel *k, double x);

/* kernel_map.c and kernel_row.c: one op; id tells its variables apart */
bool kernel_has_dropout(const struct kernel *k);
void kernel_map_op(struct kernel *k, const struct op *op, int id);
void kernel_row_op(struct kernel *k, const struct op *op, int id);
bool kernel_op_is_map(const struct op *op);
/* Formula of a map op: $0 $1 $2 stand for the operands. */
const char *kernel_formula(const struct op *op, int out);
const char *kernel_expand(struct arena *mem, const char *formula,
    const char *const *arg);

#endif
