/* Inside of module_verify: the walk over one function. */
#ifndef LOONG_IR_VERIFY_WALK_H
#define LOONG_IR_VERIFY_WALK_H

#include "ir/ir.h"

enum value_state { UNDEFINED, LIVE, CONSUMED, GONE };

struct loop {
	const char *var;
	int64_t lo, hi; /* values of var: lo..hi-1 */
};

/* The bundles of a module, sorted by address. */
struct known {
	const struct bundle *b;
	bool written; /* some op has it, or a part of it, as its target */
};
struct bundle_set {
	struct known *known;
	size_t n;
};

/* verify_bundles.c */
struct bundle_set bundle_set_of(struct module *m);
/* NULL: not of the module. */
struct known *bundle_set_find(const struct bundle_set *s,
    const struct bundle *b);

struct walk {
	struct module *m;
	struct func *f;
	uint8_t *state;    /* enum value_state, by value id */
	int *born;         /* loop depth of the definition, by value id */
	const char **name; /* open addressing set of names */
	size_t cap;
	const struct bundle_set *bundles;
	const struct cond *when;         /* of the op being checked */
	struct loop loop[MAX_LOOPS + 1]; /* layer index, then loops */
	int nloop, depth;
};

/* Reports in fn w->f; false. */
bool walk_error(struct walk *w, struct span at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
const char *walk_name(const struct value *v);
/* Each reports what is wrong and returns false. */
bool walk_define(struct walk *w, struct value *v, struct span at);
bool walk_index(struct walk *w, const struct affine *a, uint64_t size,
    const char *what, struct span at);
bool walk_region(struct walk *w, struct region *r, enum opcode end);
const struct loop *walk_loop(const struct walk *w, const char *var);
/* Ops that pass futures on, or end them. */
bool walk_takes_futures(const struct op *op);

/* verify_flow.c */
bool walk_check_loop(struct walk *w, struct op *op);
bool walk_check_call(struct walk *w, const struct op *op);
bool walk_check_fetch(struct walk *w, const struct op *op);
bool walk_check_load(struct walk *w, const struct op *op);
bool walk_check_when(struct walk *w, const struct op *op);
bool walk_check_futures(struct walk *w, const struct op *op);

#endif
