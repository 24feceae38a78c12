/*
 * What a move is called where people read of it: in --why and in a timeline.
 */
#ifndef LOONG_PLAN_TELL_H
#define LOONG_PLAN_TELL_H

#include "ir/ir.h"
#include "support/buf.h"

/* FILE:LINE:COLUMN of the statement of the source, or of the dump, that asks
 * for the op. */
void tell_place(struct buf *b, const struct module *m, const struct op *op);

/* "kn, ... = shift by co": its first result or target, and its axes. */
void tell_op(struct buf *b, const struct module *m, const struct op *op);

#endif
