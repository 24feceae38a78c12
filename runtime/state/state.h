/*
 * The state of a run: initial values, and checkpoints in its directory.
 *
 * A checkpoint is DIR/step-000123/ with the parameters and moments in
 * safetensors files and a manifest that names and hashes them.  It appears
 * whole or not at all, is never changed afterwards, and is believed only if
 * every hash agrees; see doc/checkpoints.md.
 *
 * With several ranks rank 0 alone has the directory, and the files are the
 * same whatever the mesh: lt_save and lt_restore are called by all ranks
 * together, `out` is NULL but on rank 0, and all ranks return the same.
 *
 * Functions that can fail return false (or less than 0) with the reason in
 * *error.  A failed save leaves older checkpoints as they were and nothing
 * else behind: training may go on.
 */
#ifndef LT_RUNTIME_STATE_STATE_H
#define LT_RUNTIME_STATE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/loong_rt.h"
#include "runtime/state/error.h"

/*
 * Fills the masters from the seed and zeroes the moments.  Element i of a
 * tensor is a function of the seed, the tensor's name and i alone, whatever
 * the mesh.  The bf16 copies are the program's business: call prog->refresh
 * afterwards, and after lt_restore.
 */
void lt_state_init(struct lt *rt, uint64_t seed);

/*
 * Collective: compares, by hashes, masters and moments that several ranks
 * hold.  False on all ranks if two differ; *error names the tensor and the
 * ranks.
 */
bool lt_state_agree(struct lt *rt, struct lt_error *error);

/*
 * The directory of a run (--out).  Opening it creates it (mode 0700, parents
 * must exist), takes the lock that keeps a second trainer out, and removes
 * what a killed trainer left half written.  Everything in it is opened
 * relative to it, symbolic links refused.
 */
struct lt_out;
struct lt_out *lt_out_open(const char *path, struct lt_error *error);
/* For ranks that leave the directory to rank 0's process: a name only. */
struct lt_out *lt_out_guest(const char *path, struct lt_error *error);
void lt_out_close(struct lt_out *);
const char *lt_out_path(const struct lt_out *);

/* The highest step with a checkpoint directory, verified or not; -1: none. */
int64_t lt_out_newest(const struct lt_out *);

/* Where training stands. */
struct lt_point {
	int64_t step;     /* optimizer steps finished, skipped ones included */
	uint64_t sample;  /* sequences consumed: where the data goes on */
	uint64_t skipped; /* steps the NaN policy left out */
};

/* What must agree for a run to go on as if it had never stopped. */
struct lt_run_id {
	uint64_t seed;
	const struct lt_recipe *recipe; /* after the options */
	const char *data;      /* contents of the training data, no path:
	                          "262144 tokens, xxh3 89ab..." */
	const char *data_path; /* where it was, for messages */
};

/*
 * Publishes the state in the arenas as DIR/step-N, N = point->step; an older
 * checkpoint of the same step is replaced.  Then keeps the newest
 * `keep_last` of them (less than 1: all) and removes the others.
 */
bool lt_save(struct lt *rt, struct lt_out *, const struct lt_run_id *,
    const struct lt_point *, int64_t keep_last, struct lt_error *error);

enum lt_resume {
	LT_RESUME_NEWEST, /* the newest checkpoint, or fail saying what is wrong
	                     with it and which older one is intact */
	LT_RESUME_VALID   /* the newest that is intact; damaged ones that are
	                     newer are renamed to step-N.bad */
};
enum lt_restored { LT_RESTORE_FAILED = -1, LT_RESTORE_NONE, LT_RESTORE_OK };

/*
 * Reads a checkpoint into the arenas: masters and moments of every tensor.
 * The model must be this one; seed, recipe and data must be those of *id
 * unless id is NULL (sampling).  Every difference found is listed in *error.
 * LT_RESTORE_NONE: there is no checkpoint.  LT_RESTORE_OK: error->text holds
 * a warning, or is empty.  The arenas hold anything after a failure.
 */
enum lt_restored lt_restore(struct lt *rt, struct lt_out *,
    const struct lt_run_id *id, enum lt_resume how, struct lt_point *point,
    struct lt_error *error);

#endif
