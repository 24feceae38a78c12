/* What the targets that read text begin with. */
#ifndef LOONG_TESTS_FUZZ_TEXT_H
#define LOONG_TESTS_FUZZ_TEXT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes and a zero byte, on the heap. */
static inline char *
fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* Where messages go. */
static inline FILE *
fuzz_nowhere(void)
{
	static FILE *f;

	if (!f && !(f = fopen("/dev/null", "w")))
		abort();
	return f;
}

/* m as text, on the heap. */
static inline char *
fuzz_print(const struct module *m, size_t *n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	module_print(m, NULL, f);
	fclose(f);
	return text;
}

#endif
