/* Layouts of the two roles, and the moves between them. */
#include "config.h"

#include <string.h>

#include "passes/partition.h"
#include "passes/rewrite.h"
#include "support/buf.h"

/* dp, or dp_ where the model has a dim of that name. */
static int
axis_named(const struct module *m, const char *name)
{
	size_t n = strlen(name);

	for (int i = 0; i < m->naxis; i++)
		if (strncmp(m->axis[i].name, name, n) == 0 &&
		    strspn(m->axis[i].name + n, "_") ==
		    strlen(m->axis[i].name + n))
			return i;
	return -1;
}

bool
partition_roles(struct module *m, struct roles *r)
{
	static const char *const context[] = {"co", "ci", "cp"};
	int known = 0;

	*r = (struct roles){.dp = axis_named(m, "dp"),
	    .hk = axis_named(m, "hk"), .hr = axis_named(m, "hr"),
	    .zigzag = true};
	if (r->hk < 0)
		r->hk = axis_named(m, "hp");
	for (int i = 0; i < 3; i++) {
		int a = axis_named(m, context[i]);

		if (a >= 0 && r->nctx < 2)
			r->ctx[r->nctx++] = a;
	}
	known = (r->dp >= 0) + (r->hk >= 0) + (r->hr >= 0) + r->nctx;
	if (known == m->naxis)
		return true;
	diag_error(m->diag, (struct span){0, 0}, "the mesh has an axis that "
	    "is none of dp, co, ci, cp, hp, hk, hr");
	return false;
}

static void
cut(struct dim *d, int axis)
{
	if (axis >= 0)
		d->s[d->n++] = (struct shard){.kind = SHARD_BLOCK, .n = 1,
		    .c = {{.axis = (uint8_t)axis}}};
}

static void
cut_context(struct dim *d, const struct roles *r)
{
	struct shard *s = &d->s[d->n];

	if (r->nctx == 0)
		return;
	*s = (struct shard){.kind = r->zigzag ? SHARD_ZIGZAG : SHARD_BLOCK,
	    .n = (uint8_t)r->nctx};
	for (int i = 0; i < r->nctx; i++)
		s->c[i].axis = (uint8_t)r->ctx[i];
	d->n++;
}

const struct type *
partition_type(struct module *m, const struct roles *r, const struct type *t,
    enum layout l, const struct heads *h)
{
	struct type x = *t;

	for (int i = 0; i < x.rank; i++) {
		struct dim *d = &x.d[i];
		bool tokens = strcmp(d->name, "s") == 0;

		memset(d->s, 0, sizeof d->s);
		d->n = 0;
		if (strcmp(d->name, "b") == 0)
			cut(d, r->dp);
		if (tokens)
			cut_context(d, r);
		if (tokens && l == TOKENS) {
			cut(d, r->hr);
			cut(d, r->hk);
		}
		if (l == ATTENTION && h && d->name == h->k)
			cut(d, r->hk);
		if (l == ATTENTION && h && d->name == h->g)
			cut(d, r->hr);
	}
	return type_intern(m, &x);
}

/* ------------------------------------------------------------------ moves */

static struct value *
put(struct partition *p, struct op *op, const char *name, bool infer,
    const struct type *t)
{
	struct value *v = func_value(p->m, p->f, func_fresh(p->m, p->f, name),
	    t, op->at);

	op->out[0] = v;
	v->def = op;
	if (infer && !op_infer(p->m, op))
		p->failed = true;
	region_insert(p->m, p->r, p->at++, op);
	return v;
}

static struct value *
cast(struct partition *p, struct value *v, enum dtype dt, const char *name)
{
	struct op *op = op_make(p->m, OP_CAST, (struct arg[]){arg_value(v)},
	    1, 1, v->at);

	return v->type->dtype == dt ? v : put(p, op, name, true,
	    type_with_dtype(p->m, v->type, dt));
}

struct move {
	enum opcode code;
	int n;
	struct hop hop[2];
};

static void
add_hop(struct move *x, int axis, const char *from, const char *to)
{
	if (axis >= 0)
		x->hop[x->n++] = (struct hop){.axis = (uint8_t)axis,
		    .from = from, .to = to};
}

static const char *
tokens(const struct partition *p)
{
	return module_namez(p->m, "s");
}

static struct value *
move(struct partition *p, struct value *v, const struct move *x,
    const char *name)
{
	struct op *op;

	if (x->n == 0 || p->failed)
		return v;
	op = op_make(p->m, x->code, (struct arg[]){arg_value(v)}, 1, 1, v->at);
	memcpy(op_set_hops(p->m, op, x->n), x->hop,
	    sizeof *x->hop * (size_t)x->n);
	return put(p, op, name, true, NULL);
}

static bool
has(const struct type *t, const char *dim)
{
	return dim && type_find(t, dim) >= 0;
}

/* Each rank of hr gets all tokens of its kv heads: they serve its group. */
static struct value *
to_heads(struct partition *p, struct value *v, const struct heads *h,
    const char *name)
{
	const struct roles *r = &p->roles;
	bool k = h && has(v->type, h->k), g = h && has(v->type, h->g);
	struct move swap = {.code = OP_A2A}, all = {.code = OP_GATHER};

	if (g)
		add_hop(&swap, r->hr, tokens(p), h->g);
	else
		add_hop(&all, r->hr, NULL, NULL);
	if (k)
		add_hop(&swap, r->hk, tokens(p), h->k);
	else
		add_hop(&all, r->hk, NULL, NULL);
	return move(p, move(p, v, &swap, all.n ? v->name : name), &all, name);
}

/* What a group of kv heads was used for is added up, in f32. */
static struct value *
to_tokens(struct partition *p, struct value *v, const struct heads *h,
    const char *name)
{
	const struct roles *r = &p->roles;
	struct move swap = {.code = OP_A2A}, sum = {.code = OP_RSCATTER};
	enum dtype dt = (enum dtype)v->type->dtype;

	if (h && has(v->type, h->g))
		add_hop(&swap, r->hr, h->g, tokens(p));
	else if (r->hr >= 0 && v->type->pend >> r->hr & 1)
		add_hop(&sum, r->hr, NULL, tokens(p));
	if (h && has(v->type, h->k))
		add_hop(&swap, r->hk, h->k, tokens(p));
	if (sum.n) {
		v = cast(p, v, DT_F32, v->name);
		v = move(p, v, &sum, v->name);
		v = cast(p, v, dt, v->name);
	}
	return move(p, v, &swap, name);
}

/* Behind the op of the region that gives v; -1 if none does. */
static int
behind(const struct partition *p, const struct value *v)
{
	for (int i = 0; v->def && i < p->r->n; i++)
		if (p->r->op[i] == v->def)
			return i + 1;
	return v->def ? -1 : 0;
}

static void
make_room(struct partition *p, int id)
{
	if (id < p->nversion)
		return;
	for (int l = 0; l < LAYOUTS; l++) {
		struct value **old = p->version[l];

		p->version[l] = NEW_N(p->m->mem, struct value *,
		    2 * (size_t)id + 64);
		if (p->nversion)
			memcpy(p->version[l], old, sizeof *old *
			    (size_t)p->nversion);
	}
	p->nversion = 2 * id + 64;
}

static void
complain(struct partition *p, const struct value *v, const struct type *want,
    struct span at)
{
	struct buf a = {0}, b = {0};

	type_print(p->m, v->type, &a);
	type_print(p->m, want, &b);
	diag_error(p->m->diag, at, "%s is %s and is needed as %s: there is no "
	    "move from one to the other", v->name, buf_text(&a), buf_text(&b));
	buf_free(&a);
	buf_free(&b);
	p->failed = true;
}

static bool
dims_agree(const struct type *a, const struct type *b)
{
	for (int i = 0; i < a->rank; i++)
		if (!dim_equal(&a->d[i], &b->d[i]))
			return false;
	return true;
}

struct value *
partition_known(struct partition *p, struct value *v, enum layout l,
    const struct heads *h)
{
	if (dims_agree(v->type, partition_type(p->m, &p->roles, v->type, l,
	    h)))
		return v;
	make_room(p, v->id);
	return p->version[l][v->id];
}

void
partition_note(struct partition *p, struct value *v, enum layout l,
    struct value *version)
{
	make_room(p, v->id);
	p->version[l][v->id] = version;
}

struct value *
partition_coerce(struct partition *p, struct value *v, enum layout l,
    const struct heads *h, struct span at)
{
	const struct type *want = partition_type(p->m, &p->roles, v->type, l,
	    h);
	int here = p->at, put_at, known;
	struct value *x;

	known = behind(p, v);
	p->at = put_at = known < 0 ? 0 : known;
	x = l == ATTENTION ? to_heads(p, v, h, arena_printf(p->m->mem, "%sA",
	    v->name)) : to_tokens(p, v, h, arena_printf(p->m->mem, "%sT",
	    v->name));
	here += p->at - put_at;
	p->at = here;
	if (p->failed)
		return NULL;
	if (!dims_agree(x->type, want)) {
		complain(p, v, want, at);
		return NULL;
	}
	if (known >= 0) /* else only this region knows it */
		partition_note(p, v, l, x);
	return x;
}
