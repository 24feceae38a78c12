/* The grammar of .lt files; doc/language.md is the prose version. */
%require "3.8"
%define api.pure full
%define api.prefix {lt_}
%define api.token.prefix {TOK_}
%define api.value.type union
%define api.location.type {struct span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0

/* Before bison's own includes: config.h decides what <string.h> declares. */
%code top {
#include "config.h"
}

%code requires {
#include "frontend/ast.h"

#ifndef YY_TYPEDEF_YY_SCANNER_T
#define YY_TYPEDEF_YY_SCANNER_T
typedef void *yyscan_t;
#endif
}

/* flex's bison-bridge knows these two under their unprefixed names only. */
%code provides {
#define YYSTYPE LT_STYPE
#define YYLTYPE LT_LTYPE
}

%param {yyscan_t scanner}
%parse-param {struct parse *p}

%code {
#include "frontend/build.h"
#include "frontend/lex.h"

#define YYMAXDEPTH 4000

/* A rule spans from its first symbol to its last; an empty one is a point. */
#define YYLLOC_DEFAULT(cur, rhs, n)                                    \
	((cur).lo = (n) ? YYRHSLOC(rhs, 1).lo : YYRHSLOC(rhs, 0).hi,   \
	 (cur).hi = (n) ? YYRHSLOC(rhs, n).hi : YYRHSLOC(rhs, 0).hi)

static void lt_error(const struct span *at, yyscan_t scanner,
    struct parse *p, const char *what);
}

%initial-action { @$ = (struct span){p->from, p->from}; }

%token END 0 "end of file"
%token START_FILE START_VALUE
%token DIM "dim" MODEL "model" BLOCK "block" RECIPE "recipe" PLAN "plan"
%token PARAM "param" REPEAT "repeat" RETURN "return" AS "as" ARROW "->"
%token <const char *> NAME "name"
%token <const char *> STRING "string"
%token <double> NUMBER "number"
%nterm <struct ident> id
%nterm <struct idents> dims ids family
%nterm <struct dimdecl *> dimdefs dimdef
%nterm <struct formals> sigs siglist
%nterm <struct formal *> sig
%nterm <struct block *> block
%nterm <struct body *> body stmts
%nterm <struct stmt *> stmt
%nterm <struct pdecl *> pdefs pdef
%nterm <struct expr *> init expr post count
%nterm <struct actuals> exprs args arglist
%nterm <struct actual *> arg
%nterm <struct entry *> settings entries entry

%left '+' '-'
%left '*' '/'
%precedence NEG

%%

start
    : START_FILE file
    | START_VALUE expr { p->value = $2; };

file: %empty | file item;

item
    : "dim" dimdefs ';'         { build_file_dims(p, $2, @$); }
    | "model" id '(' sigs ')' body {
	build_model(p, build_block(p, $2, $4, $6, @2)); }
    | block                     { build_file_block(p, $1, @$); }
    | "recipe" id settings      { build_recipe(p, $2, $3, @$); }
    | "plan" id settings        { build_plan(p, $2, $3, @$); }
    | error ';'
    | error '}';

block: "block" id '(' sigs ')' body {
	$$ = build_block(p, $2, $4, $6, @2); };

id: NAME { $$ = (struct ident){$1, @1, NULL}; };

sigs: %empty { $$ = (struct formals){0}; } | siglist;

siglist
    : sig             { $$ = build_formals(p, (struct formals){0}, $1); }
    | siglist ',' sig { $$ = build_formals(p, $1, $3); };

sig
    : id '[' dims ']' { $$ = build_formal(p, $1, $3, @$); }
    | id              { $$ = build_formal(p, $1, (struct idents){0}, @$); };

dims
    : %empty  { $$ = (struct idents){0}; }
    | dims id { $$ = build_idents(p, $1, $2); };

body
    : '{' stmts '}'       { $$ = $2; $$->at = @$; }
    | '{' stmts error '}' { $$ = $2; $$->at = @$; };

stmts
    : %empty          { $$ = ast_node(p, sizeof *$$); }
    | stmts stmt      { $$ = build_stmts($1, $2); }
    | stmts error ';';

stmt
    : "dim" dimdefs ';'        { $$ = build_dims(p, $2, @$); }
    | "param" pdefs init ';'   { $$ = build_params(p, $2, $3, @$); }
    | block                    { $$ = build_inner(p, $1, @$); }
    | ids '=' exprs ';'        { $$ = build_assign(p, $1, $3, @$); }
    | ids ':' '[' dims ']' '=' expr ';' {
	$$ = build_typed(p, $1, $4, $7, @$); }
    | "repeat" count body      { $$ = build_repeat(p, $2, NULL, $3, @1); }
    | "repeat" count "as" id body {
	$$ = build_repeat(p, $2, &$4, $5, @1); }
    | "return" exprs ';'       { $$ = build_return(p, $2, @$); };

count
    : NUMBER { $$ = ast_number(p, @1, $1); }
    | NAME   { $$ = ast_name(p, EXPR_NAME, @1, $1); };

dimdefs
    : dimdef             { $$ = $1; }
    | dimdef ',' dimdefs { $$ = $1; $1->next = $3; };

dimdef
    : id          { $$ = build_dim(p, $1, NULL); }
    | id '=' expr { $$ = build_dim(p, $1, $3); };

pdefs
    : pdef           { $$ = $1; }
    | pdef ',' pdefs { $$ = $1; $1->next = $3; };

pdef
    : id family ':' id dims {
	$$ = build_param(p, $1, $2, build_front(p, $4, $5), @$); }
    | id family ':' id dims "->" id dims {
	$$ = build_map(p, build_param(p, $1, $2, build_front(p, $4, $5), @$),
	    build_front(p, $7, $8)); };

family: %empty { $$ = (struct idents){0}; } | '[' dims ']' { $$ = $2; };

init: %empty { $$ = NULL; } | '~' expr { $$ = $2; };

ids
    : id         { $$ = build_idents(p, (struct idents){0}, $1); }
    | ids ',' id { $$ = build_idents(p, $1, $3); };

exprs
    : expr {
	$$ = build_actuals(p, (struct actuals){0}, build_actual(p, NULL, $1));
    }
    | exprs ',' expr {
	$$ = build_actuals(p, $1, build_actual(p, NULL, $3)); };

expr
    : expr '+' expr { $$ = build_binary(p, '+', $1, $3, @$); }
    | expr '-' expr { $$ = build_binary(p, '-', $1, $3, @$); }
    | expr '*' expr { $$ = build_binary(p, '*', $1, $3, @$); }
    | expr '/' expr { $$ = build_binary(p, '/', $1, $3, @$); }
    | '-' expr %prec NEG { $$ = ast_expr(p, EXPR_NEGATE, @$, $2, NULL); }
    | post;

post
    : NUMBER            { $$ = ast_number(p, @1, $1); }
    | STRING            { $$ = ast_name(p, EXPR_STRING, @1, $1); }
    | NAME              { $$ = ast_name(p, EXPR_NAME, @1, $1); }
    | '(' expr ')'      { $$ = $2; }
    | post '(' args ')' { $$ = build_call(p, $1, $3, @$); }
    | post '[' expr ']' { $$ = ast_expr(p, EXPR_INDEX, @$, $1, $3); }
    | post '\''         { $$ = ast_expr(p, EXPR_TRANSPOSE, @$, $1, NULL); }
    | post "as" '[' dims ']' { $$ = build_rename(p, $1, $4, @$); };

args: %empty { $$ = (struct actuals){0}; } | arglist;

arglist
    : arg             { $$ = build_actuals(p, (struct actuals){0}, $1); }
    | arglist ',' arg { $$ = build_actuals(p, $1, $3); };

arg
    : expr        { $$ = build_actual(p, NULL, $1); }
    | id '=' expr { $$ = build_actual(p, &$1, $3); };

settings: '{' entries '}' { $$ = $2; }
    | '{' entries error '}' { $$ = $2; };

entries
    : %empty { $$ = NULL; }
    | entries entry { $$ = build_entries(p, $1, $2); }
    | entries error ';';

entry
    : id '=' exprs ';' { $$ = build_entry(p, $1, $3, @$); }
    | id settings      { $$ = build_group(p, $1, $2, @$); };

%%

/* bison calls it for what is no syntax error: its stack is full. */
static void
lt_error(const struct span *at, yyscan_t scanner, struct parse *p,
    const char *what)
{
	(void)scanner;
	(void)what;
	if (!p->stopped)
		diag_report(p->d, DIAG_NESTING, *at,
		    "nested too deeply, or a list too long");
	p->stopped = true;
}

static int
yyreport_syntax_error(const yypcontext_t *ctx, yyscan_t scanner,
    struct parse *p)
{
	yysymbol_kind_t want[YYNTOKENS];
	int n = yypcontext_expected_tokens(ctx, want, YYNTOKENS);
	const char *name[YYNTOKENS];

	(void)scanner;
	for (int i = 0; i < n; i++)
		name[i] = yysymbol_name(want[i]);
	build_syntax_error(p, *yypcontext_location(ctx),
	    yypcontext_token(ctx) == YYSYMBOL_YYEOF, name, n);
	return 0;
}

static int
parse_text(struct parse *p)
{
	YY_BUFFER_STATE text;
	yyscan_t scanner;
	int failed;

	if (lt_lex_init_extra(p, &scanner) != 0)
		return 1;
	text = lt__scan_bytes(p->d->src->text + p->from,
	    (int)(p->d->src->len - p->from), scanner);
	failed = lt_parse(scanner, p);
	lt__delete_buffer(text, scanner);
	lt_lex_destroy(scanner);
	return failed;
}

struct file *
parse_file(struct arena *mem, struct diag *d)
{
	struct parse p = {.mem = mem, .d = d, .start = TOK_START_FILE};

	if (!check_text(d))
		return NULL;
	p.file = NEW(mem, struct file);
	return parse_text(&p) == 0 && !p.stopped ? p.file : NULL;
}

struct expr *
parse_value(struct arena *mem, struct diag *d, uint32_t from)
{
	struct parse p = {.mem = mem, .d = d, .start = TOK_START_VALUE,
	    .from = from};
	int before = d->errors;

	if (!check_text(d))
		return NULL;
	p.file = NEW(mem, struct file);
	return parse_text(&p) == 0 && d->errors == before ? p.value : NULL;
}
