/* The training loop. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>

#include "runtime/clock.h"
#include "runtime/comm/comm.h"
#include "runtime/gpu/device.h"
#include "runtime/main/ranks.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"
#include "runtime/main/schedule.h"
#include "runtime/main/signals.h"
#include "runtime/trace/trace.h"

/* So many skipped steps in a row are no accident any more. */
enum { SKIPS_MAX = 100 };

/* A failed save costs nothing but the save: old checkpoints stay.  All
 * ranks take part and learn how it went. */
static bool
save(struct lt *rt)
{
	struct lt_run *run = rt->run;
	struct lt_error error = {.code = LT_OK};
	double since = lt_now();
	bool ok = lt_save(rt, run->out, &run->id, &run->point,
	    run->opt.keep_last, &error);

	if (ok)
		run->saved = run->point.step;
	else
		lt_warn("the checkpoint of step %" PRId64 " is not saved: %s",
		    run->point.step, error.text);
	lt_metrics_save(&run->metrics, run->point.step,
	    ok ? NULL : error.text);
	lt_metrics_pause(&run->metrics, since);
	return ok;
}

int
lt_evaluate(struct lt *rt)
{
	struct lt_run *run = rt->run;
	double since = lt_now();
	int rc = LT_OK;

	if (run->data.val_batches < 1)
		return LT_OK;
	rt->training = false;
	rt->eval_nll = rt->eval_count = 0;
	for (int64_t i = 0; !rc && i < run->data.val_batches; i++) {
		rc = lt_ranks_agree(rt, lt_data_load_val(&run->data, rt, i));
		if (run->stop)
			break;
		if (rc)
			break;
		lt_gpu_begin(rt);
		lt_enter(rt, "evaluation", i);
		rt->prog->eval(rt);
		lt_watch_unwind(rt);
	}
	rt->training = true;
	if (!rc && !run->stop)
		lt_metrics_eval(&run->metrics, run->point.step,
		    rt->eval_nll / rt->eval_count, rt->eval_count);
	lt_metrics_pause(&run->metrics, since);
	return rc;
}

static void
count(struct lt *rt, bool on)
{
	lt_count_of(rt)->on = on;
}

/* One optimizer step on what was loaded; whatever happened, the point moves
 * on. */
static void
step(struct lt *rt)
{
	struct lt_run *run = rt->run;
	const struct lt_program *p = rt->prog;

	rt->step = run->point.step + 1;
	rt->lr = lt_schedule_lr(&p->recipe, run->opt.steps, rt->step);
	rt->skipped = false;
	lt_gpu_begin(rt);
	lt_trace_begin(rt);
	lt_enter(rt, "step", rt->step);
	count(rt, true);
	lt_gpu_run_step(rt);
	count(rt, false);
	lt_watch_unwind(rt);
	if (!isfinite(rt->loss) || !isfinite(rt->gnorm))
		rt->skipped = true;
	lt_metrics_step(&run->metrics, rt);
	lt_trace_end(rt);
}

static const char *
weights(const struct lt *rt, char text[64])
{
	if (rt->prog->by_layer && isfinite(rt->loss))
		return "some layers have been updated by it";
	snprintf(text, 64, "the weights are those of step %" PRId64,
	    rt->run->point.step);
	return text;
}

/* What was not finite is not made use of; *in_a_row counts such steps. */
static int
not_finite(struct lt *rt, int *in_a_row)
{
	const struct lt_run *run = rt->run;
	const char *what = isfinite(rt->loss) ? "gradient norm" : "loss";
	char text[64];

	if (rt->prog->recipe.nan_policy == LT_NAN_STOP)
		return lt_fail(LT_EXIT_NAN,
		    "step %" PRId64 ": the %s is not finite; %s, and %s",
		    rt->step, what, weights(rt, text), run->saved < 0 ?
		    "there is no checkpoint" : "older checkpoints stay");
	if (++*in_a_row == SKIPS_MAX)
		return lt_fail(LT_EXIT_NAN,
		    "step %" PRId64 ": the %s was not finite in %d steps in a "
		    "row", rt->step, what, SKIPS_MAX);
	lt_warn("step %" PRId64 ": the %s is not finite; the step is skipped",
	    rt->step, what);
	return LT_OK;
}

static bool
due(int64_t every, int64_t step, int64_t steps)
{
	return every > 0 && step % every == 0 && step != steps;
}

static int
advance(struct lt *rt, int *skips)
{
	struct lt_run *run = rt->run;
	const struct lt_program *p = rt->prog;
	int rc = LT_OK;

	step(rt);
	if (!rt->skipped)
		*skips = 0;
	else if ((rc = not_finite(rt, skips)) != 0)
		return rc;
	run->point.step++;
	run->point.sample += (uint64_t)(p->micro * p->batch);
	run->point.skipped += rt->skipped;
	if (due(run->opt.eval_every, run->point.step, run->opt.steps))
		rc = lt_evaluate(rt);
	if (run->out && due(run->opt.save_every, run->point.step,
	    run->opt.steps))
		save(rt);
	return rc;
}

/* By signal: with a checkpoint it is 75, without one the shell's code. */
static int
stopped(struct lt *rt, int sig)
{
	struct lt_run *run = rt->run;
	const char *name = sig == SIGINT ? "SIGINT" : "SIGTERM";

	if (!run->out) {
		lt_note("stopped by %s after step %" PRId64 "; nothing is "
		    "saved without --out", name, run->point.step);
		return 128 + sig;
	}
	if (run->saved != run->point.step && !save(rt))
		return LT_EXIT_IO;
	lt_note("stopped by %s; saved step %" PRId64 " in %s: go on with "
	    "--resume", name, run->point.step, lt_out_path(run->out));
	return LT_EXIT_SAVED;
}

int
lt_train(struct lt *rt)
{
	struct lt_run *run = rt->run;
	int skips = 0, rc = LT_OK;

	lt_metrics_start(&run->metrics, run->point.step);
	rt->training = true;
	if (run->point.step >= run->opt.steps)
		lt_note("nothing to train: step %" PRId64 " of %" PRId64
		    " is done", run->point.step, run->opt.steps);
	(void)lt_ranks_agree(rt, LT_OK);
	if (!run->stop)
		rc = lt_evaluate(rt);
	while (!rc && run->point.step < run->opt.steps) {
		rc = lt_ranks_agree(rt, lt_data_load(&run->data, rt,
		    run->point.sample));
		if (rc || run->stop)
			break;
		rc = advance(rt, &skips);
	}
	if (rc)
		return rc;
	if (run->point.step < run->opt.steps)
		return stopped(rt, run->stop);
	if (run->out && run->saved != run->point.step && !save(rt))
		rc = LT_EXIT_IO;
	(void)lt_ranks_agree(rt, LT_OK);
	if (run->metrics.done > run->metrics.first && !run->stop) {
		int bad = lt_evaluate(rt);

		rc = rc ? rc : bad;
	}
	return rc;
}
