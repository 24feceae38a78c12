/*
 * Reads the header of a safetensors file that anybody may have written.
 *
 *	bytes 0..7     N, u64 little-endian
 *	bytes 8..8+N   JSON: {"name": {"dtype": "F32", "shape": [2, 3],
 *	               "data_offsets": [begin, end]}, ...}
 *	then           the data; offsets count from here, no hole, no overlap
 *
 * What is accepted has only known dtypes, sizes that agree with shapes, and
 * offsets that tile the file to its last byte.  Memory stays within a small
 * multiple of the header, which is capped; nothing is allocated for what the
 * header merely claims.
 */
#ifndef LT_RUNTIME_STATE_SAFETENSORS_H
#define LT_RUNTIME_STATE_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/state/error.h"

#define LT_ST_HEADER_MAX UINT64_C(25000000)
enum { LT_ST_TENSORS_MAX = 1000000, LT_ST_NAME_MAX = 1024, LT_ST_RANK_MAX = 8 };

struct lt_st_tensor {
	char *name;
	const char *dtype; /* "F32" */
	int rank;
	uint64_t shape[LT_ST_RANK_MAX];
	uint64_t begin, end; /* bytes from the start of the data */
};

struct lt_st {
	uint64_t data; /* where the data starts in the file */
	struct lt_st_tensor *tensor; /* by offset */
	size_t ntensor;
};

/* Length N of the JSON from the first 8 bytes of a file of `size` bytes. */
bool lt_st_length(const unsigned char prefix[8], uint64_t size, uint64_t *n,
    struct lt_error *error);

/* The JSON of n bytes of a file whose data is `data` bytes long. */
bool lt_st_parse(const char *json, uint64_t n, uint64_t data, struct lt_st *st,
    struct lt_error *error);
void lt_st_free(struct lt_st *st);

const struct lt_st_tensor *lt_st_find(const struct lt_st *st,
    const char *name);

/* One tensor to write: `bytes` of f32 in C order. */
struct lt_st_item {
	char name[LT_ST_NAME_MAX];
	int rank;
	const uint64_t *shape;
	uint64_t bytes;
};

/*
 * The first 8 + N bytes of a file of these tensors, packed in this order;
 * padded so that the data is 64-byte aligned.  NULL: no memory, or a name
 * that is not UTF-8.  The caller frees it.
 */
char *lt_st_header(const struct lt_st_item *item, size_t n, size_t *length);

#endif
