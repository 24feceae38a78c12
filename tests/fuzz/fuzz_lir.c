/*
 * libFuzzer target: any bytes through the reader of IR text and the verifier.
 * What verifies prints as text that reads back and prints the same.
 */
#define _POSIX_C_SOURCE 200809L
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
print(const struct module *m, size_t *n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	module_print(m, NULL, f);
	fclose(f);
	return text;
}

static void
check(const struct module *m, FILE *nowhere)
{
	struct arena mem = {0};
	size_t n = 0, again = 0;
	char *text = print(m, &n), *twice;
	struct source src = {"dump", text, (uint32_t)n};
	struct diag d = {.src = &src, .out = nowhere};
	struct module *back = module_read(&mem, &d);

	if (!back)
		abort();
	twice = print(back, &again);
	if (n != again || memcmp(text, twice, n) != 0)
		abort();
	arena_free(&mem);
	free(text);
	free(twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	char *text = malloc(size + 1);
	struct arena mem = {0};
	struct source src = {"fuzz.lir", text, (uint32_t)size};
	struct diag d = {.src = &src};
	struct module *m;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	if (!text || !nowhere)
		abort();
	d.out = nowhere;
	memcpy(text, data, size);
	text[size] = '\0';
	m = module_read(&mem, &d);
	if (m && module_verify(m) == 0)
		check(m, nowhere);
	arena_free(&mem);
	free(text);
	return 0;
}
