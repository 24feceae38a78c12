/* The list of tensors of a checkpoint. */
#include "runtime/state/parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/size.h"

const char *const lt_ckpt_file[LT_CKPT_FILES] = {
	"model.safetensors", "optimizer.safetensors"};

/* What a checkpoint has of each tensor. */
static const struct slot {
	int file;
	const char *prefix;
} slots[] = {{0, ""}, {1, "moment1."}, {1, "moment2."}};
enum { SLOTS = sizeof slots / sizeof *slots };

/* Where the rank's part begins in the state arena; UINT64_MAX: it has none. */
static uint64_t
offset_of(const struct lt_program *p, const struct lt_tensor *t, int slot)
{
	const struct lt_flat *f = t->flat < 0 ? NULL : &p->flat[t->flat];
	const uint64_t at[] = {f ? f->master : t->master,
	    f ? f->moment1 : t->moment1, f ? f->moment2 : t->moment2};

	return at[slot];
}

static bool
add(struct lt_parts *p, const struct lt *rt, const struct lt_tensor *t,
    int slot)
{
	uint64_t offset = offset_of(rt->prog, t, slot);
	struct lt_part *x = &p->part[p->n];
	int n;

	if (offset == UINT64_MAX)
		return true;
	p->n++;
	x->file = slots[slot].file;
	x->tensor = t;
	x->data = rt->arena[LT_STATE] + offset;
	x->item.rank = t->rank;
	x->item.shape = t->shape;
	n = snprintf(x->item.name, sizeof x->item.name, "%s%s",
	    slots[slot].prefix, t->name);
	return n >= 0 && (size_t)n < sizeof x->item.name &&
	    size_mul(t->count, sizeof(float), &x->item.bytes);
}

/* Plans list tensors in orders of their own; a file has one order. */
static int
by_name(const void *p, const void *q)
{
	const struct lt_part *a = p, *b = q;

	return a->file != b->file ? a->file - b->file :
	    strcmp(a->item.name, b->item.name);
}

bool
lt_parts_of(const struct lt *rt, struct lt_parts *p, struct lt_error *error)
{
	const struct lt_program *g = rt->prog;
	bool ok = true;

	*p = (struct lt_parts){calloc((size_t)g->ntensor * SLOTS + 1,
	    sizeof *p->part), 0};
	if (p->part == NULL)
		return lt_error_set(error, LT_EXIT_FAIL, "out of memory");
	for (int i = 0; i < g->ntensor; i++) {
		ok = ok && lt_box_valid(g, &g->tensor[i]);
		for (int slot = 0; slot < SLOTS; slot++)
			ok = ok && add(p, rt, &g->tensor[i], slot);
	}
	qsort(p->part, p->n, sizeof *p->part, by_name);
	if (!ok)
		lt_parts_free(p);
	return ok || lt_error_set(error, LT_EXIT_CONFIG,
	    "the program's table of tensors is no table of tensors");
}

void
lt_parts_free(struct lt_parts *p)
{
	free(p->part);
	*p = (struct lt_parts){0};
}

struct lt_part *
lt_parts_find(const struct lt_parts *p, int file, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->part[i].file == file &&
		    strcmp(p->part[i].item.name, name) == 0)
			return &p->part[i];
	return NULL;
}

struct lt_shape_text
lt_shape_text(int rank, const uint64_t *shape)
{
	struct lt_shape_text t = {"["};
	size_t n = 1;

	for (int i = 0; i < rank; i++)
		n += (size_t)snprintf(t.s + n, sizeof t.s - n,
		    "%s%" PRIu64, i ? ", " : "", shape[i]);
	snprintf(t.s + n, sizeof t.s - n, "]");
	return t;
}
