/*
 * Saving: written aside, made durable, read back, then renamed.
 *
 *	step-N.tmp.HEX/            mkdir
 *	  model.safetensors        write, fdatasync
 *	  optimizer.safetensors    write, fdatasync
 *	  manifest.json            write, fsync
 *	fsync(step-N.tmp.HEX)      the names are durable
 *	read everything back       what is published has been verified
 *	rename to step-N           appears whole
 *	fsync(DIR)                 the rename is durable
 *	remove all but the newest keep_last
 *
 * An error before the rename removes the directory; a failed fsync is not
 * tried again, since its dirty pages may be gone.
 *
 * Rank 0 does all this; the others hand it their parts of each tensor and
 * learn how it ended.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/state/agree.h"
#include "runtime/state/checkpoint.h"
#include "runtime/state/io.h"
#include "runtime/state/out.h"
#include "runtime/state/replicas.h"

/* Bytes written before the disk has to have them: the other ranks wait, and
 * must not wait for all of a large file at its end. */
static const uint64_t unsynced_max = UINT64_C(256) << 20;

struct saving {
	struct lt *rt;
	struct lt_out *out;
	const struct lt_run_id *id;
	const struct lt_point *at;
	struct lt_parts parts;
	struct lt_carry carry;
	struct lt_hasher *hasher;
	struct lt_manifest_file file[LT_CKPT_FILES];
	struct lt_step_name temp, name;
	int dir; /* temp, open */
	int fd;  /* the file being written */
	uint64_t unsynced;
};

static bool
failed(const struct saving *s, struct lt_error *e, const char *file)
{
	return lt_error_errno(e, "%s/%s: cannot write %s", s->out->path,
	    s->name.s, file);
}

/* The parts of one file are neighbours in the list. */
static struct lt_part *
parts_of(const struct saving *s, int file, size_t *n)
{
	size_t i = 0;

	while (i < s->parts.n && s->parts.part[i].file != file)
		i++;
	for (*n = 0; i + *n < s->parts.n &&
	    s->parts.part[i + *n].file == file; ++*n)
		;
	return s->parts.part + i;
}

static char *
header_of(const struct lt_part *p, size_t n, size_t *length)
{
	struct lt_st_item *item = calloc(n + 1, sizeof *item);
	char *head = NULL;

	for (size_t i = 0; item && i < n; i++)
		item[i] = p[i].item;
	if (item)
		head = lt_st_header(item, n, length);
	free(item);
	if (head == NULL)
		errno = ENOMEM;
	return head;
}

static bool
put(void *arg, const void *bytes, size_t n)
{
	struct saving *s = arg;

	lt_hasher_add(s->hasher, bytes, n);
	s->unsynced += n;
	if (!lt_write_all(s->fd, bytes, n))
		return false;
	if (s->unsynced < unsynced_max)
		return true;
	s->unsynced = 0;
	return fdatasync(s->fd) == 0;
}

static bool
write_tensors(struct saving *s, struct lt_part *p, size_t n, int file)
{
	for (size_t i = 0; i < n; i++) {
		lt_hasher_reset(s->hasher);
		if (!lt_carry_collect(&s->carry, &p[i], put, s))
			return false;
		p[i].hash = lt_hasher_end(s->hasher);
		s->file[file].bytes += p[i].item.bytes;
	}
	return true;
}

static bool
write_file(struct saving *s, int file, struct lt_error *e)
{
	size_t n, length = 0;
	struct lt_part *p = parts_of(s, file, &n);
	char *head = header_of(p, n, &length);
	bool ok;

	s->fd = head ? lt_file_create(s->dir, lt_ckpt_file[file]) : -1;
	ok = s->fd >= 0 && lt_write_all(s->fd, head, length);
	if (ok) {
		s->file[file].bytes = length;
		s->file[file].header = lt_hash(head, length);
		ok = write_tensors(s, p, n, file) && fdatasync(s->fd) == 0;
	}
	if (!ok)
		failed(s, e, lt_ckpt_file[file]);
	if (s->fd >= 0 && close(s->fd) != 0 && ok)
		ok = failed(s, e, lt_ckpt_file[file]);
	free(head);
	return ok;
}

static bool
write_manifest(struct saving *s, struct lt_error *e)
{
	char *text = lt_manifest_text(s->rt->prog, s->id, s->at, &s->parts,
	    s->file);
	int fd;
	bool ok;

	if (text == NULL)
		return lt_error_set(e, LT_EXIT_FAIL, "out of memory");
	fd = lt_file_create(s->dir, LT_MANIFEST);
	ok = fd >= 0 && lt_write_all(fd, text, strlen(text)) &&
	    fsync(fd) == 0;
	if (!ok)
		failed(s, e, LT_MANIFEST);
	if (fd >= 0 && close(fd) != 0 && ok)
		ok = failed(s, e, LT_MANIFEST);
	free(text);
	return ok && (fsync(s->dir) == 0 || failed(s, e, "the directory"));
}

/* From the disk, where the kernel lets go of its copy. */
static bool
read_back(struct saving *s, struct lt_error *e)
{
	struct lt_manifest m;
	struct lt_error why;
	bool ok;

	for (int i = 0; i < LT_CKPT_FILES; i++) {
		int fd = openat(s->dir, lt_ckpt_file[i],
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0) {
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
			close(fd);
		}
	}
	ok = lt_checkpoint_manifest(s->dir, s->at->step, &m, &why);
	if (ok) {
		ok = lt_checkpoint_read(s->dir, &m, &s->carry, false, &why);
		lt_manifest_free(&m);
	}
	return ok || lt_error_set(e, LT_EXIT_IO,
	    "%s/%s: reads back differently: %.500s", s->out->path, s->name.s,
	    why.text);
}

/* A checkpoint of the same step gives way in the same instant. */
static bool
publish(struct saving *s, struct lt_error *e)
{
	int fd = s->out->fd;

	if (renameat2(fd, s->temp.s, fd, s->name.s, RENAME_NOREPLACE) == 0)
		return true;
	if (errno == EEXIST &&
	    renameat2(fd, s->temp.s, fd, s->name.s, RENAME_EXCHANGE) == 0) {
		lt_dir_remove(fd, s->temp.s);
		return true;
	}
	/* file systems without these flags: a moment with neither */
	if (errno == EINVAL || errno == ENOSYS || errno == EEXIST) {
		lt_out_remove(s->out, s->at->step);
		if (renameat(fd, s->temp.s, fd, s->name.s) == 0)
			return true;
	}
	return failed(s, e, "the directory");
}

static bool
write_all(struct saving *s, struct lt_error *e)
{
	for (int i = 0; i < LT_CKPT_FILES; i++)
		if (!write_file(s, i, e))
			return false;
	return write_manifest(s, e) && read_back(s, e);
}

static bool
save_in_temp(struct saving *s, struct lt_error *e)
{
	bool ok;

	if (mkdirat(s->out->fd, s->temp.s, 0700) != 0)
		return failed(s, e, "the directory");
	s->dir = lt_dir_open(s->out->fd, s->temp.s);
	ok = s->dir >= 0 ? write_all(s, e) : failed(s, e, "the directory");
	if (s->dir >= 0)
		close(s->dir);
	ok = ok && publish(s, e);
	if (!ok)
		lt_dir_remove(s->out->fd, s->temp.s);
	return ok && (fsync(s->out->fd) == 0 || failed(s, e, "the directory"));
}

/* Never the one just saved, whatever its number. */
static void
prune(struct lt_out *o, int64_t saved, int64_t keep)
{
	size_t n;
	int64_t *step = lt_out_steps(o, &n), others = 0;

	for (size_t i = 0; keep > 0 && i < n; i++)
		if (step[i] != saved && ++others >= keep)
			lt_out_remove(o, step[i]);
	free(step);
}

static bool
lead(struct saving *s, int64_t keep_last, struct lt_error *e)
{
	bool ok;

	s->hasher = lt_hasher_new();
	ok = s->hasher ? save_in_temp(s, e) :
	    lt_error_set(e, LT_EXIT_FAIL, "out of memory");
	lt_hasher_free(s->hasher);
	lt_carry_end(&s->carry);
	if (ok)
		prune(s->out, s->at->step, keep_last);
	return ok;
}

static bool
save(struct saving *s, int64_t keep_last, struct lt_error *e)
{
	bool ok = lt_replicas_agree(s->rt, &s->parts, e);

	if (!ok)
		return false;
	if (!lt_carry_open(&s->carry, s->rt, &s->parts))
		return lt_error_set(e, LT_EXIT_FAIL, "out of memory");
	if (s->rt->rank == 0)
		ok = lead(s, keep_last, e);
	else
		lt_carry_follow(&s->carry);
	lt_carry_close(&s->carry);
	return lt_error_share(s->rt, ok, e);
}

bool
lt_save(struct lt *rt, struct lt_out *o, const struct lt_run_id *id,
    const struct lt_point *point, int64_t keep_last, struct lt_error *e)
{
	struct saving s = {.rt = rt, .out = o, .id = id, .at = point,
	    .temp = lt_step_temp(point->step),
	    .name = lt_step_name(point->step)};
	bool ok = lt_error_agree(rt, lt_parts_of(rt, &s.parts, e), e) &&
	    save(&s, keep_last, e);

	lt_parts_free(&s.parts);
	return ok;
}
