/*
 * The syntax tree of a `.lt` file, as written: no names are resolved, nothing
 * is computed.  Everything lives in the arena of the compilation.
 */
#ifndef LOONG_FRONTEND_AST_H
#define LOONG_FRONTEND_AST_H

#include "support/arena.h"
#include "support/diag.h"

/* Deeper trees are refused when they are built: later walks recurse. */
enum { MAX_NESTING = 200, MAX_NAME = 64, MAX_ITEMS = 1000000 };

struct ident {
	const char *name;
	struct span at;
	struct ident *next;
};

struct idents {
	struct ident *first, *last;
	int n;
};

enum expr_kind {
	EXPR_ERROR,
	EXPR_NUMBER,    /* num */
	EXPR_STRING,    /* name: its contents */
	EXPR_NAME,      /* name */
	EXPR_BINARY,    /* a op b */
	EXPR_NEGATE,    /* a */
	EXPR_CALL,      /* a(args) */
	EXPR_INDEX,     /* a[b] */
	EXPR_TRANSPOSE, /* a' */
	EXPR_RENAME     /* a as [dims] */
};

struct expr {
	uint8_t kind; /* enum expr_kind */
	char op;      /* + - * / */
	int depth;    /* of the tree below */
	struct span at;
	const char *name;
	double num;
	struct expr *a, *b;
	struct actual *args;
	int nargs;
	struct idents dims;
};

struct actual { /* an argument: value, or name = value */
	const char *name; /* or NULL */
	struct span at;   /* of the name */
	struct expr *value;
	struct actual *next;
};

struct actuals {
	struct actual *first, *last;
	int n;
};

struct dimdecl { /* name, or name = value */
	struct ident id;
	struct expr *value; /* NULL: free */
	struct dimdecl *next;
};

struct pdecl { /* name : in [-> out] */
	struct ident id;
	struct idents family, in, out;
	bool is_map;
	struct span at;
	struct pdecl *next;
};

struct formal { /* name [dims]; without brackets a scalar */
	struct ident id;
	struct idents dims;
	struct span at;
	struct formal *next;
};

struct formals {
	struct formal *first, *last;
	int n;
};

enum stmt_kind {
	STMT_DIM,    /* dim */
	STMT_PARAM,  /* param, value: initial values */
	STMT_BLOCK,  /* block */
	STMT_ASSIGN, /* target [: dims] = results; value: the first */
	STMT_REPEAT, /* value: count, name: of the repeat or NULL, body */
	STMT_RETURN  /* results */
};

struct stmt {
	uint8_t kind; /* enum stmt_kind */
	struct span at;
	struct dimdecl *dim;
	struct pdecl *param;
	struct expr *value;
	struct block *block;
	struct idents target, dims;
	bool typed;
	struct ident name;
	struct body *body;
	struct actuals results; /* of return and assignments, no names */
	struct stmt *next;
};

struct body {
	struct stmt *first, *last;
	struct span at;
};

struct block { /* a model is a block, too */
	struct ident id;
	struct formals formal;
	struct body *body;
	struct span at;
	bool called, active; /* while it is read by the lowering */
	struct block *next;
};

/* name = value, value ...; or name { settings } */
struct entry {
	struct ident id;
	struct actuals value;
	struct entry *child;
	bool is_group;
	struct span at;
	struct entry *next;
};

struct settings { /* a recipe or a plan */
	struct ident id;
	struct entry *entry;
	struct span at;
	struct settings *next;
};

struct file {
	struct stmt *first, *last; /* dims and blocks outside of models */
	struct block *model, *model_last;
	struct settings *recipe, *recipe_last;
	struct settings *plan, *plan_last;
};

/* What the parser works in. */
struct parse {
	struct arena *mem;
	struct diag *d;
	struct file *file;
	struct expr *value;  /* of parse_value */
	uint32_t from;       /* offset where it begins */
	int start;           /* token that says what is read */
	int nest;            /* open brackets */
	uint32_t items;      /* nodes made so far */
	uint32_t stray;      /* end of the last character left out */
	bool stopped;        /* a limit was hit, more messages mislead */
};

/* Text to tree; NULL after errors that make going on pointless. */
struct file *parse_file(struct arena *mem, struct diag *d);
/* One expression (of --set), from an offset to the end; or NULL. */
struct expr *parse_value(struct arena *mem, struct diag *d, uint32_t from);
/* Size, encoding, characters; false after an error. */
bool check_text(struct diag *d);

/* Nodes; each checks the limits and gives EXPR_ERROR beyond them. */
struct expr *ast_expr(struct parse *p, enum expr_kind kind, struct span at,
    struct expr *a, struct expr *b);
/* e has one more child: its depth follows. */
void ast_child(struct parse *p, struct expr *e, const struct expr *child);
struct expr *ast_name(struct parse *p, enum expr_kind kind, struct span at,
    const char *name);
struct expr *ast_number(struct parse *p, struct span at, double num);
struct stmt *ast_stmt(struct parse *p, enum stmt_kind kind, struct span at);
void *ast_node(struct parse *p, size_t size);

void ast_print(const struct file *f, FILE *out);
void ast_print_expr(const struct expr *e, FILE *out);

#endif
