/* Source files, read with care: what a path names may be anything. */
#ifndef LOONG_DRIVER_INPUT_H
#define LOONG_DRIVER_INPUT_H

#include <stdbool.h>
#include <sys/types.h>

#include "support/arena.h"
#include "support/diag.h"

enum { INPUT_LIMIT = 16 << 20 }; /* bytes */

struct input {
	struct source src;
	dev_t dev; /* identity of the file: output must not replace it */
	ino_t ino;
};

/*
 * The text of a regular, non-empty file of at most INPUT_LIMIT bytes, in mem,
 * with a zero byte behind it.  On failure: a message to stderr, false.
 */
bool input_read(struct input *in, struct arena *mem, const char *path);

#endif
