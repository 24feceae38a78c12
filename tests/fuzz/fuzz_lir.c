/*
 * libFuzzer target: any bytes through the reader of IR text and the verifier.
 * What verifies prints as text that reads back and prints the same.
 */
#define _POSIX_C_SOURCE 200809L
#include "config.h"

#include "ir/ir.h"
#include "tests/fuzz/text.h"

static void
check(const struct module *m)
{
	struct arena mem = {0};
	size_t n = 0, again = 0;
	char *text = fuzz_print(m, &n), *twice;
	struct source src = {"dump", text, (uint32_t)n};
	struct diag d = {.src = &src, .out = fuzz_nowhere()};
	struct module *back = module_read(&mem, &d);

	if (!back)
		abort();
	twice = fuzz_print(back, &again);
	if (n != again || memcmp(text, twice, n) != 0)
		abort();
	arena_free(&mem);
	free(text);
	free(twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct arena mem = {0};
	struct source src = {"fuzz.lir", text, (uint32_t)size};
	struct diag d = {.src = &src, .out = fuzz_nowhere()};
	struct module *m;

	m = module_read(&mem, &d);
	if (m && module_verify(m) == 0)
		check(m);
	arena_free(&mem);
	free(text);
	return 0;
}
