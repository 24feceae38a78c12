/* A tiny program and a folder, for tests of checkpoints. */
#ifndef TESTS_STATE_FIXTURE_H
#define TESTS_STATE_FIXTURE_H

#include <check.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/state/io.h"
#include "runtime/state/out.h"
#include "runtime/state/state.h"

enum { ARENA = 2048 };

/* Masters at 0.., gradients nowhere, moments behind; "b" has one moment. */
static const struct lt_tensor tiny_tensors[] = {
	{.name = "layer.a", .rank = 3, .shape = {2, 3, 2}, .count = 12,
	 .master = 0, .moment1 = 512, .moment2 = 1024, .flat = -1},
	{.name = "b", .rank = 1, .shape = {5}, .count = 5, .master = 64,
	 .moment1 = 576, .moment2 = UINT64_MAX, .flat = -1},
	{.name = "none", .rank = 2, .shape = {0, 4}, .count = 0, .master = 128,
	 .moment1 = 640, .moment2 = 1152, .flat = -1},
};

struct tiny {
	struct lt_tensor tensor[3];
	struct lt_program prog;
	struct lt_run_id id;
	struct lt rt;
	char dir[64], path[80];
	struct lt_out *out;
	struct lt_error error;
};

static inline void
tiny_open(struct tiny *t)
{
	t->out = lt_out_open(t->path, &t->error);
	ck_assert_msg(t->out != NULL, "%s", t->error.text);
}

static inline void
tiny_setup(struct tiny *t)
{
	*t = (struct tiny){.error = {.code = LT_OK}};
	memcpy(t->tensor, tiny_tensors, sizeof t->tensor);
	t->prog = (struct lt_program){.name = "tiny", .version = "test",
	    .hash = 0xabc, .micro = 1, .batch = 2, .seq = 8,
	    .tensor = t->tensor, .ntensor = 3, .recipe = {.steps = 100,
	    .lr = 3e-4, .beta1 = 0.9, .beta2 = 0.95, .schedule = LT_COSINE}};
	t->id = (struct lt_run_id){7, &t->prog.recipe, "12 tokens, hash 5",
	    "some/path"};
	t->rt.prog = &t->prog;
	t->rt.ranks = 1;
	t->rt.arena[LT_STATE] = aligned_alloc(64, ARENA);
	snprintf(t->dir, sizeof t->dir, "check_ckpt.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(t->dir));
	snprintf(t->path, sizeof t->path, "%s/out", t->dir);
	tiny_open(t);
}

/* check runs each test in a process of its own: files are what is left. */
static inline void
tiny_teardown(struct tiny *t)
{
	char command[128];

	if (t->out)
		lt_out_close(t->out);
	free(t->rt.arena[LT_STATE]);
	snprintf(command, sizeof command, "rm -rf %s", t->dir);
	ck_assert_int_eq(system(command), 0);
}

/* Numbers that tell steps and places apart. */
static inline void
tiny_fill(struct tiny *t, int64_t step)
{
	float *x = (float *)(void *)t->rt.arena[LT_STATE];

	for (int i = 0; i < ARENA / 4; i++)
		x[i] = (float)(step * 10000 + i) + 0.5f;
}

static inline bool
tiny_save(struct tiny *t, int64_t step, int64_t keep)
{
	tiny_fill(t, step);
	return lt_save(&t->rt, t->out, &t->id, &(struct lt_point){step,
	    (uint64_t)step * 2, 3}, keep, &t->error);
}

/* Every tensor holds what tiny_fill(step) put there. */
static inline bool
tiny_holds(const struct tiny *t, int64_t step)
{
	const float *x = (const float *)(const void *)t->rt.arena[LT_STATE];

	for (int i = 0; i < 3; i++) {
		const struct lt_tensor *p = &tiny_tensors[i];
		uint64_t at[3] = {p->master, p->moment1, p->moment2};

		for (int k = 0; k < 3 && at[k] != UINT64_MAX; k++)
			for (uint64_t j = at[k] / 4; j < at[k] / 4 + p->count;
			    j++)
				if (x[j] != (float)(step * 10000 + (int64_t)j)
				    + 0.5f)
					return false;
	}
	return true;
}

static inline enum lt_restored
tiny_restore(struct tiny *t, enum lt_resume how, struct lt_point *at)
{
	memset(t->rt.arena[LT_STATE], 0xff, ARENA);
	*at = (struct lt_point){-1, 0, 0};
	return lt_restore(&t->rt, t->out, &t->id, how, at, &t->error);
}

/* Restores exactly this step. */
static inline void
tiny_expect(struct tiny *t, enum lt_resume how, int64_t step)
{
	struct lt_point at;

	ck_assert_msg(tiny_restore(t, how, &at) == LT_RESTORE_OK, "%s",
	    t->error.text);
	ck_assert_int_eq(at.step, step);
	ck_assert_uint_eq(at.sample, (uint64_t)step * 2);
	ck_assert_uint_eq(at.skipped, 3);
	ck_assert(tiny_holds(t, step));
}

/* Refuses, and says this. */
static inline void
tiny_refuses(struct tiny *t, enum lt_resume how, const char *text)
{
	struct lt_point at;

	ck_assert_int_eq(tiny_restore(t, how, &at), LT_RESTORE_FAILED);
	ck_assert_msg(strstr(t->error.text, text) != NULL,
	    "\"%s\" lacks \"%s\"", t->error.text, text);
}

/* Files of a checkpoint of t, and names in its folder. */
static inline char *
tiny_path(const struct tiny *t, int64_t step, const char *file)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s/%s", t->path, lt_step_name(step).s,
	    file);
	return path;
}

static inline char *
tiny_load(const struct tiny *t, int64_t step, const char *file, size_t *n)
{
	struct lt_error e;
	char *text = lt_file_read(AT_FDCWD, tiny_path(t, step, file), 1 << 20,
	    n, &e);

	ck_assert_msg(text != NULL, "%s", e.text);
	return text;
}

static inline void
tiny_store(const struct tiny *t, int64_t step, const char *file,
    const char *bytes, size_t n)
{
	int fd = open(tiny_path(t, step, file), O_WRONLY | O_TRUNC | O_CREAT,
	    0600);

	ck_assert(fd >= 0 && lt_write_all(fd, bytes, n));
	close(fd);
}

static inline bool
tiny_exists(const struct tiny *t, const char *name)
{
	struct stat st;
	char path[256];

	snprintf(path, sizeof path, "%s/%s", t->path, name);
	return lstat(path, &st) == 0;
}

/* How many names of the run's folder contain this. */
static inline int
tiny_count(const struct tiny *t, const char *part)
{
	char command[256];
	int n = -1;
	FILE *f;

	snprintf(command, sizeof command, "ls %s | grep -c -e '%s'", t->path,
	    part);
	f = popen(command, "r");
	ck_assert(f && fscanf(f, "%d", &n) == 1);
	pclose(f);
	return n;
}

#endif
