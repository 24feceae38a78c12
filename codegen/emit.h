/*
 * Shared by the parts of codegen: places of values as C expressions.
 *
 * In a host function every value that has a place is a pointer v_NAME; fields
 * of bundles are macros P_BUNDLE_FIELD, with the layer as argument if stacked.
 * Names of the program only occur with such a prefix and checked for being
 * identifiers, so none can be a word of C or end a comment.
 */
#ifndef LOONG_CODEGEN_EMIT_H
#define LOONG_CODEGEN_EMIT_H

#include "ir/ir.h"

enum { EMIT_LAYOUTS = 64 };

struct target;

struct emit {
	struct module *m;
	const struct target *to;
	FILE *out;
	FILE *kernels;      /* text of the kernels, printed before the host */
	FILE *device;       /* CUDA: of those, what runs on the GPU */
	struct cuda_kernel *entry; /* CUDA: all of them; see cuda.h */
	int nentry, entrycap;
	struct cuda_shape *shapes; /* of those that are printed; kernel_launch.c */
	struct cuda_unit *unit; /* CUDA: what they are compiled in */
	int nunit;
	uint32_t heads;     /* CUDA: of attention: bits, see library.c */
	const struct cuda_options *cuda;
	uint64_t elements;  /* CUDA: of the loop that is being written */
	FILE *tables;       /* what they both use */
	FILE *moves, *move_ids; /* table of communication, and its indices */
	int nmove;
	FILE *rehearsal;    /* CPU: the functions' moves; NULL: not written */
	char *rehearsed;
	size_t rehearsed_size;
	bool rehearses;     /* the program has them */
	int nflat;          /* rows of the table flats */
	struct {
		const char *name;
		const struct dim *dim;
	} layout[EMIT_LAYOUTS];
	int nlayout;
	const char *loop[MAX_LOOPS]; /* variables of the loops around */
	int nloop;
	struct func *f;     /* function being written */
	const struct region *region; /* and where in it: region->op[at] */
	int at;
	int indent;
	int nkernel;
	int errors;
	const char **name;  /* by value id: C name of its address, or NULL */
	const char **place; /* by value id: where that is */
	bool *used;         /* by value id: the name occurs */
	const char **macro; /* by slot: name of a field's macro, or NULL */
	const char **work;  /* distinct workspace expressions */
	int nwork, workcap;
	int checked;        /* step: how many of its results AdamW waits for */
};

/* ---- place.c ---- */

/* C type of one element: "float", "uint16_t", "int32_t". */
const char *emit_ctype(enum dtype dt);
const char *emit_ltype(enum dtype dt); /* "LT_F32", ... */

/* Reports an error of the compiler itself. */
void emit_broken(struct emit *e, const struct op *op, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Names for everything in a slot: of all fields, of f's values. */
void emit_name_fields(struct emit *e);
void emit_name_values(struct emit *e, struct func *f);

/* C expression (in the module's arena) of the address of a value or field. */
const char *emit_value_ptr(struct emit *e, const struct value *v);
const char *emit_arg_ptr(struct emit *e, const struct arg *a);
/* The dtype of what lies there: of a master that is read for want of a copy,
 * f32. */
enum dtype emit_arg_dtype(struct emit *e, const struct arg *a);
const char *emit_slot_ptr(struct emit *e, const struct slot *s,
    const struct affine *index, enum dtype dt);
const char *emit_field_ptr(struct emit *e, const struct bundle *b, int field,
    const struct affine *index, enum dtype dt);
/* Address of an element of a slot that has no name. */
const char *emit_address(struct emit *e, const struct slot *s,
    const struct affine *index, enum dtype dt);
/* image.c: a field of images that every rank has whole. */
const char *emit_image_field(struct emit *e, const struct bundle *b, int field,
    const struct affine *index);
const char *emit_affine(struct emit *e, const struct affine *a);
const char *emit_affine_sum(struct emit *e, const struct affine *a,
    const char *pre);
/* Where result `out` goes: its target field or its own place. */
const char *emit_result_ptr(struct emit *e, const struct op *op, int out);
/* Where v would be if its index were `index`. */
const char *emit_place_at(struct emit *e, const struct value *v,
    const struct affine *index);

/* name with what C does not allow replaced. */
const char *emit_mangle(struct emit *e, const char *prefix, const char *name);

void emit_line(struct emit *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- the rest ---- */

/* comment.c: ops as comments; mesh and communication; the memory map. */
void emit_comment(struct emit *e, FILE *out, const char *indent,
    struct op *const *op, int n);
/* "llama.lt:52", or NULL: of no line. */
const char *emit_where(struct emit *e, const struct op *op);
void emit_schedule(struct emit *e, FILE *out);
void emit_memory_map(struct emit *e, FILE *out);

/* quote.c: s as a C string literal, or NULL. */
void emit_quoted(FILE *out, const char *s);
void emit_quoted_char(FILE *out, unsigned char c); /* inside of one */

/* recipe.c: .recipe; .recipe_text and .plan_text of lt_program. */
void emit_recipe(struct emit *e);
void emit_identity(struct emit *e);

/* kernel.c: one kernel for ops[0..n), all of one fusion group. */
void emit_kernel(struct emit *e, struct op *const *op, int n);
/* scalar.c: the same for a group of single numbers. */
void emit_scalars(struct emit *e, struct op *const *op, int n);

#endif
