/* Small models in IR text, before autodiff, that use blocks in every way. */
#ifndef LOONG_TESTS_PROGRAMS_H
#define LOONG_TESTS_PROGRAMS_H

#include <stdbool.h>

#include "support/arena.h"

struct program {
	const char *name;
	const char *file; /* of the source tree, or NULL: text */
	const char *text;
	int classes;      /* of tokens and labels */
	bool splits;      /* sequences do not depend on each other's place */
	bool labels;      /* the loss is that of the labels alone */
};

extern const struct program programs[]; /* the first: a small Llama */
extern const int nprogram;

/* The program with lines of settings after its first line. */
char *program_text(struct arena *mem, const struct program *p,
    const char *settings);

#endif
