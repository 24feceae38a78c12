/*
 * libFuzzer target: any bytes as a checkpoint's manifest, as they are and
 * with the hash that makes them believed.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/state/manifest.h"
#include "runtime/state/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The names of files are ours, whatever the manifest says. */
static void
check(const struct lt_manifest *m)
{
	struct lt_error differs = {.text = ""}, note = {.text = ""};
	struct lt_program prog = {.name = "fuzz"};

	for (size_t i = 0; i < m->ntensor; i++)
		if (!m->tensor[i].name || m->tensor[i].file < 0 ||
		    m->tensor[i].file >= LT_CKPT_FILES ||
		    m->tensor[i].rank > LT_ST_RANK_MAX ||
		    strlen(m->tensor[i].hash.hex) != 32)
			abort();
	lt_settings_compare(&prog, &prog.recipe, m->recipe, &differs, &note);
}

static void
parse(const char *text, size_t n)
{
	struct lt_error error;
	struct lt_manifest m;

	if (lt_manifest_parse(text, n, &m, &error)) {
		check(&m);
		lt_manifest_free(&m);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 100);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	parse(text, size);
	snprintf(text + size, 100, ",\n  \"xxh3_128\": \"%s\"\n}\n",
	    lt_hash(text, size).hex);
	parse(text, size + strlen(text + size));
	free(text);
	return 0;
}
