/*
 * A runtime without checkpoints: --out is refused, nothing is ever written.
 * Replaced by the files that define these functions.
 */
#include "runtime/state/state.h"

#include <stddef.h>

struct lt_out *
lt_out_open(const char *path, struct lt_error *error)
{
	lt_error_set(error, LT_EXIT_CONFIG,
	    "--out %s: this trainer was built without checkpoints", path);
	return NULL;
}

void
lt_out_close(struct lt_out *o)
{
	(void)o;
}

const char *
lt_out_path(const struct lt_out *o)
{
	(void)o;
	return "";
}

int64_t
lt_out_newest(const struct lt_out *o)
{
	(void)o;
	return -1;
}

bool
lt_save(const struct lt *rt, struct lt_out *o, const struct lt_run_id *id,
    const struct lt_point *point, int64_t keep_last, struct lt_error *error)
{
	(void)rt;
	(void)o;
	(void)id;
	(void)point;
	(void)keep_last;
	return lt_error_set(error, LT_EXIT_CONFIG, "built without checkpoints");
}

enum lt_restored
lt_restore(struct lt *rt, struct lt_out *o, const struct lt_run_id *id,
    enum lt_resume how, struct lt_point *point, struct lt_error *error)
{
	(void)rt;
	(void)o;
	(void)id;
	(void)how;
	(void)point;
	lt_error_set(error, LT_EXIT_CONFIG, "built without checkpoints");
	return LT_RESTORE_FAILED;
}
