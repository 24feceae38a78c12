/*
 * Inside of the front end: from syntax tree to IR, one walk in program order.
 *
 * A block is read anew at each call, so its parameters belong to the call: the
 * walk knows the path of calls it is in ("layer.attn").  Names live in one
 * persistent list, newest first; a block remembers the list of its place, so
 * that its body sees what was defined before it and nothing later.
 *
 * Mistakes are reported where they are found, and the walk goes on with
 * VAL_ERROR, which is accepted everywhere without a word.
 */
#ifndef LOONG_FRONTEND_LOWER_H
#define LOONG_FRONTEND_LOWER_H

#include "frontend/ast.h"
#include "frontend/frontend.h"
#include "support/buf.h"

enum { MAX_OPS = 50000, MAX_DEPTH = 1000, MAX_PATH = 200 };

/* As in ir/attrs.def. */
enum mask { MASK_CAUSAL, MASK_FULL, MASK_WINDOW, MASK_SAME };

/* A parameter of one call of a block, or of the model. */
struct param {
	const char *name;
	const struct pdecl *decl;
	struct frame *home;   /* whose bundle it is a field of */
	int field;
	const struct type *type; /* f32[in.., out..] */
	int nin;              /* dims before the arrow; rank if there is none */
	bool is_map, used;
	struct param *next;
};

enum val_kind {
	VAL_ERROR, VAL_NUMBER, VAL_STRING, VAL_TENSOR, VAL_PARAM, VAL_TUPLE
};

struct val {
	uint8_t kind; /* enum val_kind */
	bool transposed;         /* PARAM: a map the other way round */
	double num;              /* NUMBER */
	const char *text;        /* STRING */
	struct arg arg;          /* TENSOR: in frame home */
	struct frame *home;      /* TENSOR */
	const struct type *type; /* TENSOR */
	struct param *param;     /* PARAM */
	struct val *item;        /* TUPLE */
	int nitem;
};

enum sym_kind { SYM_DIM, SYM_VALUE, SYM_PARAM, SYM_BLOCK };

struct sym {
	uint8_t kind; /* enum sym_kind */
	int level;    /* of the body that defines it: see unit.level */
	const char *name;
	struct span at;
	struct val val;            /* VALUE */
	struct param *param;       /* PARAM */
	struct block *block;       /* BLOCK */
	const struct sym *env;     /* BLOCK: names its body sees */
	const char *dim;           /* DIM: its name in the module */
	const struct sym *next;
};

/* A name used inside a repeat but defined outside: passed through. */
struct capture {
	struct arg outer;   /* in the frame above */
	struct value *v;    /* parameter of this frame's function */
	struct capture *next;
};

/* Names in use; see fresh_name. */
struct fresh {
	struct fresh_entry *e;
	size_t n, cap;
};

/* A function being built: the model, or the body of a repeat. */
struct frame {
	struct frame *up;     /* NULL: the model */
	struct func *f;
	struct bundle *b;     /* its parameters; NULL until there is one */
	struct value *own, *shared; /* values of `params`: own b, the model's */
	const char *stack;    /* dim that counts the layers; NULL: the model */
	const char *bundle_name; /* "W", "W2"; "E" */
	const char *prefix;   /* path of calls above a repeat */
	struct capture *capture, **last_capture;
	struct fresh names, paths; /* of values; of calls and repeats */
};

struct unit {
	struct arena *mem;
	struct diag *d;
	struct module *m;
	const struct frontend_options *o;
	struct file *file;
	struct block *model;
	struct override *set;    /* --set, parsed */
	const struct sym *env;   /* names in sight, newest first */
	int level;               /* of the body being read; 0: the file */
	struct frame *frame;
	struct fresh funcs, bundles; /* names in use */
	const char *path;        /* of calls, below the frame: "attn" or "" */
	struct param *params;    /* all of them, newest first */
	struct val doc;          /* third input, or VAL_ERROR */
	enum dtype act;          /* activations are computed in it */
	const char *hint;        /* name for the next temporary, or NULL */
	bool broken;             /* the text had errors: what is missing may
				  * have been in a part that was skipped */
	bool skipped;            /* a repeat was not read, nor its calls */
	int nops, depth;
	int64_t dropout_key;
	int nxent;
	int64_t ignore;          /* of the xents seen */
	struct span ignore_at;
	const char *classes;     /* the smallest dim of their logits; NULL */
	uint64_t heads;          /* query heads of the last attention; 0: none */
	const char *heads_text;  /* "k g = 8*4" */
	uint64_t elements;       /* of all parameters so far */
};

/* ------------------------------------------------------------------ names */
void name_push(struct unit *u, struct sym s);
/* The newest name of one of the kinds (bits 1 << kind), or NULL. */
const struct sym *name_find(const struct unit *u, const char *name,
    unsigned kinds);
/* False after reporting that this body has defined the name before. */
bool name_is_new(struct unit *u, const struct ident *id, enum sym_kind kind);
/* The nearest name in sight, or NULL. */
const char *name_nearest(const struct unit *u, const char *name,
    unsigned kinds);
void unknown_name(struct unit *u, const char *name, struct span at);

/* ------------------------------------------------------------------- dims */
void dim_define(struct unit *u, const struct dimdecl *d);
const struct dimdef *dim_find(struct unit *u, const struct ident *id);
/* Resolves names into *t, appending; false after an error. */
bool dims_resolve(struct unit *u, const struct idents *ids, struct type *t);
/* Number of a constant expression; false after an error. */
bool constant(struct unit *u, const struct expr *e, double *out);
uint64_t dim_size(const struct unit *u, const char *dim);
bool token_dim(const char *dim); /* b or s */
/* "[b s e]", in the arena. */
const char *dims_text(struct unit *u, const struct type *t);
/* "k g = 8*4", of dims from..to-1, and their product. */
const char *dims_product(struct unit *u, const struct type *t, int from,
    int to, uint64_t *product);
/* False after reporting that a tensor at `at` has too many elements. */
bool fits(struct unit *u, const struct type *t, uint64_t times,
    struct span at);
const char *dims_span(struct unit *u, const struct type *t, int from, int to);

/* --------------------------------------------------------------- emitting */
struct val val_tensor(struct unit *u, struct value *v);
/* An op of the current frame with n operands; out's type from the rule. */
struct op *emit(struct unit *u, enum opcode code, int nin, struct span at);
/* Appends op with one result of type t (NULL: the rule says). */
struct val emit_result(struct unit *u, struct op *op, const struct type *t,
    const char *name);
/* Two results, the first one returned. */
struct val emit_two(struct unit *u, struct op *op, const char *name,
    const char *second);
struct val emit_number(struct unit *u, double x, struct span at);
struct val emit_cast(struct unit *u, struct val v, enum dtype dt,
    struct span at);
/* v as an operand of the current frame. */
struct arg emit_arg(struct unit *u, const struct val *v, struct span at);
/* Name for a temporary: the hint if there is one. */
const char *temp_name(struct unit *u, const char *otherwise);
bool too_deep(struct unit *u, struct span at);
/* Counts an operation or call; true after reporting that they are too many. */
bool too_many(struct unit *u, struct span at);

/* ------------------------------------------------------------ expressions */
struct val lower_expr(struct unit *u, const struct expr *e);
struct val lower_with_hint(struct unit *u, const struct expr *e,
    const char *hint);
/* An operand that must be a tensor (numbers become scalars, plain parameters
 * their tensors); VAL_ERROR after an error. */
struct val as_tensor(struct unit *u, struct val v, struct span at);
struct val binary(struct unit *u, char op, struct val a, struct val b,
    const struct expr *e);
struct val lower_call(struct unit *u, const struct expr *e);
struct val apply_map(struct unit *u, const struct val *map, struct val x,
    const struct expr *e);
struct val lookup(struct unit *u, const struct val *table, struct val index,
    const struct expr *e);
struct val call_block(struct unit *u, const struct sym *s,
    const struct expr *e);
struct val val_error(void);
struct val val_number(double x);
/* "a number", "a tensor [b s]", "the map w : e -> f". */
const char *val_text(struct unit *u, const struct val *v);

/* -------------------------------------------------------------- built-ins */
struct builtin;
const struct builtin *builtin_find(const char *name);
const char *const *builtin_names(void);
struct val lower_builtin(struct unit *u, const struct builtin *b,
    const struct expr *e);

/* ------------------------------------------------------------- statements */
/* Results of the body's return, a tuple; VAL_ERROR if there is none. */
struct val lower_body(struct unit *u, const struct body *b);
void lower_stmts(struct unit *u, const struct body *b);
void lower_file(struct unit *u);
void lower_repeat(struct unit *u, const struct stmt *s);
void lower_params(struct unit *u, const struct stmt *s);
struct arg param_arg(struct unit *u, struct param *p, struct span at);
void report_unused(struct unit *u);
/* base, or base followed by from, from + 1, ...: the first one not in use. */
const char *fresh_name(struct unit *u, struct fresh *t, const char *base,
    int from);
const char *join_path(struct unit *u, const char *a, const char *b);

#endif
