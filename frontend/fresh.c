/*
 * Names of values and paths of calls that are not in use: base, base1, ...
 *
 * A table from interned name to the next number to try, so that a thousand
 * values called x take a thousand steps and not a million.
 */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "frontend/lower.h"

struct fresh_entry {
	const char *name; /* interned */
	int next;
};

static struct fresh_entry *
slot_of(struct fresh *t, const char *name)
{
	size_t i = (size_t)((uintptr_t)name >> 4) * 0x9e3779b97f4a7c15u >> 20;

	for (i &= t->cap - 1; t->e[i].name && t->e[i].name != name;)
		i = (i + 1) & (t->cap - 1);
	return &t->e[i];
}

static void
grow(struct unit *u, struct fresh *t)
{
	struct fresh_entry *old = t->e;
	size_t n = t->cap;

	t->cap = n ? n * 2 : 64;
	t->e = NEW_N(u->mem, struct fresh_entry, t->cap);
	for (size_t i = 0; i < n; i++)
		if (old[i].name)
			*slot_of(t, old[i].name) = old[i];
}

/* False if the name was taken before. */
static bool
take(struct unit *u, struct fresh *t, const char *name)
{
	struct fresh_entry *e;

	if (t->n * 2 >= t->cap)
		grow(u, t);
	e = slot_of(t, name);
	if (e->name)
		return false;
	*e = (struct fresh_entry){name, 0};
	t->n++;
	return true;
}

const char *
fresh_name(struct unit *u, struct fresh *t, const char *base, int from)
{
	const char *name = module_namez(u->m, base);
	int i;

	if (take(u, t, name))
		return name;
	i = slot_of(t, name)->next;
	i = i ? i : from;
	do
		name = module_namez(u->m, arena_printf(u->mem, "%s%d", base,
		    i++));
	while (!take(u, t, name));
	slot_of(t, module_namez(u->m, base))->next = i;
	return name;
}

const char *
join_path(struct unit *u, const char *a, const char *b)
{
	return *a && *b ? arena_printf(u->mem, "%s.%s", a, b) : *a ? a : b;
}
