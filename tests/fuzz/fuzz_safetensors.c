/*
 * libFuzzer target: any bytes as a safetensors file.  What is accepted has
 * tensors that tile its data, so that reading them cannot leave the file.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/state/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct lt_st *st, uint64_t size)
{
	uint64_t at = st->data;

	for (size_t i = 0; i < st->ntensor; i++) {
		const struct lt_st_tensor *t = &st->tensor[i];

		if (t->end < t->begin || st->data + t->begin != at ||
		    t->rank > LT_ST_RANK_MAX || !lt_st_find(st, t->name))
			abort();
		at = st->data + t->end;
	}
	if (at != size)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lt_error error;
	struct lt_st st;
	uint64_t n;
	char *json;

	if (size < 8 || !lt_st_length(data, size, &n, &error))
		return 0;
	json = malloc(n ? n : 1); /* no byte more */
	if (!json)
		abort();
	memcpy(json, data + 8, n);
	if (lt_st_parse(json, n, size - 8 - n, &st, &error)) {
		check(&st, size);
		lt_st_free(&st);
	}
	free(json);
	return 0;
}
