/* Progress on the terminal and in logs. */
#include "config.h"

#include "runtime/metrics/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/data/data.h"
#include "runtime/loong_rt.h"
#include "runtime/main/memory.h"
#include "runtime/main/report.h"
#include "runtime/metrics/metrics.h"

static const double TTY_EVERY = 0.1, LOG_EVERY = 10; /* seconds */

const char *
lt_progress_time(double seconds, char buf[24])
{
	int64_t s = (int64_t)(seconds + 0.5);

	if (seconds < 0 || !(seconds < 1e9))
		snprintf(buf, 24, "-");
	else if (s >= 3600)
		snprintf(buf, 24, "%" PRId64 ":%02d:%02d", s / 3600,
		    (int)(s / 60 % 60), (int)(s % 60));
	else
		snprintf(buf, 24, "%d:%02d", (int)(s / 60), (int)(s % 60));
	return buf;
}

const char *
lt_progress_short(double x, char buf[16])
{
	if (x < 1e3)
		snprintf(buf, 16, "%.0f", x);
	else if (x < 1e6)
		snprintf(buf, 16, "%.3gk", x * 1e-3);
	else
		snprintf(buf, 16, "%.3gM", x * 1e-6);
	return buf;
}

/* The parts of a line as text. */
struct parts {
	char speed[16], mfu[16], mem[32], left[24], skipped[32];
};

static void
fill(struct parts *t, const struct lt_metrics *m, const struct lt *rt)
{
	const struct lt_program *p = m->prog;
	double tokens = (double)(lt_data_step(p));
	double rate = m->pace > 0 ? 1 / m->pace : 0;

	*t = (struct parts){.mfu = ""};
	lt_progress_short(rate * tokens, t->speed);
	if (m->peak > 0)
		snprintf(t->mfu, sizeof t->mfu, "  MFU %.1f%%",
		    100 * rate * p->flops_step / m->peak);
	lt_memory_text(lt_memory_peak(), t->mem);
	lt_progress_time(m->pace > 0 ? (double)(m->steps - rt->step) *
	    m->pace : -1, t->left);
	if (m->skipped)
		snprintf(t->skipped, sizeof t->skipped,
		    "  skipped %" PRId64, m->skipped);
}

static void
format(char *line, size_t size, const struct lt_metrics *m,
    const struct lt *rt)
{
	struct parts t;

	fill(&t, m, rt);
	snprintf(line, size, "step %" PRId64 "/%" PRId64
	    "  loss %.4f  grad %.3g  lr %.2e  %s tok/s%s  peak %s  left %s%s",
	    rt->step, m->steps, (double)rt->loss, (double)rt->gnorm, rt->lr,
	    t.speed, t.mfu, t.mem, t.left, t.skipped);
}

/* What a narrow terminal cuts off matters least. */
static void
format_narrow(char *line, size_t size, const struct lt_metrics *m,
    const struct lt *rt)
{
	struct parts t;

	fill(&t, m, rt);
	snprintf(line, size, "%" PRId64 "/%" PRId64 " %s left loss %.4f grad "
	    "%.2g lr %.1e %s tok/s%s %s%s", rt->step, m->steps, t.left,
	    (double)rt->loss, (double)rt->gnorm, rt->lr, t.speed,
	    *t.mfu ? t.mfu + 1 : "", t.mem, t.skipped);
}

void
lt_progress_end(const struct lt_metrics *m)
{
	double rate = m->pace > 0 ? 1 / m->pace : 0;

	if (rate > 0 && m->peak > 0)
		lt_note("speed      MFU %.1f%%, HFU %.1f%% (counts what is "
		    "computed again)", 100 * rate * m->prog->flops_step /
		    m->peak, 100 * rate * m->prog->flops_hardware / m->peak);
}

void
lt_progress(struct lt_metrics *m, const struct lt *rt)
{
	int64_t every = m->prog->recipe.log_every;
	bool edge = rt->step == m->steps || rt->step == m->first + 1;
	double now = lt_now();
	char line[320];

	if (lt_report_quiet())
		return;
	if (lt_report_tty()) {
		if (!edge && now - m->shown < TTY_EVERY)
			return;
	} else if (!edge && (now - m->shown < LOG_EVERY ||
	    (every > 0 && rt->step % every != 0))) {
		return;
	}
	m->shown = now;
	format(line, sizeof line, m, rt);
	if (!lt_report_tty()) {
		lt_note("%s", line);
		return;
	}
	if ((int)strlen(line) > lt_report_columns())
		format_narrow(line, sizeof line, m, rt);
	lt_status(line);
}
