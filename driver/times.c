#include "config.h"

#include "driver/times.h"

#include <time.h>

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

void
times_start(struct times *t, FILE *out)
{
	*t = (struct times){out, now_ms()};
}

void
times_lap(struct times *t, const char *what)
{
	double now = now_ms();

	if (t->out)
		fprintf(t->out, "%-12s %9.3f ms\n", what, now - t->since);
	t->since = now;
}

void
times_skip(struct times *t)
{
	t->since = now_ms();
}
