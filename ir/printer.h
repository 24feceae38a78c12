/* Inside of ir/: the printer, in a few files. */
#ifndef LOONG_IR_PRINTER_H
#define LOONG_IR_PRINTER_H

#include "ir/ir.h"
#include "support/buf.h"

/* The shortest decimal that reads back as v. */
void print_real(struct buf *b, double v);
/*
 * Names for the layouts and types that a partitioned program repeats:
 *
 *	lay    T = b/dp,s/zz(co,ci)/hp
 *	lay    A(x=co,y=ci) = b/dp,s/zz(x,y)
 *	type   KV(x=co,y=ci) = bf16[A(x,y),k/hp,d]
 */
enum { ALIAS_DIMS = 2, ALIAS_TYPES = 5 };

struct alias_lay {
	const char *name;
	const struct type *like; /* its first dims are the layout's */
	int uses;
	bool turns; /* some coordinates are skewed: the first shard of the
		     * second dim has parameters */
};

struct alias_type {
	const char *name;
	const struct type *like;
	int uses;
};

struct aliases {
	struct alias_lay lay[2]; /* T, A; name NULL: none */
	struct alias_type type[ALIAS_TYPES];
	int ntype;
};

/* Chooses names that are worth it; only whole programs have any. */
void alias_choose(struct aliases *a, const struct module *m);
/* Their lines. */
void alias_print(const struct aliases *a, const struct module *m,
    struct buf *b, size_t *above);
/* A type by its names, as type_print_in. */
void alias_type_print(const struct aliases *a, const struct module *m,
    const struct type *t, const char *const *loop, int nloop, struct buf *b);

/* All lines of m above its functions; b is empty. */
void print_header(struct buf *b, const struct module *m,
    const struct aliases *a);

/* print_slots.c: arenas and slots; by value id, who has to say where it is,
 * from the module's arena. */
void print_memory(struct buf *b, const struct module *m);
bool *print_said(const struct module *m, const struct func *f);

/* print_join.c: may b stand on the line of a, with next (or NULL) behind b?
 * What is from `from` on (one line) goes to the end of the line before it,
 * unless that gets too long. */
bool print_together(const struct op *a, const struct op *b,
    const struct op *next);
void print_join(struct buf *b, size_t from);
/* May the body of a loop stand on the loop's line?  Folds it: lines from
 * `from` up to a closing bracket, unless that gets too long. */
bool print_is_short(const struct region *r);
void print_fold(struct buf *b, size_t from);
/* A line of the header from `from` on: on the line from *above on if both begin
 * with the same word and fit, else *above is from then. */
bool print_line(struct buf *b, size_t *above, size_t from);

#endif
