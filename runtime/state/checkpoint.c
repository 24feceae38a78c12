/* Hashing and reading the files of a checkpoint. */
#include "config.h"

#include "runtime/state/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/state/io.h"

bool
lt_checkpoint_manifest(int dir, int64_t step, struct lt_manifest *m,
    struct lt_error *e)
{
	size_t n;
	char *text = lt_file_read(dir, LT_MANIFEST, LT_MANIFEST_MAX, &n, e);
	bool ok;

	if (text == NULL)
		return false;
	ok = lt_manifest_parse(text, n, m, e);
	free(text);
	if (!ok || m->point.step == step)
		return ok;
	lt_manifest_free(m);
	return lt_error_set(e, LT_EXIT_DATA,
	    "%s is of another step than the directory", LT_MANIFEST);
}

/* One file being read. */
struct reading {
	const char *name;
	int fd;
	uint64_t size;
	const struct lt_manifest *m;
	struct lt_st st;
	struct lt_hasher *hasher;
	struct lt_carry *carry;
	bool load;
	uint64_t at; /* what is read next */
};

static bool
bad(const struct reading *r, struct lt_error *e, const char *what)
{
	return lt_error_set(e, LT_EXIT_DATA, "%s: %s", r->name, what);
}

static bool
bad_read(const struct reading *r, struct lt_error *e)
{
	return bad(r, e, errno ? strerror(errno) : "ends early");
}

static bool
check_header(struct reading *r, const struct lt_manifest_file *f,
    char *head, uint64_t n, struct lt_error *e)
{
	struct lt_error why;

	if (!lt_read_all(r->fd, head, 8 + n, 0))
		return bad_read(r, e);
	if (strcmp(lt_hash(head, 8 + n).hex, f->header.hex) != 0)
		return bad(r, e, "damaged: the hash of its header differs");
	return lt_st_parse(head + 8, n, r->size - 8 - n, &r->st, &why) ||
	    bad(r, e, why.text);
}

static bool
read_header(struct reading *r, const struct lt_manifest_file *f,
    struct lt_error *e)
{
	unsigned char prefix[8];
	struct lt_error why;
	uint64_t n;
	char *head;
	bool ok;

	if (r->size != f->bytes)
		return bad(r, e, r->size < f->bytes ? "shorter than written" :
		    "longer than written");
	if (r->size < 8 || !lt_read_all(r->fd, prefix, 8, 0))
		return bad(r, e, "ends early");
	if (!lt_st_length(prefix, r->size, &n, &why))
		return bad(r, e, why.text);
	head = malloc(8 + n);
	if (head == NULL)
		return bad(r, e, "out of memory");
	ok = check_header(r, f, head, n, e);
	free(head);
	return ok;
}

static bool
get(void *arg, void *bytes, size_t n)
{
	struct reading *r = arg;

	if (!lt_read_all(r->fd, bytes, n, r->at))
		return false;
	lt_hasher_add(r->hasher, bytes, n);
	r->at += n;
	return true;
}

/* Nowhere: what is verified only. */
static bool
skim(struct reading *r, uint64_t bytes)
{
	bool ok = true;

	while (ok && bytes > 0) {
		size_t n = bytes < LT_CARRY_MAX ? (size_t)bytes : LT_CARRY_MAX;

		ok = get(r, r->carry->buffer, n);
		bytes -= n;
		lt_carry_alive(r->carry);
	}
	return ok;
}

static bool
read_tensor(struct reading *r, const struct lt_st_tensor *t,
    const struct lt_manifest_tensor *x, struct lt_error *e)
{
	const struct lt_part *p = lt_parts_find(r->carry->parts, x->file,
	    x->name);

	if (strcmp(t->name, x->name) != 0 || t->rank != x->rank ||
	    memcmp(t->shape, x->shape, sizeof t->shape) != 0 ||
	    strcmp(t->dtype, "F32") != 0)
		return bad(r, e, "its tensors are not those of the manifest");
	if (r->load && (p == NULL || p->item.bytes != t->end - t->begin))
		return bad(r, e, "a tensor that this model lacks");
	lt_hasher_reset(r->hasher);
	r->at = r->st.data + t->begin;
	if (!(r->load ? lt_carry_spread(r->carry, p, get, r) :
	    skim(r, t->end - t->begin)))
		return bad_read(r, e);
	return strcmp(lt_hasher_end(r->hasher).hex, x->hash.hex) == 0 ||
	    lt_error_set(e, LT_EXIT_DATA,
	    "%s: damaged: the hash of tensor %.200s differs", r->name,
	    t->name);
}

/* The manifest lists the tensors of a file in the order of its data. */
static bool
read_tensors(struct reading *r, int file, struct lt_error *e)
{
	size_t k = 0;

	for (size_t i = 0; i < r->m->ntensor; i++) {
		const struct lt_manifest_tensor *x = &r->m->tensor[i];

		if (x->file != file)
			continue;
		if (k == r->st.ntensor)
			return bad(r, e, "a tensor of the manifest is missing");
		if (!read_tensor(r, &r->st.tensor[k++], x, e))
			return false;
	}
	return k == r->st.ntensor ||
	    bad(r, e, "a tensor that the manifest does not name");
}

static bool
read_file(struct reading *r, int dir, int file, struct lt_error *e)
{
	bool ok;

	r->name = lt_ckpt_file[file];
	r->fd = lt_file_open(dir, r->name, &r->size, e);
	if (r->fd < 0)
		return false;
	ok = read_header(r, &r->m->file[file], e) &&
	    read_tensors(r, file, e);
	close(r->fd);
	lt_st_free(&r->st);
	return ok;
}

bool
lt_checkpoint_read(int dir, const struct lt_manifest *m,
    struct lt_carry *carry, bool load, struct lt_error *e)
{
	struct reading r = {.m = m, .hasher = lt_hasher_new(),
	    .carry = carry, .load = load};
	bool ok = r.hasher || lt_error_set(e, LT_EXIT_FAIL, "out of memory");

	for (int i = 0; ok && i < LT_CKPT_FILES; i++)
		ok = read_file(&r, dir, i, e);
	lt_hasher_free(r.hasher);
	return ok;
}
