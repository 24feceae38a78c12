/*
 * Inside of the row and map kernels: one function per fusion group, in C for
 * the threads of a CPU or in CUDA C++ for the blocks of a GPU.
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
 *
 * What ops compute (kernel_map.c, kernel_row.c) is one text for both; how its
 * operands are read, kept, reduced and stored is the dialect's.
 */
#ifndef LOONG_CODEGEN_KERNEL_H
#define LOONG_CODEGEN_KERNEL_H

#include "codegen/emit.h"
#include "codegen/kernel_grid.h"
#include "ir/group.h"

enum { MAX_INPUTS = 3 * GROUP_MAX, MAX_SUMS = 2 * GROUP_MAX };

struct input {
	struct arg arg;
	const struct type *type;
	const char *name;  /* "x_h": its element, and the field of the struct */
	bool has_cols;     /* else one element a row */
	bool loaded;       /* CUDA: its elements are in registers */
	int declared;      /* phase that declared its element, or -1 */
};

struct member { /* a result that is no sum over rows */
	const struct op *op;
	const struct value *v;
	const char *name;  /* "t_h" */
	bool per_row;
	bool stored;       /* written to memory */
	bool array;        /* kept for a later phase */
	bool shared;       /* CUDA: there, since other threads read it */
	int def_phase, last_phase, declared;
};

struct row_sum { /* a result that is a sum over rows */
	const struct op *op;
	int out;
	uint64_t cols, at; /* elements, and the first of them in a partial */
};

struct kernel;
struct dialect {
	const char *args;  /* "a->" */
	uint64_t flat_cols; /* elements a row of a kernel without rows has */
	/* Names, in a loop over columns, of x's element and of what an earlier
	 * loop left of t. */
	const char *(*read)(struct kernel *k, struct input *x);
	const char *(*recall)(struct kernel *k, struct member *t);
	/* t's or x's element at another column than the loop's; one is NULL. */
	const char *(*element_at)(struct kernel *k, struct member *t,
	    struct input *x, const char *index);
	/* Keeps and stores what the loop has just defined by its name. */
	void (*keep)(struct kernel *k, struct member *t);
	void (*store_row)(struct kernel *k, struct member *t,
	    const char *value);
	void (*finish_loop)(struct kernel *k);
	/* After finish_loop: the sum or maximum of all columns. */
	void (*reduce)(struct kernel *k, const char *op, const char *name,
	    const char *first);
	void (*add_sum)(struct kernel *k, int i, bool all, const char *expr);
	void (*rope)(struct kernel *k, const struct op *op, int id);
	/* The step and its seed, the microbatch, whether dropout is active. */
	const char *step, *seed, *micro, *training;
	const char *clock, *set_clock; /* where they are: fields, values */
};
extern const struct dialect kernel_c, kernel_cuda;

struct kernel {
	struct emit *e;
	const struct dialect *d;
	const char *args;  /* name of its struct */
	const char *name;  /* CUDA: "k3_add_rmsnorm" */
	struct kernel_grid grid; /* CUDA */
	bool may_be_idle;  /* CUDA: there may be a thread without a row */
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
	const char *reductions; /* C: clauses of that loop; CUDA: what follows */
	bool reduces_max;  /* CUDA: those are maxima */
	const char *loads, *stores; /* CUDA: around a piece of it */
	bool loop_used;
};

/* kernel.c: what all dialects begin and end with */
void kernel_open(struct kernel *k, struct emit *e, struct op *const *op, int n,
    const struct dialect *d);
void kernel_body(struct kernel *k); /* of one row, to k->row */
/* The struct of the operands, and its fields' values as lines. */
void kernel_print_struct(struct kernel *k, FILE *out);
void kernel_print_fields(struct kernel *k);
const char *kernel_member_ctype(const struct member *t);
/* The slot of the partial sums, and the sums over them. */
const char *kernel_scratch(struct kernel *k);
void kernel_print_sums(struct kernel *k);
bool kernel_is_rope(const struct op *op);

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
bool kernel_stores_half(const struct member *t);
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
