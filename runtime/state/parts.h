/*
 * The tensors of a checkpoint and where they live: for each parameter its
 * master in model.safetensors under the parameter's own name, and its moments
 * in optimizer.safetensors as moment1.NAME and moment2.NAME.
 */
#ifndef LT_RUNTIME_STATE_PARTS_H
#define LT_RUNTIME_STATE_PARTS_H

#include "runtime/state/box.h"
#include "runtime/state/hash.h"
#include "runtime/state/safetensors.h"

enum { LT_CKPT_FILES = 2 };
extern const char *const lt_ckpt_file[LT_CKPT_FILES];

struct lt_part {
	int file; /* index of lt_ckpt_file */
	struct lt_st_item item;
	const struct lt_tensor *tensor;
	char *data; /* in the state arena: where the rank's part begins */
	struct lt_digest hash; /* set by saving */
};

struct lt_parts {
	struct lt_part *part; /* by file, then by name */
	size_t n;
};

/* False if the program's tables are no tensors, or without memory. */
bool lt_parts_of(const struct lt *rt, struct lt_parts *p,
    struct lt_error *error);
void lt_parts_free(struct lt_parts *p);
struct lt_part *lt_parts_find(const struct lt_parts *p, int file,
    const char *name);

/* "[2, 3]" */
struct lt_shape_text {
	char s[200];
};
struct lt_shape_text lt_shape_text(int rank, const uint64_t *shape);

#endif
