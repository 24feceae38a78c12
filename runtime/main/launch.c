/* Launchers, by what they leave in the environment. */
#include "config.h"

#include "runtime/main/launch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static const struct {
	const char *by, *rank, *ranks, *also;
} launchers[] = {
#define LAUNCHER(name, rank, size, also) {name, rank, size, also},
#include "runtime/main/launch.def"
#undef LAUNCHER
};

static bool
number(const char *name, int64_t lo, int64_t *v)
{
	const char *s = getenv(name);
	char *end;

	if (!s || !*s)
		return false;
	errno = 0;
	*v = strtoll(s, &end, 10);
	return !*end && !errno && *v >= lo;
}

static void
find_node(struct lt_launch *l)
{
	if (!number("PET_NNODES", 1, &l->nodes) ||
	    !number("PET_NODE_RANK", 0, &l->node) || l->node >= l->nodes) {
		l->node = 0;
		l->nodes = 1;
	}
}

void
lt_launch_find(struct lt_launch *l)
{
	*l = (struct lt_launch){.ranks = 1};
	find_node(l);
	for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
		if (launchers[i].also && !getenv(launchers[i].also))
			continue;
		if (number(launchers[i].rank, 0, &l->rank) &&
		    number(launchers[i].ranks, 1, &l->ranks) &&
		    l->rank < l->ranks) {
			l->by = launchers[i].by;
			return;
		}
	}
	l->rank = 0;
	l->ranks = 1;
}
