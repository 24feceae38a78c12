/*
 * libFuzzer target: any bytes through the front end, as a file and, after a
 * NUL, as --set options.  A program that compiles must verify, and print as
 * text that reads back.
 */
#define _POSIX_C_SOURCE 200809L
#include "config.h"

#include "frontend/frontend.h"
#include "tests/fuzz/text.h"

static void
check(struct module *m)
{
	struct arena mem = {0};
	struct source src = {.name = "dump"};
	struct diag d = {.src = &src, .out = fuzz_nowhere()};
	char *text;
	size_t n = 0;

	if (!m)
		return;
	m->diag = &d;
	if (module_verify(m) != 0)
		abort();
	text = fuzz_print(m, &n);
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
	char *text = fuzz_text(data, size);
	const char *set = text;
	struct arena mem = {0};
	struct source src = {.name = "fuzz.lt", .text = text};
	struct diag d = {.src = &src, .out = fuzz_nowhere(),
	    .json = size % 2};
	struct frontend_options o = {.set = &set};
	const char *end;

	end = memchr(text, '\0', size);
	src.len = (uint32_t)(end ? end - text : (ptrdiff_t)size);
	if (end) {
		set = end + 1;
		o.nset = 1;
	}
	check(frontend_compile(&mem, &d, &o));
	arena_free(&mem);
	free(text);
	return 0;
}
