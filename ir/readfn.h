/* Inside of the reader: functions (readfn.c) and statements (readop.c). */
#ifndef LOONG_IR_READFN_H
#define LOONG_IR_READFN_H

#include "ir/reader.h"

enum body_state { BODY_UNREAD, BODY_READING, BODY_DONE };

struct fn { /* a function while it is read */
	struct func *f;
	const char *body; /* in the source, behind the { */
	int state;
	struct value **slot; /* values by name */
	size_t cap, nnames;
};

struct result { /* a name on the left of = */
	const char *name;
	bool future;
	struct span at;
};

/* Lists of one statement; no statement is read while they are in use. */
struct scratch {
	struct result res[READ_ITEMS];
	struct arg in[READ_ITEMS];
	const struct type *type[READ_ITEMS]; /* of carries; NULL: the start's */
	struct value slot[READ_ITEMS];       /* of carries: only the slot */
	int n;
};

struct affine read_affine(struct reader *r);
bool read_index(struct reader *r, struct affine *a); /* [l+1] if it is there */
void read_slots(struct reader *r, struct value **v, int n);
struct result read_result(struct reader *r);
struct value *define(struct reader *r, const struct result *res,
    const struct type *t);
struct arg read_arg(struct reader *r);
void read_attrs(struct reader *r, struct op *op);
struct bound read_bound(struct reader *r);
struct fn *find_fn(struct reader *r, const char *name);
void need_body(struct reader *r, struct fn *fn, struct span at);

/* readcomm.c: clauses, if they are there; the storage of a bundle value. */
void read_hops(struct reader *r, struct op *op);
void read_when(struct reader *r, struct op *op);
void read_storage_of(struct reader *r, struct value *v);

/* readop.c: one statement, its arguments up to close (NULL: to `into`), its op
 * without results, result i named and of type t, and what ends the line. */
struct stmt { /* a statement before its op exists */
	struct result *res;
	int nres;
	bool has_target, add;
	struct arg target;
	struct arg *in;
	int nin;
	uint8_t into;
	const char *from; /* where the op's name starts */
};
void read_args(struct reader *r, struct stmt *s, const char *close);
struct op *make_op(struct reader *r, struct stmt *s, enum opcode code);
void add_result(struct reader *r, struct stmt *s, struct op *op, int i,
    const struct type *t);
void read_tail(struct reader *r, struct op *op);

/* readflow.c */
void load_results(struct reader *r, struct stmt *s, struct op *op);
void read_call(struct reader *r, struct stmt *s, struct region *out);
void read_for(struct reader *r, struct stmt *s, struct region *out);

/* readop.c: statements up to and with the closing brace. */
void read_region(struct reader *r, struct region *out);

#endif
