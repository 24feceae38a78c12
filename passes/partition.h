/* Inside of the pass partition: layouts by role, and how to get between them. */
#ifndef LOONG_PASSES_PARTITION_H
#define LOONG_PASSES_PARTITION_H

#include "ir/ir.h"

/*
 * TOKENS     b/dp, s/zz(context)/hr/hk        all but attention
 * ATTENTION  b/dp, s/zz(context), k/hk, g/hr  heads in place of tokens
 */
enum layout { TOKENS, ATTENTION, LAYOUTS };

struct roles { /* what the mesh's axes are for; -1: there is none */
	int dp, hk, hr;
	int ctx[2], nctx;
	bool zigzag; /* of the context: else plain blocks */
};

struct heads { /* dims that attention of one op spreads; NULL: none */
	const char *k, *g;
};

struct partition {
	struct module *m;
	struct roles roles;
	struct func *f;
	struct region *r; /* and where in it: r->op[at] */
	int at;
	struct value **version[LAYOUTS]; /* by value id: the same, laid out so */
	int nversion;
	bool failed;
};

/* Roles of the axes by their names; false after an error. */
bool partition_roles(struct module *m, struct roles *out);

/* t cut for a layout; heads say which dims attention spreads. */
const struct type *partition_type(struct module *m, const struct roles *r,
    const struct type *t, enum layout l, const struct heads *h);

/*
 * v as layout l has it: v itself, or what moves give that are put right behind
 * its definition, once for all users.  NULL after an error.
 */
struct value *partition_coerce(struct partition *p, struct value *v,
    enum layout l, const struct heads *h, struct span at);

/* The version of v that is there already, v itself included; or NULL. */
struct value *partition_known(struct partition *p, struct value *v,
    enum layout l, const struct heads *h);
void partition_note(struct partition *p, struct value *v, enum layout l,
    struct value *version);

/* The type that op's rule gives result 0.., whatever was stated. */
bool partition_infer(struct partition *p, struct op *op);

#endif
