/* Shared by the parts of codegen: places of values as C expressions. */
#ifndef LOONG_CODEGEN_EMIT_H
#define LOONG_CODEGEN_EMIT_H

#include "ir/ir.h"

struct emit {
	struct module *m;
	FILE *out;
	FILE *kernels;      /* text of the kernels, printed before the host */
	struct func *f;     /* function being written */
	int indent;
	int nkernel;
	int errors;
	const char **ptr;   /* by value id: C expression of its address, or NULL */
	const char **work;  /* distinct workspace expressions */
	int nwork, workcap;
	bool checked;       /* step: the finite check stands before AdamW */
};

/* C type of one element: "float", "uint16_t", "int32_t". */
const char *emit_ctype(enum dtype dt);
const char *emit_ltype(enum dtype dt); /* "LT_F32", ... */

/* C expression (in the module's arena) of the address of a value or field. */
const char *emit_value_ptr(struct emit *e, const struct value *v);
const char *emit_arg_ptr(struct emit *e, const struct arg *a);
const char *emit_slot_ptr(struct emit *e, const struct slot *s,
    const struct affine *index, enum dtype dt);
const char *emit_field_ptr(struct emit *e, const struct bundle *b, int field,
    const struct affine *index, enum dtype dt);
const char *emit_affine(struct emit *e, const struct affine *a);
/* Where the first result goes: its target field or its own place. */
const char *emit_result_ptr(struct emit *e, const struct op *op);

void emit_line(struct emit *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* s as a C string literal, or NULL. */
void emit_quoted(FILE *out, const char *s);

/* Initialisers of lt_program: .recipe; .recipe_text and .plan_text. */
void emit_recipe(struct emit *e);
void emit_identity(struct emit *e);

/* One kernel for ops[0..n), all of one fusion group. */
void emit_kernel(struct emit *e, struct op *const *op, int n);

/* FLOPs of one step: model (causal counted half) and as executed. */
void codegen_flops(const struct module *m, double *model, double *hardware);

#endif
