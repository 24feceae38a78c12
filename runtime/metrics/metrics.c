/* Events of a run: timing, the JSON log, TensorBoard. */
#include "config.h"

#include "runtime/metrics/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/loong_rt.h"
#include "runtime/main/memory.h"
#include "runtime/main/report.h"
#include "runtime/metrics/jsonl.h"
#include "runtime/metrics/progress.h"

int
lt_metrics_open(struct lt_metrics *m, const char *log, const char *tb)
{
	if (log) {
		m->log = fopen(log, "ae");
		if (!m->log)
			return lt_fail(LT_EXIT_IO, "--log %s: %s", log,
			    strerror(errno));
	}
	return tb ? lt_tensorboard_open(&m->tb, tb) : LT_OK;
}

/* An event is one write, so that a killed run leaves whole lines. */
static void
flush(struct lt_metrics *m)
{
	if (m->log && fflush(m->log) != 0 && !m->log_failed) {
		m->log_failed = true;
		lt_warn("cannot write the log: %s", strerror(errno));
	}
}

void
lt_metrics_close(struct lt_metrics *m)
{
	flush(m);
	if (m->log)
		fclose(m->log);
	m->log = NULL;
	lt_tensorboard_close(&m->tb);
}

void
lt_metrics_start(struct lt_metrics *m, int64_t first)
{
	m->began = m->last = lt_now();
	m->first = m->done = first;
	if (m->log)
		lt_jsonl_start(m->log, m);
	flush(m);
}

/* Follows changes of speed within some ten steps; exact at the start. */
static void
keep_pace(struct lt_metrics *m, double seconds)
{
	double n = (double)(m->done - m->first);
	double keep = n < 16 ? (n - 1) / n : 15.0 / 16;

	m->pace = keep * m->pace + (1 - keep) * seconds;
}

void
lt_metrics_step(struct lt_metrics *m, const struct lt *rt)
{
	double now = lt_now(), seconds = now - m->last;

	m->last = now;
	m->done = rt->step;
	m->skipped += rt->skipped;
	keep_pace(m, seconds);
	lt_progress(m, rt);
	if (m->log)
		lt_jsonl_step(m->log, m, rt, seconds);
	flush(m);
	lt_tensorboard_put(&m->tb, rt->step, "train/loss", rt->loss);
	lt_tensorboard_put(&m->tb, rt->step, "train/grad_norm", rt->gnorm);
	lt_tensorboard_put(&m->tb, rt->step, "train/lr", (float)rt->lr);
	lt_tensorboard_put(&m->tb, rt->step, "speed/seconds",
	    (float)seconds);
}

void
lt_metrics_pause(struct lt_metrics *m, double since)
{
	m->last += lt_now() - since;
}

void
lt_metrics_eval(struct lt_metrics *m, int64_t step, double nats,
    double tokens)
{
	lt_note("step %" PRId64 "/%" PRId64 "  held-out loss %.4f nats per "
	    "token (%.0f tokens)", step, m->steps, nats, tokens);
	if (m->log)
		lt_jsonl_eval(m->log, step, nats, tokens);
	flush(m);
	lt_tensorboard_put(&m->tb, step, "val/loss", (float)nats);
}

void
lt_metrics_save(struct lt_metrics *m, int64_t step, const char *error)
{
	if (m->log)
		lt_jsonl_save(m->log, step, error);
	flush(m);
}

void
lt_metrics_end(struct lt_metrics *m, int64_t step, int code)
{
	if (m->log)
		lt_jsonl_end(m->log, m, step, code);
	flush(m);
}
