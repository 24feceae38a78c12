/*
 * manifest.json: what a checkpoint is, and the hashes that make it believed.
 * The last line of the file is the hash of everything before it.
 */
#ifndef LT_RUNTIME_STATE_MANIFEST_H
#define LT_RUNTIME_STATE_MANIFEST_H

#include <jansson.h>

#include "runtime/state/parts.h"
#include "runtime/state/state.h"

#define LT_MANIFEST "manifest.json"
#define LT_MANIFEST_MAX LT_ST_HEADER_MAX
enum { LT_MANIFEST_VERSION = 1 };

struct lt_manifest_file {
	uint64_t bytes;
	struct lt_digest header; /* of the first 8 + N bytes */
};

struct lt_manifest_tensor {
	const char *name;
	int file; /* index of lt_ckpt_file */
	int rank;
	uint64_t shape[LT_ST_RANK_MAX];
	struct lt_digest hash;
};

/* Strings live in root. */
struct lt_manifest {
	json_t *root;
	const char *model, *compiler, *data, *data_path;
	const json_t *recipe;
	uint64_t program, seed;
	struct lt_point point;
	struct lt_manifest_file file[LT_CKPT_FILES];
	struct lt_manifest_tensor *tensor; /* by file, then by offset */
	size_t ntensor;
};

/* The text, to be freed; NULL: no memory. */
char *lt_manifest_text(const struct lt_program *, const struct lt_run_id *,
    const struct lt_point *, const struct lt_parts *,
    const struct lt_manifest_file file[LT_CKPT_FILES]);

/* n bytes of text, followed by a 0. */
bool lt_manifest_parse(const char *text, size_t n, struct lt_manifest *m,
    struct lt_error *error);
void lt_manifest_free(struct lt_manifest *m);

#endif
