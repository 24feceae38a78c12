/* Inside of the built-ins: a call with its arguments evaluated. */
#ifndef LOONG_FRONTEND_BUILTIN_H
#define LOONG_FRONTEND_BUILTIN_H

#include "frontend/lower.h"

struct builtin_call;

struct builtin {
	const char *name;
	int nargs;
	const char *options; /* names it takes, separated by blanks */
	struct val (*lower)(struct unit *u, struct builtin_call *c);
	enum opcode op;
	const char *result;
};

struct builtin_call {
	const struct builtin *b;
	const struct expr *e;
	const struct expr *arg[3]; /* as written */
	struct val x[3];           /* evaluated by `tensors` */
};

#define BUILTIN(name, nargs, options, lower, op, result, summary) \
	struct val lower_##lower(struct unit *u, struct builtin_call *c);
#include "frontend/builtins.def"

/* Evaluates all arguments to tensors of real numbers; false on an error. */
bool tensors(struct unit *u, struct builtin_call *c);
/* The option called name, or NULL. */
const struct actual *option(const struct builtin_call *c, const char *name);
/* Its number, or dflt; false if it is none between lo and hi. */
bool option_number(struct unit *u, const struct builtin_call *c,
    const char *name, double dflt, double lo, double hi, double *out);
/* An op with the evaluated arguments as operands. */
struct op *call_op(struct unit *u, const struct builtin_call *c, int n);
struct val call_error(struct unit *u, const struct builtin_call *c, int arg,
    enum diag_code code, const char *fmt, ...) PRINTF_LIKE(5, 6);

#endif
