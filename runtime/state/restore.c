/*
 * Resuming: the newest checkpoint that deserves it.
 *
 * A checkpoint is refused for one of two reasons.  Damaged: a file is
 * missing, short or does not hash; an older one may serve.  Different: it is
 * whole, but of another model, recipe, seed, data or version; then nothing is
 * tried instead, because the user has to decide.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/comm/world.h"
#include "runtime/state/agree.h"
#include "runtime/state/checkpoint.h"
#include "runtime/state/io.h"
#include "runtime/state/out.h"
#include "runtime/state/settings.h"

enum verdict { GOOD, DAMAGED, DIFFERENT };
enum { LINES_MAX = 8 };

struct restoring {
	struct lt *rt;
	struct lt_out *out;
	const struct lt_run_id *id;
	struct lt_parts parts;
	struct lt_carry carry;
	struct lt_point *point;
	struct lt_error *note; /* warnings */
};

/* ---- differences ---- */

static const struct lt_manifest_tensor *
find(const struct lt_manifest *m, const struct lt_part *p)
{
	for (size_t i = 0; i < m->ntensor; i++)
		if (m->tensor[i].file == p->file &&
		    strcmp(m->tensor[i].name, p->item.name) == 0)
			return &m->tensor[i];
	return NULL;
}

static bool
same_shape(const struct lt_part *p, const struct lt_manifest_tensor *t)
{
	return t->rank == p->item.rank && memcmp(t->shape, p->item.shape,
	    (size_t)t->rank * sizeof *t->shape) == 0;
}

static void
tensor_differs(const struct lt_part *p, const struct lt_manifest_tensor *t,
    struct lt_error *e)
{
	if (t == NULL)
		lt_error_line(e, "model: the checkpoint lacks tensor %.200s "
		    "%s", p->item.name,
		    lt_shape_text(p->item.rank, p->item.shape).s);
	else
		lt_error_line(e, "model: tensor %.200s is %s here and %s in "
		    "the checkpoint", p->item.name,
		    lt_shape_text(p->item.rank, p->item.shape).s,
		    lt_shape_text(t->rank, t->shape).s);
}

static int
tensors_differ(const struct lt_parts *parts, const struct lt_manifest *m,
    struct lt_error *e)
{
	int n = 0;

	for (size_t i = 0; i < parts->n; i++) {
		const struct lt_part *p = &parts->part[i];
		const struct lt_manifest_tensor *t = find(m, p);

		if ((t == NULL || !same_shape(p, t)) && n++ < LINES_MAX)
			tensor_differs(p, t, e);
	}
	for (size_t i = 0; i < m->ntensor; i++) {
		const struct lt_manifest_tensor *t = &m->tensor[i];

		if (!lt_parts_find(parts, t->file, t->name) &&
		    n++ < LINES_MAX)
			lt_error_line(e, "model: the checkpoint has tensor "
			    "%.200s %s, which this model lacks", t->name,
			    lt_shape_text(t->rank, t->shape).s);
	}
	if (n > LINES_MAX)
		lt_error_line(e, "model: and %d more", n - LINES_MAX);
	return n;
}

static void
model_differs(const struct restoring *r, const struct lt_manifest *m,
    struct lt_error *e)
{
	const struct lt_program *p = r->rt->prog;

	if (tensors_differ(&r->parts, m, e) == 0 && m->program != p->hash)
		lt_error_line(e, "model: %s has the same tensors but computes "
		    "something else than %.100s of the checkpoint (programs "
		    "%016" PRIx64 " and %016" PRIx64 ")", p->name, m->model,
		    p->hash, m->program);
}

static void
run_differs(const struct restoring *r, const struct lt_manifest *m,
    struct lt_error *e)
{
	const struct lt_run_id *id = r->id;

	if (id == NULL)
		return;
	if (m->seed != id->seed)
		lt_error_line(e, "seed: %" PRIu64 " here and %" PRIu64
		    " in the checkpoint", id->seed, m->seed);
	lt_settings_compare(r->rt->prog, id->recipe, m->recipe, e, r->note);
	if (strcmp(m->data, id->data ? id->data : "") != 0)
		lt_error_line(e, "data: %.200s (%.200s) here and %.200s "
		    "(%.200s) in the checkpoint", id->data ? id->data : "none",
		    id->data_path ? id->data_path : "", m->data, m->data_path);
}

/* ---- one checkpoint ---- */

static enum verdict
judge(struct restoring *r, const struct lt_manifest *m, int dir, bool load,
    struct lt_error *e)
{
	struct lt_error differs = {.code = LT_EXIT_DATA};

	if (load) {
		model_differs(r, m, &differs);
		run_differs(r, m, &differs);
	}
	if (*differs.text) {
		*e = differs;
		return DIFFERENT;
	}
	return lt_checkpoint_read(dir, m, &r->carry, load, e) ? GOOD :
	    DAMAGED;
}

/* load false: verify only. */
static enum verdict
try_step(struct restoring *r, int64_t step, bool load, struct lt_error *e)
{
	int dir = lt_dir_open(r->out->fd, lt_step_name(step).s);
	struct lt_manifest m;
	enum verdict v = DAMAGED;

	e->code = LT_EXIT_DATA;
	if (dir < 0) {
		lt_error_set(e, LT_EXIT_DATA, "%s",
		    errno == ELOOP || errno == ENOTDIR ? "not a directory" :
		    strerror(errno));
		return DAMAGED;
	}
	if (lt_checkpoint_manifest(dir, step, &m, e)) {
		v = judge(r, &m, dir, load, e);
		if (v == GOOD && load)
			*r->point = m.point;
		lt_manifest_free(&m);
	} else if (e->code == LT_EXIT_CONFIG) {
		v = DIFFERENT; /* a version of the future */
	}
	close(dir);
	return v;
}

/* ---- all of them ---- */

/* Where is the trouble, before each of its lines. */
static void
explain(const struct restoring *r, int64_t step, const struct lt_error *why,
    struct lt_error *e)
{
	const char *line = why->text;

	e->code = why->code;
	while (*line) {
		size_t n = strcspn(line, "\n");

		lt_error_line(e, "%s/%s: %.*s", r->out->path,
		    lt_step_name(step).s, (int)n, line);
		line += n + (line[n] == '\n');
	}
}

static void
advise(struct restoring *r, const int64_t *step, size_t n, struct lt_error *e)
{
	struct lt_error why;

	for (size_t i = 0; i < n; i++)
		if (try_step(r, step[i], false, &why) == GOOD) {
			lt_error_line(e, "%s is intact: --resume-valid goes "
			    "on from it", lt_step_name(step[i]).s);
			return;
		}
	lt_error_line(e, n > 0 ? "no older checkpoint is intact" :
	    "there is no older checkpoint");
}

static void
set_aside(struct restoring *r, int64_t step)
{
	struct lt_step_name from = lt_step_name(step);
	char to[80];

	snprintf(to, sizeof to, "%s.bad", from.s);
	if (renameat(r->out->fd, from.s, r->out->fd, to) == 0 ||
	    errno == ENOENT)
		lt_error_line(r->note, "%s/%s is kept as %s", r->out->path,
		    from.s, to);
	else
		lt_out_remove(r->out, step);
}

static enum lt_restored
restore(struct restoring *r, const int64_t *step, size_t n,
    enum lt_resume how, struct lt_error *e)
{
	struct lt_error why = {.code = LT_EXIT_DATA};
	enum verdict v = DAMAGED;
	size_t i;

	for (i = 0; i < n; i++) {
		v = try_step(r, step[i], true, &why);
		if (v != DAMAGED)
			break;
		explain(r, step[i], &why, e);
		if (how != LT_RESUME_VALID) {
			advise(r, step + 1, n - 1, e);
			return LT_RESTORE_FAILED;
		}
	}
	if (v != GOOD) {
		if (v == DIFFERENT)
			explain(r, step[i], &why, e);
		return LT_RESTORE_FAILED;
	}
	for (size_t k = 0; k < i; k++)
		set_aside(r, step[k]);
	return LT_RESTORE_OK;
}

/* ---- all ranks ---- */

static enum lt_restored
lead(struct restoring *r, enum lt_resume how, struct lt_error *e)
{
	enum lt_restored got = LT_RESTORE_NONE;
	size_t n;
	int64_t *step = lt_out_steps(r->out, &n);

	e->text[0] = 0;
	if (n > 0)
		got = restore(r, step, n, how, e);
	if (got == LT_RESTORE_OK && *r->note->text)
		lt_error_line(e, "%s", r->note->text);
	free(step);
	lt_carry_end(&r->carry);
	return got;
}

/* What rank 0 found is what all return. */
static enum lt_restored
share(struct restoring *r, enum lt_restored got, struct lt_error *e)
{
	int32_t result = (int32_t)got;

	lt_world_broadcast(r->rt, &result, sizeof result);
	lt_world_broadcast(r->rt, r->point, sizeof *r->point);
	lt_world_broadcast(r->rt, e, sizeof *e);
	return (enum lt_restored)result;
}

static enum lt_restored
restore_all(struct restoring *r, enum lt_resume how, struct lt_error *e)
{
	enum lt_restored got = LT_RESTORE_NONE;

	if (!lt_carry_open(&r->carry, r->rt, &r->parts)) {
		lt_error_set(e, LT_EXIT_FAIL, "out of memory");
		return LT_RESTORE_FAILED;
	}
	if (r->rt->rank == 0)
		got = lead(r, how, e);
	else
		lt_carry_follow(&r->carry);
	lt_carry_close(&r->carry);
	return share(r, got, e);
}

enum lt_restored
lt_restore(struct lt *rt, struct lt_out *o, const struct lt_run_id *id,
    enum lt_resume how, struct lt_point *point, struct lt_error *e)
{
	struct lt_error note = {.code = LT_OK};
	struct restoring r = {.rt = rt, .out = o, .id = id, .point = point,
	    .note = &note};
	enum lt_restored got = LT_RESTORE_FAILED;

	if (lt_error_agree(rt, lt_parts_of(rt, &r.parts, e), e))
		got = restore_all(&r, how, e);
	lt_parts_free(&r.parts);
	return got;
}
