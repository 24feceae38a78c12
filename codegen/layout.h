/* What of a dim this rank holds, as C.  Layouts become tables once each. */
#ifndef LOONG_CODEGEN_LAYOUT_H
#define LOONG_CODEGEN_LAYOUT_H

#include "codegen/emit.h"

/* Name of the table of d's cut; skews are not part of it. */
const char *emit_layout(struct emit *e, const struct dim *d);
/* Its initialiser. */
void emit_layout_value(struct emit *e, FILE *out, const struct dim *d);
/* An expression of type struct lt_runs; in a loop, of this trip. */
const char *emit_runs(struct emit *e, const struct dim *d);

#endif
