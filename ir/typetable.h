/* Inside of ir/: the table behind type_intern, and types with loop names. */
#ifndef LOONG_IR_TYPETABLE_H
#define LOONG_IR_TYPETABLE_H

#include "ir/type.h"
#include "support/arena.h"

struct type_table;
struct type_table *type_table_new(struct arena *mem);

/* As type_print; loop[i] names the i-th enclosing loop's variable. */
void type_print_in(const struct module *m, const struct type *t,
    const char *const *loop, int nloop, struct buf *b);
void dim_print_in(const struct module *m, const struct dim *d,
    const char *const *loop, int nloop, struct buf *b);
/* "co-j,ci" of zz(co-j,ci). */
void coords_print_in(const struct module *m, const struct shard *s,
    const char *const *loop, int nloop, struct buf *b);
void dims_print(const struct module *m, const struct type *t, struct buf *b);
void flat_print(const struct module *m, const struct axis_list *l,
    struct buf *b);
void pending_print(const struct module *m, const struct type *t,
    struct buf *b);

/* t with the variable of the loop at depth set to v: T[v:=hi]. */
const struct type *type_substitute(struct module *m, const struct type *t,
    int depth, uint64_t v);

#endif
