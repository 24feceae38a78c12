/*
 * The texts of codegen/kernels/ and of the headers they include, compiled into
 * loongc, and programs made of them.
 */
#ifndef LOONG_CODEGEN_TEXTS_H
#define LOONG_CODEGEN_TEXTS_H

#include <stdbool.h>

#include "support/buf.h"

struct kernel_text {
	const char *name; /* "codegen/kernels/lk.h" */
	const char *text;
};

/* Made by build-aux/embed.sh; the last has no name. */
extern const struct kernel_text kernel_texts[];

/* The text of that name, or of codegen/kernels/NAME; NULL: there is none. */
const char *kernel_text(const char *name);

/*
 * A program that needs no header: kernel_include appends a text with what it
 * includes in its place; what has a "#pragma once" appears once.  #line
 * directives say where the lines come from.  `emulated` chooses between the
 * two implementations of lk.h.
 *
 *	struct kernel_source s = {.emulated = false};
 *
 *	kernel_include(&s, "lk.h");
 *	buf_puts(&s.out, "#define ATTN_D 64\n");
 *	kernel_include(&s, "attn_fwd_sm80.cuh");
 *	.. buf_text(&s.out) ..
 *	kernel_source_free(&s);
 */
enum { KERNEL_TEXTS_MAX = 128 };
struct kernel_source {
	bool emulated;
	struct buf out;
	bool seen[KERNEL_TEXTS_MAX];
};

/* A name that is not there ends the process: it is a mistake of loongc's. */
void kernel_include(struct kernel_source *, const char *name);
void kernel_source_free(struct kernel_source *);

#endif
