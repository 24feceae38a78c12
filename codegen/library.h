/* Kernels that are files: which of them a program has, and its units. */
#ifndef LOONG_CODEGEN_LIBRARY_H
#define LOONG_CODEGEN_LIBRARY_H

#include "codegen/emit.h"

/* The program calls attention with heads of d elements of type dt.  Reports
 * what no kernel can do. */
void library_attention(struct emit *e, const struct op *op, uint64_t d,
    enum dtype dt);

/* After the functions: the rest of the entries, and the units, of which the
 * host program `host` calls anything (library_calls.def). */
void emit_library(struct emit *e, const char *host);
/* At the end: the units' sources; `fused` is that of the program's own. */
void library_sources(struct emit *e, const char *fused);

#endif
