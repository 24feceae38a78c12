/* Inside of ir/: the printer, in two files. */
#ifndef LOONG_IR_PRINTER_H
#define LOONG_IR_PRINTER_H

#include "ir/ir.h"
#include "support/buf.h"

/* The shortest decimal that reads back as v. */
void print_real(struct buf *b, double v);
/* All lines of m above its functions; b is empty. */
void print_header(struct buf *b, const struct module *m);

#endif
