/* Which content the bytes of an arena hold: sorted, disjoint ranges. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ir/replay.h"

/* Index of the first range that ends behind lo. */
static int
first_after(const struct replay_bytes *b, uint64_t lo)
{
	int from = 0, to = b->n;

	while (from < to) {
		int mid = (from + to) / 2;

		if (b->r[mid].hi > lo)
			to = mid;
		else
			from = mid + 1;
	}
	return from;
}

/* Replaces ranges [i, j) by n others. */
static void
splice(struct replay_bytes *b, int i, int j, const struct replay_range *with,
    int n)
{
	if (b->n + n > b->cap) {
		b->cap = 2 * b->cap + 64;
		b->r = realloc(b->r, (size_t)b->cap * sizeof *b->r);
		if (!b->r)
			abort();
	}
	memmove(b->r + i + n, b->r + j, (size_t)(b->n - j) * sizeof *b->r);
	memcpy(b->r + i, with, (size_t)n * sizeof *with);
	b->n += n - (j - i);
}

void
replay_write(struct replay_bytes *b, uint64_t lo, uint64_t hi, uint32_t content)
{
	struct replay_range with[3];
	int i = first_after(b, lo), j = i, n = 0;

	if (lo == hi)
		return;
	if (i < b->n && b->r[i].lo < lo)
		with[n++] = (struct replay_range){b->r[i].lo, lo,
		    b->r[i].content};
	with[n++] = (struct replay_range){lo, hi, content};
	while (j < b->n && b->r[j].lo < hi)
		j++;
	if (j > i && b->r[j - 1].hi > hi)
		with[n++] = (struct replay_range){hi, b->r[j - 1].hi,
		    b->r[j - 1].content};
	splice(b, i, j, with, n);
}

bool
replay_differs(const struct replay_bytes *b, uint64_t lo, uint64_t hi,
    uint32_t content, struct replay_range *found)
{
	for (int i = first_after(b, lo); lo < hi; i++) {
		if (i == b->n || b->r[i].lo > lo) {
			*found = (struct replay_range){lo, hi, 0};
			return true;
		}
		if (b->r[i].content != content) {
			*found = b->r[i];
			return true;
		}
		lo = b->r[i].hi;
	}
	return false;
}

void
replay_forget(struct replay_bytes *b)
{
	free(b->r);
	*b = (struct replay_bytes){0};
}
