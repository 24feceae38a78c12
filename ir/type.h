/*
 * Types of the IR: how the local pieces of all ranks form one logical tensor.
 *
 * A type is a dtype, a list of named dimensions (outermost first, each with
 * the nested shards that cut it, outermost first) and a pending reduction.
 * Sizes are not in the type: a dimension name has one size
 * in the whole module.  With a mesh of one rank every shard list is empty.
 *
 *     bf16[b/dp,s/zz(co,ci)/hp,e]     f32[e,f] +(co,ci)     f32[] max(dp)
 *
 * A skewed coordinate k lies in (-size, 0]: equality is modulo the axis.
 *
 * Types are interned per module: equal types have equal pointers.
 */
#ifndef LOONG_IR_TYPE_H
#define LOONG_IR_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module;
struct buf;

enum { MAX_RANK = 8, MAX_SHARDS = 3, MAX_COORDS = 3, MAX_AXES = 8 };
enum { MAX_LOOPS = 3 }; /* loops around an op that a skew can mention */

/* Numbers of fp8 are codes of one byte: what they stand for is up to a scale,
 * which is a value of its own. */
enum dtype { DT_NONE, DT_F32, DT_BF16, DT_I32, DT_E4M3, DT_E5M2, DT_COUNT };

extern const char *const dtype_name[DT_COUNT]; /* "f32", ... */
extern const uint8_t dtype_size[DT_COUNT];     /* bytes per element */

static inline bool
dtype_is_fp8(int dt)
{
	return dt == DT_E4M3 || dt == DT_E5M2;
}

typedef uint16_t axis_set; /* bit i: mesh axis i of the module */

/* Mesh axes in an order, major to minor: the number of a rank's block. */
struct axis_list {
	uint8_t n, axis[MAX_AXES];
};
axis_set axis_list_set(const struct axis_list *l);
bool axis_list_equal(const struct axis_list *a, const struct axis_list *b);
/* Product of the sizes; 1 for no axes. */
uint64_t axis_list_blocks(const struct module *m, const struct axis_list *l);
/* The number of the block that a rank with these coordinates has. */
uint64_t axis_list_block(const struct module *m, const struct axis_list *l,
    const int *coord);

/* One mesh coordinate, skewed: axis + k + sum lin[i] * loop variable i. */
struct coord {
	uint8_t axis;
	int16_t k;
	int16_t lin[MAX_LOOPS]; /* by nesting depth, outermost loop first */
};

/*
 * Over n coordinates, coordinate c has
 *
 *	BLOCK   (ci)         piece c of n
 *	ZIGZAG  zz(ci)       pieces c and 2n-1-c of 2n
 *	PART    part(3,8)    no coordinates: positions 3 to 7 of what there is on
 *	                     each rank, a halo.  Other indices are nowhere;
 *	                     always the innermost shard
 */
enum shard_kind { SHARD_BLOCK, SHARD_ZIGZAG, SHARD_PART };

struct shard {
	uint8_t kind; /* enum shard_kind */
	uint8_t n;    /* coordinates, major to minor */
	struct coord c[MAX_COORDS];
	uint32_t from, to; /* PART */
};

struct dim {
	const char *name; /* interned in the module */
	uint8_t n;
	struct shard s[MAX_SHARDS];
};

enum pend_op { PEND_SUM, PEND_MAX };

struct type {
	uint8_t dtype; /* enum dtype */
	uint8_t rank;
	uint8_t pend_op;
	axis_set pend; /* axes whose reduction has not happened yet */
	struct dim d[MAX_RANK];
};

/* The interned copy of *t in the module. */
const struct type *type_intern(struct module *m, const struct type *t);

/* A plain unsharded type; names must be interned in the module. */
const struct type *type_make(struct module *m, enum dtype dt, int rank,
    const char *const *dims);
const struct type *type_scalar(struct module *m, enum dtype dt);
const struct type *type_with_dtype(struct module *m, const struct type *t,
    enum dtype dt);
/* t without dimension i. */
const struct type *type_drop(struct module *m, const struct type *t, int i);

/* Index of the dimension called name (interned), or -1. */
int type_find(const struct type *t, const char *name);
bool dim_equal(const struct dim *a, const struct dim *b); /* name and shards */
axis_set dim_axes(const struct dim *d);
axis_set type_axes(const struct type *t); /* axes that shard some dimension */

/*
 * Local elements on one rank, elements of the logical tensor, and local
 * bytes.  Sizes were checked when the module was verified: no overflow.
 */
uint64_t type_local_count(const struct module *m, const struct type *t);
uint64_t type_global_count(const struct module *m, const struct type *t);
uint64_t type_local_bytes(const struct module *m, const struct type *t);
uint64_t dim_local_size(const struct module *m, const struct dim *d);
/*
 * The size without the padding that a mesh put at the end of d, and the
 * elements of t counted so: what random numbers are numbered by.
 */
uint64_t dim_real_size(const struct module *m, const struct dim *d);
uint64_t type_real_count(const struct module *m, const struct type *t);

/*
 * The global indices of dimension i that a rank holds, as ascending runs.
 * coord[a] is the rank's coordinate on mesh axis a, loop[] the values of the
 * enclosing loop variables.  Returns the number of runs (at most max), local
 * order.  The one run-time meaning of a layout: positions, masks, data,
 * initialisation and checkpoints use nothing else.
 */
struct run {
	uint64_t start, len;
};
int type_runs(const struct module *m, const struct type *t, int i,
    const int *coord, const int64_t *loop, struct run *out, int max);

/* Text as in the dumps; type_print appends to b. */
void type_print(const struct module *m, const struct type *t, struct buf *b);

#endif
