/* Which global indices a rank holds: shards applied outside in. */
#include "runtime/loong_rt.h"

/* Each shard at most doubles the runs (zigzag takes two pieces). */
_Static_assert(1 << LT_SHARDS_MAX <= LT_RUNS_MAX, "runs of a layout");

static uint64_t
total(const struct lt_runs *in)
{
	uint64_t len = 0;

	for (uint32_t i = 0; i < in->n; i++)
		len += in->r[i].len;
	return len;
}

/* Neighbouring runs become one. */
static void
add(struct lt_runs *out, uint64_t start, uint64_t len)
{
	uint32_t last = out->n - 1;

	if (len == 0)
		return;
	if (out->n && out->r[last].start + out->r[last].len == start) {
		out->r[last].len += len;
	} else {
		out->r[out->n].start = start;
		out->r[out->n++].len = len;
	}
}

/* Adds local positions [lo, lo + len) of in. */
static void
cut(const struct lt_runs *in, uint64_t lo, uint64_t len, struct lt_runs *out)
{
	for (uint32_t i = 0; i < in->n && len > 0; i++) {
		uint64_t have = in->r[i].len, take;

		if (lo >= have) {
			lo -= have;
			continue;
		}
		take = have - lo < len ? have - lo : len;
		add(out, in->r[i].start + lo, take);
		len -= take;
		lo = 0;
	}
}

static uint64_t
coordinate(const struct lt *rt, int axis, int64_t skew)
{
	int64_t n = rt->prog->axis_size[axis];
	int64_t at = (rt->coord[axis] + skew % n) % n;

	return (uint64_t)(at < 0 ? at + n : at);
}

static struct lt_runs
apply(const struct lt *rt, const struct lt_layout *l, int shard,
    const struct lt_runs *in, const int64_t *skew)
{
	uint64_t n = 1, at = 0, piece;
	struct lt_runs out = {.n = 0};

	for (int i = 0; i < l->s[shard].n; i++) {
		int axis = l->s[shard].axis[i];

		n *= (uint64_t)rt->prog->axis_size[axis];
		at = at * (uint64_t)rt->prog->axis_size[axis] +
		    coordinate(rt, axis, skew ? skew[i] : 0);
	}
	if (l->s[shard].kind == LT_BLOCK) {
		piece = total(in) / n;
		cut(in, at * piece, piece, &out);
	} else if (l->s[shard].kind == LT_PART) {
		cut(in, l->s[shard].from, l->s[shard].to - l->s[shard].from,
		    &out);
	} else {
		piece = total(in) / (2 * n);
		cut(in, at * piece, piece, &out);
		cut(in, (2 * n - 1 - at) * piece, piece, &out);
	}
	return out;
}

struct lt_runs
lt_runs(const struct lt *rt, const struct lt_layout *l, const int64_t *skew)
{
	struct lt_runs r = {.n = 0};

	add(&r, 0, l->size);
	for (int i = 0; i < l->n; i++) {
		r = apply(rt, l, i, &r, skew);
		if (skew)
			skew += l->s[i].n;
	}
	return r;
}
