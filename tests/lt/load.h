/* A .lt file of the source tree, compiled: what the tests of the language
 * begin with. */
#ifndef LOONG_TESTS_LT_LOAD_H
#define LOONG_TESTS_LT_LOAD_H

#include <string.h>

#include "frontend/frontend.h"

struct load {
	struct arena mem;
	struct source src;
	struct diag d; /* out: stderr */
	char *text;
};

/* path is below the source tree; NULL after errors. */
struct module *load_file(struct load *l, const char *path,
    const struct frontend_options *o);
/* Compiles a text; its messages go to out (NULL: stderr). */
struct module *load_text(struct load *l, const char *text, size_t len,
    const struct frontend_options *o, FILE *out);
void load_free(struct load *l);
/* The module as text, on the heap. */
char *module_string(const struct module *m);

#endif
