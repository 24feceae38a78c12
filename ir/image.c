/* What is stored as images, and how much of them a rank has. */
#include "config.h"

#include "ir/ir.h"

bool
bundle_is_image(const struct module *m, const struct bundle *b)
{
	const struct bundle *root = b->of ? b->of : b;

	for (int i = 0; i < m->nbundle; i++) {
		const struct bundle *x = m->bundle[i];

		if ((x == root || x->of == root) && x->flat.n)
			return true;
	}
	return false;
}

uint64_t
bundle_block(const struct module *m, const struct bundle *b,
    const struct axis_list *flat)
{
	return bundle_image(m, b) / axis_list_blocks(m, flat);
}

struct slot *
bundle_image_slot(const struct module *m, const struct bundle *b)
{
	while (b->over)
		b = b->over;
	return module_slot(m, b->name);
}

bool
value_is_image(const struct value *v)
{
	return v->bundle && !(v->def && v->def->code == OP_PARAMS);
}

enum dtype
value_dtype(const struct value *v)
{
	return (enum dtype)(v->type ? v->type->dtype : v->dtype);
}

uint64_t
value_local_count(const struct module *m, const struct value *v)
{
	return v->type ? type_local_count(m, v->type) :
			 bundle_block(m, v->bundle, &v->flat);
}

uint64_t
value_local_bytes(const struct module *m, const struct value *v)
{
	return value_local_count(m, v) * dtype_size[value_dtype(v)];
}
