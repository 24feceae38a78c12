/* Attributes of ops, affine indices and loop bounds. */
#include "config.h"

#include <string.h>

#include "ir/attr.h"

static const char *const mask_words[] = {"causal", "full", "window", "same",
    NULL};
static const char *const style_words[] = {"half", "interleaved", NULL};

const struct attr_info attr_info[ATTR_COUNT] = {
#define ATTR(key, text, kind, dflt) [ATTR_##key] = {text, ATTRKIND_##kind, dflt},
#include "ir/attrs.def"
};

const char *const *
attr_words(enum attr_key k)
{
	return k == ATTR_MASK ? mask_words :
	    k == ATTR_STYLE ? style_words : NULL;
}

const struct attr *
op_attr(const struct op *op, enum attr_key k)
{
	for (int i = 0; i < op->nattr; i++)
		if (op->attr[i].key == k)
			return &op->attr[i];
	return NULL;
}

double
op_real(const struct op *op, enum attr_key k)
{
	const struct attr *a = op_attr(op, k);

	return a ? a->real : attr_info[k].dflt;
}

int64_t
op_int(const struct op *op, enum attr_key k)
{
	const struct attr *a = op_attr(op, k);

	return a ? a->num : (int64_t)attr_info[k].dflt;
}

const char *
op_dim(const struct op *op, enum attr_key k)
{
	const struct attr *a = op_attr(op, k);

	return a ? a->name : NULL;
}

/* The attribute k of op, added if it is not there; in the order of keys. */
static struct attr *
put_attr(struct module *m, struct op *op, enum attr_key k)
{
	struct attr *fresh;
	int at = 0;

	while (at < op->nattr && op->attr[at].key < k)
		at++;
	if (at < op->nattr && op->attr[at].key == k)
		return &op->attr[at];
	fresh = NEW_N(m->mem, struct attr, (size_t)op->nattr + 1);
	for (int i = 0; i < op->nattr; i++)
		fresh[i + (i >= at)] = op->attr[i];
	fresh[at].key = (uint8_t)k;
	op->attr = fresh;
	op->nattr++;
	return &fresh[at];
}

void
op_set_real(struct module *m, struct op *op, enum attr_key k, double v)
{
	put_attr(m, op, k)->real = v;
}

void
op_set_int(struct module *m, struct op *op, enum attr_key k, int64_t v)
{
	put_attr(m, op, k)->num = v;
}

void
op_set_dim(struct module *m, struct op *op, enum attr_key k, const char *dim)
{
	put_attr(m, op, k)->name = dim;
}

bool
attr_is_default(const struct attr *a)
{
	const struct attr_info *info = &attr_info[a->key];

	switch (info->kind) {
	case ATTRKIND_REAL:
		return a->real == info->dflt;
	case ATTRKIND_NAME:
		return a->name == NULL;
	default:
		return a->num == (int64_t)info->dflt;
	}
}

struct affine
affine_const(int64_t k)
{
	return (struct affine){.k = k};
}

struct affine
affine_var(const char *var)
{
	return (struct affine){.n = 1, .var = {var}, .coef = {1}};
}

int64_t
affine_eval(const struct affine *a, const char *const *var, const int64_t *val,
    int n)
{
	int64_t sum = a->k;

	for (int i = 0; i < a->n; i++)
		for (int j = n - 1; j >= 0; j--) /* innermost of a name */
			if (strcmp(var[j], a->var[i]) == 0) {
				sum += a->coef[i] * val[j];
				break;
			}
	if (a->mod > 0)
		sum = (sum % a->mod + a->mod) % a->mod;
	return sum;
}

/* A dimension or, in rings, a mesh axis. */
uint64_t
bound_eval(const struct module *m, const struct bound *b)
{
	const struct dimdef *d = b->dim ? module_dim(m, b->dim) : NULL;
	uint64_t size = d ? d->size : 0;

	for (int i = 0; b->dim && !d && i < m->naxis; i++)
		if (strcmp(m->axis[i].name, b->dim) == 0)
			size = m->axis[i].size;
	if (b->k < 0 && size < (uint64_t)-b->k)
		return 0;
	return size + (uint64_t)b->k;
}
