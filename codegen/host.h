/* Emitters of single ops, called by codegen/host.c. */
#ifndef LOONG_CODEGEN_HOST_H
#define LOONG_CODEGEN_HOST_H

#include "codegen/emit.h"

/* Remember a C expression for bytes of workspace by `threads`. */
void emit_work(struct emit *e, const char *expr);

/* `f_layer_bwd` for layer.bwd. */
const char *emit_func_name(struct emit *e, const struct func *f);

void emit_dot(struct emit *e, const struct op *op);
void emit_sum(struct emit *e, const struct op *op);
void emit_attn(struct emit *e, const struct op *op);
void emit_attn_bwd(struct emit *e, const struct op *op);
void emit_head(struct emit *e, const struct op *op);

/* The three parts of the program after the functions. */
void emit_tables(struct emit *e);
void emit_refresh(struct emit *e);

#endif
