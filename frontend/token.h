/* What the lexer's actions call. */
#ifndef LOONG_FRONTEND_TOKEN_H
#define LOONG_FRONTEND_TOKEN_H

#include "frontend/ast.h"

const char *lex_name(struct parse *p, struct span at, const char *s, int n);
double lex_number(struct parse *p, struct span at, const char *s, int n);
void lex_bad_number(struct parse *p, struct span at, const char *s);
void lex_open_string(struct parse *p, struct span at);
bool lex_open(struct parse *p, struct span at);
void lex_stray(struct parse *p, struct span at, const char *s, int n);

#endif
