#include "config.h"

#include "support/intern.h"

#include <stdint.h>
#include <string.h>

struct entry {
	const char *text;
	size_t len;
	uint64_t hash;
	void *means;
};

struct intern {
	struct arena *mem;
	struct entry *slot; /* open addressing, at most half full */
	size_t n, cap;      /* cap is a power of two */
};

static uint64_t
hash_text(const char *s, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
	return h ^ h >> 32;
}

struct intern *
intern_new(struct arena *mem)
{
	struct intern *t = NEW(mem, struct intern);

	t->mem = mem;
	t->cap = 64;
	t->slot = NEW_N(mem, struct entry, t->cap);
	return t;
}

static struct entry *
find_slot(struct intern *t, const char *s, size_t len, uint64_t hash)
{
	for (size_t i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
		struct entry *e = &t->slot[i];

		if (!e->text ||
		    (e->hash == hash && e->len == len &&
			memcmp(e->text, s, len) == 0))
			return e;
	}
}

static void
grow(struct intern *t)
{
	struct entry *old = t->slot;
	size_t n = t->cap;

	t->cap *= 2;
	t->slot = NEW_N(t->mem, struct entry, t->cap);
	for (size_t i = 0; i < n; i++)
		if (old[i].text)
			*find_slot(t, old[i].text, old[i].len, old[i].hash) =
			    old[i];
}

static struct entry *
enter(struct intern *t, const char *s, size_t len)
{
	uint64_t hash = hash_text(s, len);
	struct entry *e;

	if (t->n * 2 >= t->cap)
		grow(t);
	e = find_slot(t, s, len, hash);
	if (!e->text) {
		*e = (struct entry){arena_strndup(t->mem, s, len), len, hash,
		    NULL};
		t->n++;
	}
	return e;
}

const char *
intern(struct intern *t, const char *s, size_t len)
{
	return enter(t, s, len)->text;
}

void **
intern_means(struct intern *t, const char *s, size_t len)
{
	return &enter(t, s, len)->means;
}
