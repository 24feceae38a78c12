/* Emitters of single ops, called by codegen/host.c. */
#ifndef LOONG_CODEGEN_HOST_H
#define LOONG_CODEGEN_HOST_H

#include "codegen/emit.h"

/* Remember a C expression for bytes of workspace by `threads`. */
void emit_work(struct emit *e, const char *expr);

/* `f_layer_bwd` for layer.bwd. */
const char *emit_func_name(struct emit *e, const struct func *f);

/* Copies value `from` to where `to` lives unless that is its place already;
 * an index, if not NULL, says which element of an indexed slot is meant. */
void emit_copy_if_moved(struct emit *e, const struct value *to,
    const struct affine *to_index, const struct value *from,
    const struct affine *from_index);

/* ops.c: one op that is no kernel of ours; false if it is not such. */
bool emit_op(struct emit *e, const struct op *op);

/* Where a part lies in the whole: `outer` times n elements from `from` on. */
struct span_of {
	uint64_t outer, from, n, all;
};
struct span_of emit_part_of(struct emit *e, const struct type *whole,
    const struct type *part);
/* Begins a block in which `row` is the place of the row picked by op along its
 * dim, or -1 on ranks that have it not.  Of the operand: `outer` times n rows
 * of so many bytes. */
struct pick_of {
	uint64_t outer, n, bytes;
};
struct pick_of emit_pick_row(struct emit *e, const struct op *op);
/* The arrays of one operand of sumsq, and how many they are. */
int emit_squares_count(struct emit *e, const struct arg *a);
void emit_squares(struct emit *e, const struct arg *a);

void emit_dot(struct emit *e, const struct op *op);
void emit_attn(struct emit *e, const struct op *op);
void emit_attn_bwd(struct emit *e, const struct op *op);
void emit_attn_step(struct emit *e, const struct op *op);
void emit_attn_step_bwd(struct emit *e, const struct op *op);
void emit_head(struct emit *e, const struct op *op);

/* comm.c */
void emit_comm(struct emit *e, const struct op *op);
void emit_host_copy(struct emit *e, const struct op *op);
/* A row of the table of moves for op, of arrays like t, or of count elements
 * in a row if t is NULL; its C name.  Then its start, and
 * its finish unless its results are futures. */
const char *emit_move(struct emit *e, const struct op *op,
    const struct type *t, enum dtype dt, uint64_t count);
struct pairs {
	int n;
	const char *text, *sizes; /* with addresses, and without */
};
void emit_pair(struct emit *e, struct pairs *p, const char *dst,
    const char *src, uint64_t count);
void emit_transfer(struct emit *e, const struct op *op, const char *move,
    const struct pairs *p);
/* C name of what a start gives for its wait; the wait. */
const char *emit_token(struct emit *e, const struct value *future);
void emit_wait(struct emit *e, const struct op *op);

/* rehearse.c: whether there are moves in an op, or tokens of some. */
bool emit_moves(const struct op *op);
/* A line where only moves are, and where all is, too. */
void emit_rehearse(struct emit *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
void emit_both(struct emit *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *emit_rehearse_name(struct emit *e, const struct func *f);
/* Whether f has moves of its own there; and its head. */
bool emit_rehearses(const struct func *f);
void emit_rehearse_func(struct emit *e, const struct func *f);
void emit_rehearse_call(struct emit *e, const struct op *op);
/* Around all functions. */
void emit_rehearse_open(struct emit *e);
void emit_rehearse_close(struct emit *e);

/* image.c: what is stored as images, see bundle_is_image */
void emit_image_move(struct emit *e, const struct op *op);
void emit_image_accum(struct emit *e, const struct op *op);
void emit_image_zero(struct emit *e, const struct arg *a);
void emit_image_sumsq(struct emit *e, const struct arg *a);
void emit_image_adamw(struct emit *e, const struct op *op);
/* The table flats, and the row of parameters b in it, or -1. */
int emit_flats(struct emit *e);
int emit_flat_index(struct emit *e, const struct bundle *b);

/* mark.c: a statement of the program; being inside of `what`, whose number is
 * the C expression index (-1: it has none). */
void emit_at(struct emit *e, struct op *const *op, int n);
void emit_enter(struct emit *e, const char *what, const char *index);
void emit_leave(struct emit *e);

/* loops.c */
uint64_t emit_stride(const struct module *m, const struct type *t, int i);
void emit_dot_loops(struct emit *e, const struct op *op);
void emit_sum(struct emit *e, const struct op *op);
void emit_softmax_lines(struct emit *e, const struct op *op);
void emit_softmax_bwd_lines(struct emit *e, const struct op *op);
void emit_rope_lines(struct emit *e, const struct op *op);

/* host.c: one C function for each of the IR's that others or the runtime
 * call. */
void emit_funcs(struct emit *e);

/* tables.c: the parts of the program after the functions. */
void emit_tables(struct emit *e);
void emit_refresh(struct emit *e);

#endif
