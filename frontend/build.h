/* What the grammar's actions call: one node each, lists by their ends. */
#ifndef LOONG_FRONTEND_BUILD_H
#define LOONG_FRONTEND_BUILD_H

#include "frontend/ast.h"

struct idents build_idents(struct parse *p, struct idents list,
    struct ident id);
struct idents build_front(struct parse *p, struct ident id,
    struct idents rest);
struct actual *build_actual(struct parse *p, const struct ident *id,
    struct expr *value);
struct actuals build_actuals(struct parse *p, struct actuals list,
    struct actual *a);
struct formal *build_formal(struct parse *p, struct ident id,
    struct idents dims, struct span at);
struct formals build_formals(struct parse *p, struct formals list,
    struct formal *f);
struct dimdecl *build_dim(struct parse *p, struct ident id,
    struct expr *value);
struct pdecl *build_param(struct parse *p, struct ident id,
    struct idents family, struct idents in, struct span at);
struct pdecl *build_map(struct parse *p, struct pdecl *d, struct idents out);

struct expr *build_binary(struct parse *p, char op, struct expr *a,
    struct expr *b, struct span at);
struct expr *build_call(struct parse *p, struct expr *callee,
    struct actuals args, struct span at);
struct expr *build_rename(struct parse *p, struct expr *a, struct idents dims,
    struct span at);

struct body *build_stmts(struct body *b, struct stmt *s);
struct stmt *build_dims(struct parse *p, struct dimdecl *d, struct span at);
struct stmt *build_params(struct parse *p, struct pdecl *d, struct expr *init,
    struct span at);
struct stmt *build_inner(struct parse *p, struct block *b, struct span at);
struct stmt *build_assign(struct parse *p, struct idents target,
    struct actuals values, struct span at);
struct stmt *build_typed(struct parse *p, struct idents target,
    struct idents dims, struct expr *value, struct span at);
struct stmt *build_repeat(struct parse *p, struct expr *count,
    const struct ident *name, struct body *body, struct span at);
struct stmt *build_return(struct parse *p, struct actuals results,
    struct span at);

struct block *build_block(struct parse *p, struct ident id,
    struct formals formal, struct body *body, struct span at);
struct entry *build_entry(struct parse *p, struct ident id,
    struct actuals value, struct span at);
struct entry *build_group(struct parse *p, struct ident id,
    struct entry *child, struct span at);
struct entry *build_entries(struct parse *p, struct entry *list,
    struct entry *e);

void build_file_dims(struct parse *p, struct dimdecl *d, struct span at);
void build_file_block(struct parse *p, struct block *b, struct span at);
void build_model(struct parse *p, struct block *b);
void build_recipe(struct parse *p, struct ident id, struct entry *e,
    struct span at);
void build_plan(struct parse *p, struct ident id, struct entry *e,
    struct span at);

/* want: n names of tokens that could stand at `at`, or at the end. */
void build_syntax_error(struct parse *p, struct span at, bool end,
    const char *const *want, int n);

#endif
