/* The reader and the header writer; the order of checks is the format's. */
#include "config.h"

#include "runtime/state/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/state/json.h"
#include "support/size.h"

#define DIM_MAX (UINT64_C(1) << 40)

static const struct dtype_row {
	const char *name;
	unsigned bits;
} dtypes[] = {
#define ST_DTYPE(name, bits) {name, bits},
#include "runtime/state/dtypes.def"
#undef ST_DTYPE
};

static bool
bad(struct lt_error *e, const char *what)
{
	return lt_error_set(e, LT_EXIT_DATA, "safetensors header: %s", what);
}

static bool
bad_tensor(struct lt_error *e, const char *name, const char *what)
{
	return lt_error_set(e, LT_EXIT_DATA, "tensor %.80s: %s", name, what);
}

bool
lt_st_length(const unsigned char prefix[8], uint64_t size, uint64_t *n,
    struct lt_error *e)
{
	uint64_t length = 0, end;

	if (size < 8)
		return bad(e, "the file is shorter than 8 bytes");
	for (int i = 7; i >= 0; i--)
		length = length << 8 | prefix[i];
	if (length > LT_ST_HEADER_MAX)
		return bad(e, "longer than 25 MB");
	if (!size_add(length, 8, &end) || end > size)
		return bad(e, "longer than the file");
	*n = length;
	return true;
}

static const struct dtype_row *
dtype_of(const json_t *j)
{
	const char *s = json_string_value(j);

	for (size_t i = 0; s && i < sizeof dtypes / sizeof dtypes[0]; i++)
		if (strcmp(s, dtypes[i].name) == 0)
			return &dtypes[i];
	return NULL;
}

/* Shape and dtype give the bytes; false if they do not fit. */
static bool
read_shape(const json_t *j, struct lt_st_tensor *t, unsigned bits,
    uint64_t *bytes)
{
	uint64_t count = 1;

	if (!json_is_array(j) || json_array_size(j) > LT_ST_RANK_MAX)
		return false;
	t->rank = (int)json_array_size(j);
	for (int i = 0; i < t->rank; i++)
		if (!lt_json_whole(json_array_get(j, (size_t)i), &t->shape[i]) ||
		    t->shape[i] > DIM_MAX ||
		    !size_mul(count, t->shape[i], &count))
			return false;
	if (!size_mul(count, bits, &count) || count % 8 != 0)
		return false;
	*bytes = count / 8;
	return true;
}

static bool
read_tensor(const char *name, const json_t *j, struct lt_st_tensor *t,
    struct lt_error *e)
{
	const json_t *at = json_object_get(j, "data_offsets");
	const struct dtype_row *type = dtype_of(json_object_get(j, "dtype"));
	uint64_t bytes;

	if (!json_is_object(j) || json_object_size(j) != 3)
		return bad_tensor(e, name,
		    "not exactly dtype, shape and data_offsets");
	if (type == NULL)
		return bad_tensor(e, name, "unknown dtype");
	t->dtype = type->name;
	if (!read_shape(json_object_get(j, "shape"), t, type->bits, &bytes))
		return bad_tensor(e, name, "impossible shape");
	if (!json_is_array(at) || json_array_size(at) != 2 ||
	    !lt_json_whole(json_array_get(at, 0), &t->begin) ||
	    !lt_json_whole(json_array_get(at, 1), &t->end) || t->end < t->begin)
		return bad_tensor(e, name, "impossible data_offsets");
	if (t->end - t->begin != bytes)
		return bad_tensor(e, name, "shape and data_offsets disagree");
	if (strlen(name) >= LT_ST_NAME_MAX)
		return bad_tensor(e, name, "name too long");
	t->name = strdup(name);
	return t->name != NULL || bad(e, "out of memory");
}

static bool
metadata_ok(json_t *j)
{
	const char *key;
	json_t *v;

	if (!json_is_object(j))
		return false;
	json_object_foreach(j, key, v)
		if (!json_is_string(v))
			return false;
	return true;
}

static int
by_offset(const void *p, const void *q)
{
	const struct lt_st_tensor *a = p, *b = q;

	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	return a->end < b->end ? -1 : a->end > b->end;
}

static bool
tiles(const struct lt_st *st, uint64_t data, struct lt_error *e)
{
	uint64_t end = 0;

	for (size_t i = 0; i < st->ntensor; end = st->tensor[i++].end)
		if (st->tensor[i].begin != end)
			return bad_tensor(e, st->tensor[i].name,
			    "overlaps another, or leaves a hole");
	return end == data ||
	    bad(e, "the tensors do not end where the file does");
}

static bool
read_all(json_t *root, uint64_t data, struct lt_st *st, struct lt_error *e)
{
	const char *name;
	json_t *j;

	if (json_object_size(root) > LT_ST_TENSORS_MAX)
		return bad(e, "too many tensors");
	st->tensor = calloc(json_object_size(root) + 1, sizeof *st->tensor);
	if (st->tensor == NULL)
		return bad(e, "out of memory");
	json_object_foreach(root, name, j) {
		if (strcmp(name, "__metadata__") == 0) {
			if (!metadata_ok(j))
				return bad(e, "__metadata__ is not strings");
		} else if (!read_tensor(name, j, &st->tensor[st->ntensor], e)) {
			return false;
		} else {
			st->ntensor++;
		}
	}
	qsort(st->tensor, st->ntensor, sizeof *st->tensor, by_offset);
	return tiles(st, data, e);
}

bool
lt_st_parse(const char *json, uint64_t n, uint64_t data, struct lt_st *st,
    struct lt_error *e)
{
	json_error_t error;
	const char *why;
	json_t *root;
	bool ok;

	*st = (struct lt_st){.data = 8 + n};
	if (n < 1 || json[0] != '{')
		return bad(e, "does not start with {");
	root = lt_json_load(json, n, &error, &why);
	if (root == NULL)
		return bad(e, why);
	ok = read_all(root, data, st, e);
	json_decref(root);
	if (!ok)
		lt_st_free(st);
	return ok;
}

void
lt_st_free(struct lt_st *st)
{
	for (size_t i = 0; i < st->ntensor; i++)
		free(st->tensor[i].name);
	free(st->tensor);
	*st = (struct lt_st){0};
}

const struct lt_st_tensor *
lt_st_find(const struct lt_st *st, const char *name)
{
	for (size_t i = 0; i < st->ntensor; i++)
		if (strcmp(st->tensor[i].name, name) == 0)
			return &st->tensor[i];
	return NULL;
}

/* ---- writing ---- */

static bool
add_item(json_t *root, const struct lt_st_item *t, uint64_t *at)
{
	json_t *shape = json_array();

	for (int i = 0; i < t->rank; i++)
		json_array_append_new(shape,
		    json_integer((json_int_t)t->shape[i]));
	*at += t->bytes;
	return json_object_set_new(root, t->name,
	    json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
	    "data_offsets", (json_int_t)(*at - t->bytes),
	    (json_int_t)*at)) == 0;
}

/* Readers of PyTorch models insist on the metadata. */
static char *
header_text(const struct lt_st_item *item, size_t n)
{
	json_t *root = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
	uint64_t at = 0;
	char *text = NULL;
	bool ok = root != NULL;

	for (size_t i = 0; ok && i < n; i++)
		ok = add_item(root, &item[i], &at);
	if (ok)
		text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

char *
lt_st_header(const struct lt_st_item *item, size_t n, size_t *length)
{
	char *text = header_text(item, n), *file;
	size_t size = text ? strlen(text) : 0, all = (size + 8 + 63) / 64 * 64;
	uint64_t json = all - 8;

	file = text ? malloc(all) : NULL;
	if (file != NULL) {
		for (int i = 0; i < 8; i++)
			file[i] = (char)(json >> 8 * i);
		memcpy(file + 8, text, size);
		memset(file + 8 + size, ' ', all - 8 - size);
		*length = all;
	}
	free(text);
	return file;
}
