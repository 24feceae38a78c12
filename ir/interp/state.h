/* Inside of the interpreter: state, frames, and what ops are written with. */
#ifndef LOONG_INTERP_STATE_H
#define LOONG_INTERP_STATE_H

#include "ir/interp/interp.h"

struct tensor {
	const struct type *type; /* NULL: a bundle value, parts of an image */
	int refs;
	bool undefined;          /* its op's `when` did not hold */
	int64_t loop[MAX_LOOPS]; /* loop variables when it was made */
	uint64_t count;          /* elements of each local array */
	double **local;          /* one array per rank */
};

struct store { /* one field of one bundle: layers follow each other */
	uint64_t layers, count;  /* count: local elements of one layer */
	double **local;          /* layers * count elements per rank */
};

struct saved { /* by function and layer index */
	const struct func *func;
	int64_t index;
	struct op *save;
	struct tensor **t;
	struct saved *next;
};

struct interp {
	struct module *m;
	struct interp_options opt;
	int ranks;
	int (*coord)[MAX_AXES];
	struct store **store; /* by bundle number, then field */
	struct store *image;  /* by bundle number: of those cut into blocks */
	struct saved *saved;
	struct arena scratch; /* lives for one op */
	int64_t micro;        /* variable of the loop over mb, else 0 */
	bool failed;
};

struct frame {
	struct func *f;
	struct tensor **val; /* by value id; NULL: not alive */
	int64_t index;
	const char *var[MAX_LOOPS + 1]; /* index, then loops */
	int64_t value[MAX_LOOPS + 1];
	int nvar, depth;
};

/* One op on one rank: x[i] and y[i] are local arrays. */
struct step {
	struct interp *in;
	struct frame *frame;
	struct op *op;
	int rank;
	const struct type **xt, **yt;
	const double **x;
	double **y; /* not cleared */
	const int64_t *loop;
	struct tensor **wide; /* attn over axes: operands with all keys */
};

#define OP(code, text, nin, nout, group, rule, summary)                        \
	void interp_##code(struct step *s);
#include "ir/ops.def"

/* Reports at the op and stops the run. */
void step_error(struct step *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

uint64_t local_count(const struct step *s, const struct type *t);
uint64_t local_size(const struct step *s, const struct type *t, int dim);
uint64_t stride(const struct step *s, const struct type *t, int dim);

/* A list of dims to loop over, outermost first. */
struct space {
	int n;
	const char *name[2 * MAX_RANK];
	uint64_t size[2 * MAX_RANK];
	uint64_t count;
};
struct space space_of(const struct step *s, const struct type *t);
/* The dims of t that no other has. */
struct space space_without(const struct step *s, const struct type *t,
    const struct type *other);
/* The same without its dim called name. */
struct space space_drop(struct space a, const char *name);

/*
 * Offset into a local array of type t for every point of the space, in order;
 * dims of t that the space lacks stay at 0.  This one function is broadcasting,
 * transposition, reduction and repetition.  Lives until the op ends.
 */
const uint64_t *offsets(struct step *s, const struct space *a,
    const struct type *t);

/* Global indices of the local elements of dim i: its runs written out. */
const uint64_t *positions(struct step *s, const struct type *t, int i);

/* Per bundle and field. */
struct store *store_of(const struct interp *in, const struct bundle *b,
    int field);

struct store *image_of(const struct interp *in, const struct bundle *b);

/* The rank with the same coordinates on these axes and 0 on the others. */
int canonical(const struct interp *in, int rank, axis_set axes);

/* Global offset of each local element of t on one rank; free it. */
uint64_t *global_offsets(struct interp *in, const struct type *t,
    const int64_t *loop, int rank);

/* Loop variables by depth, without the layer index. */
const int64_t *frame_loops(const struct frame *f);
/* v is t from now on; t's reference is taken over. */
void frame_bind(struct interp *in, struct frame *f, const struct value *v,
    struct tensor *t);

/* ---- step.c, wide.c ---- */

void step_run(struct step *s); /* interp_ of its op */
/* An op that is the same on every rank, and its results in the frame. */
void step_compute(struct interp *in, struct frame *f, struct op *op);
/* Operand i of the op as a tensor with a reference for the caller. */
struct tensor *operand_tensor(struct interp *in, struct frame *f,
    struct op *op, int i);
/* All of them, the results of a region that ends with op; free the list. */
struct tensor **operand_tensors(struct interp *in, struct frame *f,
    struct op *op);
/* Before and after an op over axes: s->wide, and out[] as the op has it. */
void step_widen(struct step *s);
void step_narrow(struct step *s, struct tensor **out);

/* ---- saved.c ---- */

/* What layer `index` of f saved as name, with a reference for the caller; NULL:
 * nothing. */
struct tensor *saved_tensor(struct interp *in, const struct func *f,
    int64_t index, const char *name);

/* ---- comm.c, image.c ---- */

/* x as type `to`, within groups of ranks that differ on these axes only. */
struct tensor *tensor_regroup(struct interp *in, const struct tensor *x,
    const struct type *to, const int64_t *loop, axis_set axes, bool sum);

/* Elements that a rank has of an image cut over these axes. */
uint64_t image_block(const struct module *m, const struct bundle *b,
    const struct axis_list *flat);
struct tensor *image_new(struct interp *in, const struct bundle *b,
    const struct axis_list *flat);
void image_move(struct step *s, bool sum); /* gather, rscatter, allreduce */
bool image_get(struct interp *in, const struct bundle *b, int field,
    double *global);
void image_set(struct interp *in, const struct bundle *b, int field,
    const double *global);

/* Values of an affine index in this frame. */
int64_t frame_index(const struct frame *f, const struct affine *a);

struct tensor *tensor_new(struct interp *in, const struct type *t,
    const int64_t *loop);
struct tensor *tensor_ref(struct tensor *t); /* t, which may be NULL */
void tensor_unref(struct interp *in, struct tensor *t);
/* The logical tensor; false if replicas disagree. */
bool tensor_global(struct interp *in, const struct type *t,
    const int64_t *loop, double *const *local, double *global);
void tensor_scatter(struct interp *in, const struct type *t,
    const double *global, double *const *local);

#endif
