/* Learning rate schedules. */
#include "config.h"

#include "runtime/main/schedule.h"

#include <math.h>

#include "runtime/loong_rt.h"

static double
constant(const struct lt_recipe *r, int64_t steps, int64_t step)
{
	(void)steps;
	(void)step;
	return r->lr;
}

/* How far step is on the way from `from` to `to`, in 0..1. */
static double
progress(int64_t from, int64_t to, int64_t step)
{
	double x = to > from ? (double)(step - from) / (double)(to - from) : 1;

	return x < 0 ? 0 : x > 1 ? 1 : x;
}

static double
cosine(const struct lt_recipe *r, int64_t steps, int64_t step)
{
	double x = progress(r->warmup, steps, step);

	return r->lr_min + (r->lr - r->lr_min) * 0.5 *
	    (1 + cos(3.14159265358979323846 * x));
}

static double
wsd(const struct lt_recipe *r, int64_t steps, int64_t step)
{
	int64_t decay = (int64_t)(r->decay_fraction * (double)steps + 0.5);
	double x = progress(steps - decay, steps, step);

	if (step <= steps - decay)
		return r->lr;
	return r->lr_min + (r->lr - r->lr_min) * (1 - sqrt(x));
}

static const struct {
	const char *name;
	double (*lr)(const struct lt_recipe *, int64_t steps, int64_t step);
} schedules[] = {
    [LT_CONSTANT] = {"constant", constant},
    [LT_COSINE] = {"cosine", cosine},
    [LT_WSD] = {"wsd", wsd},
};

double
lt_schedule_lr(const struct lt_recipe *r, int64_t steps, int64_t step)
{
	if (step <= r->warmup)
		return r->lr * (double)step / (double)r->warmup;
	return schedules[r->schedule].lr(r, steps, step);
}

const char *
lt_schedule_name(const struct lt_recipe *r)
{
	return schedules[r->schedule].name;
}
