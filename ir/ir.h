/*
 * The IR: a module of functions over named tensors.
 *
 * Values are SSA and denote logical (global) tensors; bundles (named groups of
 * parameters, gradients, optimizer state, optionally stacked per layer) are
 * the only mutable state.  Control flow is counted loops with carried values;
 * nothing depends on data or rank.  Everything is allocated in the module's
 * arena and lives as long as it.  doc/ir.md is the reference of the text form.
 */
#ifndef LOONG_IR_IR_H
#define LOONG_IR_IR_H

#include <stdio.h>

#include "ir/type.h"
#include "support/arena.h"
#include "support/diag.h"

enum opcode {
#define OP(code, text, nin, nout, group, rule, summary) OP_##code,
#include "ir/ops.def"
	OP_COUNT
};

/* How an op is turned into kernels; also the first key of its cost. */
enum op_group {
	GROUP_GEMM,   /* dot */
	GROUP_ROW,    /* a reduction over the innermost dims of each row */
	GROUP_MAP,    /* element by element, operands broadcast */
	GROUP_ATTN,
	GROUP_HEAD,   /* fused loss head */
	GROUP_SCALAR, /* scalars, norms of bundles */
	GROUP_STATE,  /* parameters, optimizer, zeros of bundles */
	GROUP_MOVE,   /* casts, fills, copies within a rank */
	GROUP_COMM,   /* between ranks: the only ops that change sharding */
	GROUP_HOST,   /* between a device and the memory of its host */
	GROUP_FLOW    /* for call save load yield return */
};

enum { VARIADIC = -1 };

struct op_info {
	const char *name;    /* in text: "rmsnorm.bwd" */
	int8_t nin, nout;    /* VARIADIC: any number */
	uint8_t group;       /* enum op_group */
	const char *summary; /* one line for the reference */
};
extern const struct op_info op_info[OP_COUNT];

enum lane { /* a lane is a stream and a communicator; c is compute */
	LANE_C, LANE_H, LANE_KI, LANE_KO, LANE_DI, LANE_DO, LANE_ZG, LANE_ZR,
	LANE_SC, LANE_HO, LANE_HI, /* out to the host, in from it */
	LANE_COUNT
};
extern const char *const lane_name[LANE_COUNT];

/* k + coef[0]*var[0] + ..., then modulo mod if mod > 0. */
struct affine {
	int64_t k;
	uint8_t n;
	const char *var[MAX_LOOPS]; /* loop variables, interned */
	int64_t coef[MAX_LOOPS];
	int64_t mod;
};

/* A loop bound: a number, or the size of a dim or mesh axis plus k. */
struct bound {
	const char *dim; /* or NULL */
	int64_t k;
};

/*
 * One axis of a communication op.  gather: shard `axis` of dim `from` goes;
 * rscatter: sums over it and cuts dim `to`; a2a: from one to the other;
 * shift: to the rank at +by; allreduce and attn: the axis alone.  Bundles have
 * no dims here: their blocks are meant.
 */
struct hop {
	uint8_t axis;
	const char *from, *to; /* NULL: does not apply */
	int by;
};

/* `when a < b` or `when a > b`; only loop variables and sizes occur. */
struct cond {
	bool set;
	char cmp; /* '<' or '>' */
	struct affine a;
	struct bound b;
};

struct init { /* how a parameter starts */
	uint8_t kind; /* enum init_kind */
	double a, b;  /* normal: standard deviation a; uniform: [a, b); */
};
enum init_kind { INIT_ZEROS, INIT_ONES, INIT_NORMAL, INIT_UNIFORM };

struct field {
	const char *name; /* path below the bundle: "attn.wq" */
	const struct type *type; /* of one layer, dtype of the bundle */
	struct init init;
	bool decay;      /* weight decay applies */
	struct span at;
};

enum bundle_role { ROLE_PARAM, ROLE_GRAD, ROLE_MOMENT1, ROLE_MOMENT2,
	ROLE_COPY, /* parameters in another dtype or over other axes */
	ROLE_COUNT };
extern const char *const bundle_role_name[ROLE_COUNT]; /* "grad", ... */

/*
 * How ranks share one layer of a bundle.  Without axes each has all fields.
 * Else its image (all fields in order, each from a multiple of IMAGE_ALIGN
 * elements, padded to IMAGE_ALIGN times all ranks of the mesh) is cut into
 * equal blocks.  The image is the same for every list of axes, so that blocks
 * over more axes lie within those over fewer.
 */
enum { IMAGE_ALIGN = 16 };

struct bundle {
	const char *name;
	const char *stack; /* dimension stacked in front ("L"), or NULL */
	uint8_t role;      /* enum bundle_role */
	struct bundle *of; /* all but parameters: the parameter bundle */
	struct bundle *over; /* stored in the place of this one, or NULL */
	uint8_t dtype;
	struct axis_list flat;
	axis_set pend;
	struct field *field;
	int nfield, fieldcap;
	const char *path; /* source name of the repeat or model, for checkpoints */
};

struct value {
	const char *name; /* unique in its function; NULL: a target takes it */
	const struct type *type; /* NULL for bundle values (see bundle) */
	struct bundle *bundle;   /* a bundle value: one layer of a bundle */
	uint8_t dtype;           /* and how it is stored */
	struct axis_list flat;
	axis_set pend;
	struct op *def;          /* NULL: function parameter or loop carry */
	int id;                  /* dense per function: side tables index by it */
	bool future;             /* ~: in flight, usable only by wait */
	const char *slot;        /* stage e: where it lives; NULL: nowhere yet */
	struct affine slot_index;
	bool slot_indexed;
	struct span at;
};

enum arg_kind { ARG_VALUE, ARG_FIELD, ARG_BUNDLE, ARG_BUNDLE_FIELD };

struct arg {
	uint8_t kind;     /* enum arg_kind */
	bool consume;     /* !x: the op takes x's buffer */
	struct value *v;  /* VALUE, FIELD */
	struct bundle *b; /* BUNDLE, BUNDLE_FIELD: @b or @b[index].field */
	int field;        /* FIELD, BUNDLE_FIELD: index into the bundle's fields */
	bool indexed;
	struct affine index;
};

/* Attributes of one op, printed as {key=value, ...}; absent keys default. */
enum attr_key {
#define ATTR(key, text, kind, dflt) ATTR_##key,
#include "ir/attrs.def"
	ATTR_COUNT
};
enum attr_kind { ATTRKIND_REAL, ATTRKIND_INT, ATTRKIND_NAME, ATTRKIND_WORD };

struct attr {
	uint8_t key;
	double real;      /* REAL */
	int64_t num;      /* INT, and WORD as an index into its word list */
	const char *name; /* NAME: a dimension */
};

struct region {
	struct op **op;
	int n, cap;
};

struct op {
	uint16_t code; /* enum opcode */
	uint8_t lane;  /* enum lane */
	int nin, nout;
	struct arg *in;
	struct value **out;
	int nattr;
	struct attr *attr;

	/* The result goes there instead of to a named value: a field of a
	 * bundle or of a bundle value, a layer (accum), or whole bundles. */
	bool has_target, target_add; /* target = op ... / target += op ... */
	struct arg target;
	/* That many of the last inputs are accumulators: `into !o, !z`. */
	uint8_t into;
	uint8_t nhop;
	struct hop *hop;
	struct cond when; /* else the results are undefined */

	/* for: inits are in[], results out[], carries are the body's names */
	const char *var;
	struct bound lo, hi;
	bool rev;
	struct value **carry; /* nin of them */
	struct region body;   /* ends with yield */
	/* call: callee(index, in...); fetch: what layer `index` of callee sent to
	 * the host and saved as `kept` */
	struct func *callee;
	const char *kept;
	struct affine index;
	bool indexed;

	int group; /* fusion group of its region after fuse, -1 before */
	const char *scratch; /* stage e: slot the op works in: `using NAME` */
	struct span at;
};

struct used_name {
	const char *name; /* NULL: a free place */
	int tried; /* name1..nameN are all in use */
};

struct func {
	const char *name;
	const char *index;     /* name of the layer index parameter, or NULL */
	const char *index_dim; /* its range: a dimension ("L") */
	struct value **param;
	int nparam;
	struct region body; /* ends with return */
	struct value **value;   /* by id, dead ones too: see module_compact */
	int nvalue, valuecap;   /* ids given out so far */
	struct used_name *used; /* names of values: a set, see func_uses */
	size_t nused, usedcap;
	struct func *twin;  /* block <-> block.bwd */
	struct span at;
};

struct dimdef {
	const char *name;
	uint64_t size;
	struct span at;
};

struct axisdef {
	const char *name;
	uint32_t size;
};

/* A planned place in an arena; stage e only. */
struct slot {
	const char *name;
	uint8_t arena;   /* enum arena_id */
	uint32_t count;  /* elements of an indexed slot: x[l] */
	uint64_t offset; /* bytes from the start of the arena */
	uint64_t size;   /* bytes of one element */
	uint64_t stride; /* bytes between elements */
};
enum arena_id { ARENA_STATE, ARENA_KEEP, ARENA_ACT, ARENA_IO, ARENA_HOST,
	ARENA_WORK, ARENA_COUNT }; /* host: memory of the host, not the device */
extern const char *const arena_name[ARENA_COUNT];

/* One setting of recipe or plan that the trainer needs: `set key = value`. */
struct setting {
	const char *key;
	bool is_text;
	double num;
	const char *text; /* strings, words and calls in source form */
	struct span at;
};

struct module {
	struct arena *mem;
	struct diag *diag;
	const char *name;
	char stage; /* 'a' .. 'e' */
	const char *after; /* last pass that ran, or NULL */
	struct axisdef axis[MAX_AXES];
	int naxis;
	struct dimdef *dim;
	int ndim, dimcap;
	struct bundle **bundle;
	int nbundle, bundlecap;
	struct func **func;
	int nfunc, funccap;
	struct setting *set;
	int nset, setcap;
	struct slot *slot;
	int nslot, slotcap;
	uint32_t *slot_at; /* a hash table of indices, from 1; 0: free */
	size_t slot_cells;
	uint64_t arena_size[ARENA_COUNT];
	/* As it was before recompute, to see what else would fit; or NULL. */
	struct module *origin;
	struct intern *names;      /* interned strings */
	struct type_table *types;
};

/* Building.  Everything returned belongs to the module. */
struct module *module_new(struct arena *mem, struct diag *d);
const char *module_name(struct module *m, const char *s, size_t len);
const char *module_namez(struct module *m, const char *s);
struct dimdef *module_dim(const struct module *m, const char *name);
struct dimdef *module_add_dim(struct module *m, const char *name,
    uint64_t size, struct span at);
struct bundle *module_bundle(const struct module *m, const char *name);
struct bundle *module_add_bundle(struct module *m, const char *name,
    const char *stack, enum bundle_role role, enum dtype dt);
/* A bundle shaped like of (grad, moment1, moment2), in dt. */
struct bundle *module_derive_bundle(struct module *m, const char *name,
    struct bundle *of, enum bundle_role role, enum dtype dt);
struct field *bundle_add_field(struct module *m, struct bundle *b,
    const char *name, const struct type *t, struct init init, bool decay,
    struct span at);
int bundle_field(const struct bundle *b, const char *name); /* or -1 */
/* Elements of one layer's image, and where a field begins in it. */
uint64_t bundle_image(const struct module *m, const struct bundle *b);
uint64_t bundle_image_at(const struct module *m, const struct bundle *b,
    int field);
/* Stored as images: all that belongs to parameters some of which is cut. */
bool bundle_is_image(const struct module *m, const struct bundle *b);
/* Elements of one block of an image that is cut over these axes. */
uint64_t bundle_block(const struct module *m, const struct bundle *b,
    const struct axis_list *flat);
/* Where the images of a bundle are: "@B", an element for each layer. */
struct slot *bundle_image_slot(const struct module *m, const struct bundle *b);
struct func *module_func(const struct module *m, const char *name);
struct func *module_add_func(struct module *m, const char *name,
    struct span at);
const struct setting *module_setting(const struct module *m, const char *key);
double module_number(const struct module *m, const char *key, double dflt);
const char *module_text(const struct module *m, const char *key,
    const char *dflt);
void module_set_number(struct module *m, const char *key, double v,
    struct span at);
void module_set_text(struct module *m, const char *key, const char *v,
    struct span at);
/* Is it what a pass noted of a choice it made: ring.FUNC, recompute.FUNC? */
bool setting_is_decision(const struct setting *s);
struct slot *module_slot(const struct module *m, const char *name);
/* Where a field is stored: "@B.x", or with the suffix ".cast" its copy in
 * another dtype.  A bundle over another is where that one is. */
struct slot *bundle_slot(const struct module *m, const struct bundle *b,
    int field, const char *suffix);
struct slot *module_add_slot(struct module *m, const char *name);

/* True if a value is called name, or was since the last module_compact. */
bool func_uses(const struct func *f, const char *name);
/* Names a value that had no name; the name is free in f. */
void func_name(struct module *m, struct func *f, struct value *v,
    const char *name);
/* base if it is free in f, else base1, base2, ... */
const char *func_fresh(struct module *m, struct func *f, const char *base);
struct value *func_value(struct module *m, struct func *f, const char *name,
    const struct type *t, struct span at);
struct value *func_find(const struct func *f, const char *name);
struct value *func_add_param(struct module *m, struct func *f,
    const char *name, const struct type *t, struct span at);

/*
 * Forget the values that no op, parameter or carry defines any more and number
 * the others in text order.  Side tables by id end here; the pipeline calls it
 * after every pass, so that a dump read back goes on with the same names.
 */
void module_compact(struct module *m);

/* A new op with room for nin inputs and nout outputs, in no region yet. */
struct op *op_new(struct module *m, enum opcode code, int nin, int nout,
    struct span at);
void region_append(struct module *m, struct region *r, struct op *op);
void region_insert(struct module *m, struct region *r, int at, struct op *op);
struct op *region_last(const struct region *r);

struct arg arg_value(struct value *v);
struct arg arg_field(struct value *bundle, int field);
struct arg arg_bundle(struct bundle *b);
struct arg arg_bundle_field(struct bundle *b, const struct affine *index,
    int field);
/* What offload gives: it lies on the host, and only save and fetch know it. */
bool value_on_host(const struct value *v);
/* What a fetch brings; NULL: nothing there has this name. */
const struct value *fetch_source(const struct op *op);
/* A bundle value with a place of its own: all but that of `params`. */
bool value_is_image(const struct value *v);
/* Of a tensor or an image: its dtype, and what a rank has of it. */
enum dtype value_dtype(const struct value *v);
uint64_t value_local_count(const struct module *m, const struct value *v);
uint64_t value_local_bytes(const struct module *m, const struct value *v);
/* Type of what an argument reads; NULL for whole bundles. */
const struct type *arg_type(const struct module *m, const struct arg *a);
/* Type of what a field takes: in the dtype and pending as it is stored. */
const struct type *target_type(const struct module *m, const struct arg *a);
bool op_from_name(const char *name, size_t len, enum opcode *out);

struct affine affine_const(int64_t k);
struct affine affine_var(const char *var);
int64_t affine_eval(const struct affine *a, const char *const *var,
    const int64_t *val, int n);
uint64_t bound_eval(const struct module *m, const struct bound *b);
bool cond_holds(const struct module *m, const struct cond *c,
    const char *const *var, const int64_t *val, int n);
struct hop *op_set_hops(struct module *m, struct op *op, int n); /* zeroed */
axis_set op_axes(const struct op *op); /* of its hops */
int module_axis(const struct module *m, const char *name); /* or -1 */

const struct attr *op_attr(const struct op *op, enum attr_key k); /* or NULL */
double op_real(const struct op *op, enum attr_key k); /* default if absent */
int64_t op_int(const struct op *op, enum attr_key k);
const char *op_dim(const struct op *op, enum attr_key k);
void op_set_real(struct module *m, struct op *op, enum attr_key k, double v);
void op_set_int(struct module *m, struct op *op, enum attr_key k, int64_t v);
void op_set_dim(struct module *m, struct op *op, enum attr_key k,
    const char *dim);

/* Visit every op of a region, inner regions included, in order. */
void region_walk(struct region *r, void (*fn)(struct op *op, void *arg),
    void *arg);

/* A deep copy (same arena), so that a pass's input can be kept. */
struct module *module_clone(struct arena *mem, const struct module *m);

/*
 * Result types of op from its inputs and attributes, by the rule in ops.def.
 * Ops whose result type cannot be inferred (dot, sum, spread, zeros, iota,
 * cast, params, local, load) take what out[i]->type says and check it.  Reports
 * through the module's diag and returns false on an error.
 */
bool op_infer(struct module *m, struct op *op);

/* Everything that must hold between two passes; returns errors found. */
int module_verify(struct module *m);

/* Text.  print(read(t)) == t for everything module_print writes. */
struct print_options {
	bool locations; /* trailing comments with file:line */
	bool apart;     /* each statement on a line of its own */
};
void module_print(const struct module *m, const struct print_options *o,
    FILE *out);
struct module *module_read(struct arena *mem, struct diag *d);

#endif
