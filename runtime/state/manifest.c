/* Writing and reading manifest.json. */
#include "config.h"

#include "runtime/state/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/state/json.h"
#include "runtime/state/settings.h"

#define FORMAT "loong checkpoint"

/* The end of the file; its hash covers every byte before SEAL. */
#define SEAL ",\n  \"xxh3_128\": \""
#define END "\"\n}\n"
enum { SEAL_LENGTH = sizeof SEAL - 1 + 32 + sizeof END - 1 };

/* ---- writing ---- */

static json_t *
hexadecimal(uint64_t x)
{
	return json_sprintf("0x%016" PRIx64, x);
}

/* Paths need not be UTF-8; a manifest is. */
static json_t *
string(const char *s)
{
	json_t *j = json_string(s ? s : "");

	return j ? j : json_string("(not UTF-8)");
}

static json_t *
files(const struct lt_manifest_file file[LT_CKPT_FILES])
{
	json_t *all = json_array();

	for (int i = 0; i < LT_CKPT_FILES; i++)
		json_array_append_new(all, json_pack("{s:s, s:I, s:s}",
		    "name", lt_ckpt_file[i],
		    "bytes", (json_int_t)file[i].bytes,
		    "header", file[i].header.hex));
	return all;
}

static json_t *
tensors(const struct lt_parts *p)
{
	json_t *all = json_array();

	for (size_t i = 0; i < p->n; i++) {
		const struct lt_part *x = &p->part[i];
		json_t *shape = json_array();

		for (int k = 0; k < x->item.rank; k++)
			json_array_append_new(shape,
			    json_integer((json_int_t)x->item.shape[k]));
		json_array_append_new(all, json_pack("{s:s, s:s, s:o, s:s}",
		    "name", x->item.name, "file", lt_ckpt_file[x->file],
		    "shape", shape, "hash", x->hash.hex));
	}
	return all;
}

static char *
seal(char *body)
{
	size_t n = strlen(body) - 2; /* without "\n}" */
	char *text = NULL;

	if (asprintf(&text, "%.*s" SEAL "%s" END, (int)n, body,
	    lt_hash(body, n).hex) < 0)
		text = NULL;
	free(body);
	return text;
}

char *
lt_manifest_text(const struct lt_program *p, const struct lt_run_id *id,
    const struct lt_point *at, const struct lt_parts *parts,
    const struct lt_manifest_file file[LT_CKPT_FILES])
{
	json_t *root = json_pack("{s:s, s:i,"
	    " s:{s:o, s:o, s:o, s:I}, s:I, s:I, s:I, s:o, s:o,"
	    " s:{s:o, s:o}, s:o, s:o}",
	    "format", FORMAT, "version", LT_MANIFEST_VERSION, "program",
	    "model", string(p->name), "hash", hexadecimal(p->hash),
	    "compiler", string(p->version),
	    "parameters", (json_int_t)p->parameters,
	    "step", (json_int_t)at->step, "sample", (json_int_t)at->sample,
	    "skipped", (json_int_t)at->skipped, "seed", hexadecimal(id->seed),
	    "recipe", lt_settings_json(p, id->recipe),
	    "data", "identity", string(id->data),
	    "path", string(id->data_path), "files", files(file),
	    "tensors", tensors(parts));
	char *body = root ? json_dumps(root, JSON_INDENT(2)) : NULL;

	json_decref(root);
	return body ? seal(body) : NULL;
}

/* ---- reading ---- */

static bool
bad(struct lt_error *e, const char *what)
{
	return lt_error_set(e, LT_EXIT_DATA, "%s: %.300s", LT_MANIFEST, what);
}

static bool
sealed(const char *text, size_t n)
{
	size_t body = n - SEAL_LENGTH;
	char want[SEAL_LENGTH + 1];

	if (n < SEAL_LENGTH)
		return false;
	snprintf(want, sizeof want, SEAL "%s" END, lt_hash(text, body).hex);
	return memcmp(text + body, want, SEAL_LENGTH) == 0;
}

static bool
read_hex(const char *s, uint64_t *out)
{
	char again[24];

	errno = 0;
	*out = strtoull(s, NULL, 16);
	snprintf(again, sizeof again, "0x%016" PRIx64, *out);
	return errno == 0 && strcmp(s, again) == 0;
}

static bool
read_digest(const char *s, struct lt_digest *d)
{
	if (s == NULL || strlen(s) != 32 ||
	    strspn(s, "0123456789abcdef") != 32)
		return false;
	memcpy(d->hex, s, sizeof d->hex);
	return true;
}

/* Only the names we write: no text of a file becomes a path. */
static int
file_index(const char *name)
{
	for (int i = 0; i < LT_CKPT_FILES; i++)
		if (name && strcmp(name, lt_ckpt_file[i]) == 0)
			return i;
	return -1;
}

static bool
read_files(const json_t *all, struct lt_manifest *m, struct lt_error *e)
{
	if (json_array_size(all) != LT_CKPT_FILES)
		return bad(e, "not the files of a checkpoint");
	for (int i = 0; i < LT_CKPT_FILES; i++) {
		const json_t *j = json_array_get(all, (size_t)i);

		if (file_index(json_string_value(json_object_get(j, "name")))
		    != i || !lt_json_whole(json_object_get(j, "bytes"),
		    &m->file[i].bytes) || !read_digest(json_string_value(
		    json_object_get(j, "header")), &m->file[i].header))
			return bad(e, "not the files of a checkpoint");
	}
	return true;
}

static bool
read_tensor(const json_t *j, struct lt_manifest_tensor *t)
{
	const json_t *shape = json_object_get(j, "shape");

	t->name = json_string_value(json_object_get(j, "name"));
	t->file = file_index(json_string_value(json_object_get(j, "file")));
	if (!t->name || t->file < 0 || !json_is_array(shape) ||
	    json_array_size(shape) > LT_ST_RANK_MAX)
		return false;
	t->rank = (int)json_array_size(shape);
	for (int i = 0; i < t->rank; i++)
		if (!lt_json_whole(json_array_get(shape, (size_t)i),
		    &t->shape[i]))
			return false;
	return read_digest(json_string_value(json_object_get(j, "hash")),
	    &t->hash);
}

static bool
read_tensors(const json_t *all, struct lt_manifest *m, struct lt_error *e)
{
	size_t n = json_array_size(all);

	if (n > LT_ST_TENSORS_MAX)
		return bad(e, "too many tensors");
	m->tensor = calloc(n + 1, sizeof *m->tensor);
	if (m->tensor == NULL)
		return bad(e, "out of memory");
	for (m->ntensor = 0; m->ntensor < n; m->ntensor++)
		if (!read_tensor(json_array_get(all, m->ntensor),
		    &m->tensor[m->ntensor]))
			return bad(e, "a tensor that is none");
	return true;
}

static bool
read_fields(json_t *root, struct lt_manifest *m, struct lt_error *e)
{
	const char *program, *seed;
	json_int_t step, sample, skipped;
	json_t *recipe, *file, *tensor;
	json_error_t why;

	if (json_unpack_ex(root, &why, 0, "{s:{s:s, s:s, s:s}, s:I, s:I, s:I,"
	    " s:s, s:o, s:{s:s, s:s}, s:o, s:o}",
	    "program", "model", &m->model, "hash", &program, "compiler",
	    &m->compiler, "step", &step, "sample", &sample, "skipped",
	    &skipped, "seed", &seed, "recipe", &recipe, "data", "identity",
	    &m->data, "path", &m->data_path, "files", &file, "tensors",
	    &tensor) != 0)
		return bad(e, why.text);
	m->recipe = recipe;
	m->point = (struct lt_point){step, (uint64_t)sample,
	    (uint64_t)skipped};
	if (step < 0 || sample < 0 || skipped < 0 ||
	    !read_hex(program, &m->program) || !read_hex(seed, &m->seed) ||
	    !json_is_object(recipe))
		return bad(e, "a number that is none");
	return read_files(file, m, e) && read_tensors(tensor, m, e);
}

static bool
known_version(const json_t *root, struct lt_error *e)
{
	const char *format = json_string_value(json_object_get(root, "format"));
	json_int_t version = json_integer_value(json_object_get(root,
	    "version"));

	if (!format || strcmp(format, FORMAT) != 0)
		return bad(e, "not a loong checkpoint");
	return version == LT_MANIFEST_VERSION || lt_error_set(e, LT_EXIT_CONFIG,
	    "%s: version %" JSON_INTEGER_FORMAT "; this trainer reads version "
	    "%d", LT_MANIFEST, version, LT_MANIFEST_VERSION);
}

bool
lt_manifest_parse(const char *text, size_t n, struct lt_manifest *m,
    struct lt_error *e)
{
	json_error_t error;
	const char *why;

	*m = (struct lt_manifest){0};
	if (!sealed(text, n))
		return bad(e, "damaged: its hash does not agree");
	m->root = lt_json_load(text, n, &error, &why);
	if (m->root == NULL)
		return bad(e, why);
	if (known_version(m->root, e) && read_fields(m->root, m, e))
		return true;
	lt_manifest_free(m);
	return false;
}

void
lt_manifest_free(struct lt_manifest *m)
{
	json_decref(m->root);
	free(m->tensor);
	*m = (struct lt_manifest){0};
}
