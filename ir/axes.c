/* Mesh axes in order, the images of bundles that they cut, and conditions. */
#include "config.h"

#include <string.h>

#include "ir/ir.h"

axis_set
axis_list_set(const struct axis_list *l)
{
	axis_set s = 0;

	for (int i = 0; i < l->n; i++)
		s |= (axis_set)(1u << l->axis[i]);
	return s;
}

bool
axis_list_equal(const struct axis_list *a, const struct axis_list *b)
{
	return a->n == b->n && memcmp(a->axis, b->axis, a->n) == 0;
}

uint64_t
axis_list_blocks(const struct module *m, const struct axis_list *l)
{
	uint64_t n = 1;

	for (int i = 0; i < l->n; i++)
		n *= m->axis[l->axis[i]].size;
	return n;
}

uint64_t
axis_list_block(const struct module *m, const struct axis_list *l,
    const int *coord)
{
	uint64_t at = 0;

	for (int i = 0; i < l->n; i++)
		at = at * m->axis[l->axis[i]].size +
		    (uint64_t)coord[l->axis[i]];
	return at;
}

int
module_axis(const struct module *m, const char *name)
{
	for (int i = 0; i < m->naxis; i++)
		if (strcmp(m->axis[i].name, name) == 0)
			return i;
	return -1;
}

static uint64_t
round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/* Where fields begin; sizes were checked when the module was verified. */
uint64_t
bundle_image_at(const struct module *m, const struct bundle *b, int field)
{
	uint64_t at = 0;

	for (int i = 0; i < field; i++)
		at += round_up(type_local_count(m, b->field[i].type),
		    IMAGE_ALIGN);
	return at;
}

uint64_t
bundle_image(const struct module *m, const struct bundle *b)
{
	uint64_t ranks = 1;

	for (int i = 0; i < m->naxis; i++)
		ranks *= m->axis[i].size;
	return round_up(bundle_image_at(m, b, b->nfield), IMAGE_ALIGN * ranks);
}

bool
cond_holds(const struct module *m, const struct cond *c,
    const char *const *var, const int64_t *val, int n)
{
	int64_t a = affine_eval(&c->a, var, val, n);
	int64_t b = (int64_t)bound_eval(m, &c->b);

	return !c->set || (c->cmp == '<' ? a < b : a > b);
}

struct hop *
op_set_hops(struct module *m, struct op *op, int n)
{
	op->nhop = (uint8_t)n;
	return op->hop = NEW_N(m->mem, struct hop, (size_t)n);
}

axis_set
op_axes(const struct op *op)
{
	axis_set s = 0;

	for (int i = 0; i < op->nhop; i++)
		s |= (axis_set)(1u << op->hop[i].axis);
	return s;
}
