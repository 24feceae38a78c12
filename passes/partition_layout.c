/* From roles to types: which mesh axes cut which dims. */
#include "config.h"

#include <string.h>

#include "passes/partition.h"

/* Names of axes may end in _ where a dim has them. */
static bool
is_called(const char *axis, const char *name)
{
	size_t n = strcspn(axis, "_");

	return n == strlen(name) && strncmp(axis, name, n) == 0;
}

static void
context_axis(struct part *p, int axis)
{
	if (p->nctx < 2)
		p->ctx[p->nctx++] = axis;
}

static void
see_window(struct op *op, void *arg)
{
	enum { WINDOW = 2 }; /* mask_words */
	int *n = arg;

	if (op->code == OP_ATTN)
		n[op_int(op, ATTR_MASK) != WINDOW]++;
}

/* Sliding windows alone: neighbours matter, so ranks have blocks. */
static bool
only_windows(const struct module *m)
{
	int n[2] = {0, 0};

	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, see_window, n);
	return n[0] && !n[1];
}

bool
part_axes(struct part *p)
{
	const struct module *m = p->m;

	p->dp = p->hk = p->hr = -1;
	for (int i = 0; i < m->naxis; i++) {
		const char *name = m->axis[i].name;

		if (is_called(name, "dp"))
			p->dp = i;
		else if (is_called(name, "hp") || is_called(name, "hk"))
			p->hk = i;
		else if (is_called(name, "hr"))
			p->hr = i;
		else if (is_called(name, "cp") || is_called(name, "co") ||
		    is_called(name, "ci"))
			context_axis(p, i);
		else
			part_error(p, (struct span){0, 0}, "no dim is cut by "
			    "mesh axis %s; there are dp, cp or co and ci, and "
			    "hp or hk and hr", name);
		p->all |= (axis_set)(1u << i);
	}
	p->blocks = only_windows(m);
	return p->errors == 0;
}

static void
cut(struct dim *d, int axis)
{
	if (axis >= 0)
		d->s[d->n++] = (struct shard){.kind = SHARD_BLOCK, .n = 1,
		    .c = {{.axis = (uint8_t)axis}}};
}

/* One shard over all context axes, the outer one first. */
static void
cut_context(const struct part *p, struct dim *d)
{
	struct shard *s = &d->s[d->n];

	if (p->nctx == 0)
		return;
	*s = (struct shard){.kind = p->blocks ? SHARD_BLOCK : SHARD_ZIGZAG,
	    .n = (uint8_t)p->nctx};
	for (int i = 0; i < p->nctx; i++)
		s->c[i].axis = (uint8_t)p->ctx[i];
	d->n++;
}

static int
position(const struct type *t)
{
	for (int i = 0; i < t->rank; i++)
		if (strcmp(t->d[i].name, "s") == 0)
			return i;
	return -1;
}

bool
part_has_tokens(const struct type *t)
{
	return position(t) >= 0 ||
	    (t->rank && strcmp(t->d[0].name, "b") == 0) ||
	    (t->rank > 1 && strcmp(t->d[1].name, "b") == 0);
}

const char *
part_heads(const struct type *t)
{
	int at = position(t) + 1;

	return at > 0 && at < t->rank ? t->d[at].name : NULL;
}

const char *
part_group(const struct part *p, const struct type *t)
{
	for (int i = position(t) + 2; p->hr >= 0 && i < t->rank - 1; i++)
		if (module_dim(p->m, t->d[i].name)->size %
		    p->m->axis[p->hr].size == 0)
			return t->d[i].name;
	return NULL;
}

/* Equal pieces, two of each rank where they are zigzag pairs. */
static void
check_pieces(struct part *p, const struct dim *d)
{
	uint64_t size = module_dim(p->m, d->name)->size, left = size;

	for (int i = 0; i < d->n && !p->errors; i++) {
		bool pair = d->s[i].kind == SHARD_ZIGZAG;
		uint64_t n = pair ? 2 : 1;

		for (int j = 0; j < d->s[i].n; j++)
			n *= p->m->axis[d->s[i].c[j].axis].size;
		if (left % n)
			part_error(p, (struct span){0, 0}, "%s = %llu cannot "
			    "be cut by the mesh: %llu pieces of %llu", d->name,
			    (unsigned long long)size, (unsigned long long)n,
			    (unsigned long long)left);
		left /= pair ? n / 2 : n;
	}
}

const struct type *
part_layout(struct part *p, const struct type *t, enum role role)
{
	struct type r = *t;
	const char *heads = role == ROLE_QUERY || role == ROLE_KEY ?
	    part_heads(t) : NULL;
	const char *group = role == ROLE_QUERY ? part_group(p, t) : NULL;

	for (int i = 0; i < r.rank; i++) {
		struct dim *d = &r.d[i];

		*d = (struct dim){.name = t->d[i].name};
		if (strcmp(d->name, "b") == 0)
			cut(d, p->dp);
		if (strcmp(d->name, "s") == 0)
			cut_context(p, d);
		if (strcmp(d->name, "s") == 0 && role == ROLE_TOKEN) {
			cut(d, p->hr);
			cut(d, p->hk);
		}
		if (d->name == heads)
			cut(d, p->hk);
		if (d->name == group)
			cut(d, p->hr);
		check_pieces(p, d);
	}
	return type_intern(p->m, &r);
}
