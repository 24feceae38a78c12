/* Which global indices a rank holds: shards applied outside in. */
#include "config.h"

#include "ir/ir.h"

/* Each shard at most doubles the runs (zigzag takes two pieces). */
enum { RUNS = 1 << (MAX_SHARDS + 1) };

struct runs {
	struct run r[RUNS];
	int n;
};

static uint64_t
total(const struct runs *in)
{
	uint64_t len = 0;

	for (int i = 0; i < in->n; i++)
		len += in->r[i].len;
	return len;
}

static void
add_run(struct runs *out, uint64_t start, uint64_t len)
{
	struct run *last = out->n ? &out->r[out->n - 1] : NULL;

	if (len == 0)
		return;
	if (last && last->start + last->len == start)
		last->len += len;
	else if (out->n < RUNS)
		out->r[out->n++] = (struct run){start, len};
}

/* Adds positions [lo, lo + len) of the sequence that in spells. */
static void
cut(const struct runs *in, uint64_t lo, uint64_t len, struct runs *out)
{
	for (int i = 0; i < in->n && len > 0; i++) {
		struct run r = in->r[i];
		uint64_t take;

		if (lo >= r.len) {
			lo -= r.len;
			continue;
		}
		take = r.len - lo < len ? r.len - lo : len;
		add_run(out, r.start + lo, take);
		len -= take;
		lo = 0;
	}
}

/* The coordinate of a rank on a skewed axis, in [0, size). */
static uint64_t
coord_at(const struct module *m, const struct coord *c, const int *coord,
    const int64_t *loop)
{
	int64_t n = m->axis[c->axis].size, at = coord[c->axis] + c->k;

	for (int i = 0; i < MAX_LOOPS; i++)
		if (c->lin[i])
			at += c->lin[i] * (loop[i] % n);
	return (uint64_t)((at % n + n) % n);
}

static struct runs
apply_shard(const struct module *m, const struct shard *s,
    const struct runs *in, const int *coord, const int64_t *loop)
{
	uint64_t n = 1, at = 0, piece;
	struct runs out = {.n = 0};

	for (int i = 0; i < s->n; i++) {
		uint64_t size = m->axis[s->c[i].axis].size;

		at = at * size + coord_at(m, &s->c[i], coord, loop);
		n *= size;
	}
	if (s->kind == SHARD_BLOCK) {
		piece = total(in) / n;
		cut(in, at * piece, piece, &out);
	} else if (s->kind == SHARD_PART) {
		cut(in, s->from, s->to - s->from, &out);
	} else {
		piece = total(in) / (2 * n);
		cut(in, at * piece, piece, &out);
		cut(in, (2 * n - 1 - at) * piece, piece, &out);
	}
	return out;
}

int
type_runs(const struct module *m, const struct type *t, int i,
    const int *coord, const int64_t *loop, struct run *out, int max)
{
	const struct dim *d = &t->d[i];
	struct runs r = {.n = 0};

	add_run(&r, 0, module_dim(m, d->name)->size);
	for (int j = 0; j < d->n; j++)
		r = apply_shard(m, &d->s[j], &r, coord, loop);
	for (int j = 0; j < r.n && j < max; j++)
		out[j] = r.r[j];
	return r.n < max ? r.n : max;
}
