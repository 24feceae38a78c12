/*
 * libFuzzer target: any bytes through the front end, as a file and, after a
 * NUL, as --set options.  A program that compiles must verify, and print as
 * text that reads back.
 */
#define _POSIX_C_SOURCE 200809L
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct module *m, FILE *nowhere)
{
	struct arena mem = {0};
	struct source src = {.name = "dump"};
	struct diag d = {.src = &src, .out = nowhere};
	char *text = NULL;
	size_t n = 0;
	FILE *f;

	if (!m)
		return;
	m->diag = &d;
	if (module_verify(m) != 0)
		abort();
	f = open_memstream(&text, &n);
	module_print(m, NULL, f);
	fclose(f);
	src.text = text;
	src.len = (uint32_t)n;
	if (!module_read(&mem, &d))
		abort();
	arena_free(&mem);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	char *text = malloc(size + 1);
	const char *set = text;
	struct arena mem = {0};
	struct source src = {.name = "fuzz.lt", .text = text};
	struct diag d = {.src = &src, .json = size % 2};
	struct frontend_options o = {.set = &set};
	const char *end;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	if (!text || !nowhere)
		abort();
	d.out = nowhere;
	memcpy(text, data, size);
	text[size] = '\0';
	end = memchr(text, '\0', size);
	src.len = (uint32_t)(end ? end - text : (ptrdiff_t)size);
	if (end) {
		set = end + 1;
		o.nset = 1;
	}
	check(frontend_compile(&mem, &d, &o), nowhere);
	arena_free(&mem);
	free(text);
	return 0;
}
