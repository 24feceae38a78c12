/* Progress on the terminal and in logs. */
#include "config.h"

#include "runtime/metrics/progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/loong_rt.h"
#include "runtime/main/memory.h"
#include "runtime/main/report.h"
#include "runtime/metrics/metrics.h"

static const double TTY_EVERY = 0.1, LOG_EVERY = 2; /* seconds */

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

static void
format(char *line, size_t size, const struct lt_metrics *m,
    const struct lt *rt)
{
	const struct lt_program *p = m->prog;
	double tokens = (double)(p->micro * p->batch * p->seq);
	double rate = m->pace > 0 ? 1 / m->pace : 0;
	double left = m->pace > 0 ? (double)(m->steps - rt->step) * m->pace :
	    -1;
	char speed[16], time[24], mem[32];
	int n;

	n = snprintf(line, size, "step %" PRId64 "/%" PRId64
	    "  loss %.4f  grad %.3g  lr %.2e  %s tok/s", rt->step, m->steps,
	    (double)rt->loss, (double)rt->gnorm, rt->lr,
	    lt_progress_short(rate * tokens, speed));
	if (m->peak > 0)
		n += snprintf(line + n, size - (size_t)n, "  MFU %.1f%%",
		    100 * rate * p->flops_step / m->peak);
	n += snprintf(line + n, size - (size_t)n, "  peak %s  left %s",
	    lt_memory_text(lt_memory_peak(), mem),
	    lt_progress_time(left, time));
	if (m->skipped)
		snprintf(line + n, size - (size_t)n, "  skipped %" PRId64,
		    m->skipped);
}

void
lt_progress(struct lt_metrics *m, const struct lt *rt)
{
	int64_t every = m->prog->recipe.log_every;
	bool edge = rt->step == m->steps || rt->step == m->first + 1;
	double now = lt_clock();
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
	if (lt_report_tty())
		lt_status(line);
	else
		lt_note("%s", line);
}
