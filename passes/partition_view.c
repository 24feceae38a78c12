/*
 * A value in another layout: the one op, or pair of ops, that leads there.
 *
 *   T -> A      q: a2a on hr s>g, hk s>k      k, v: a2a on hk s>k, gather on hr
 *               document ids: gather on hr, hk
 *   A -> T      a2a on hr g>s, hk k>s         dk, dv: rscatter on hr>s (f32),
 *                                             then a2a on hk k>s
 *   pending     allreduce over what is pending
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "passes/partition.h"
#include "passes/rewrite.h"
#include "support/buf.h"

void
part_error(struct part *p, struct span at, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	diag_error(p->m->diag, at, "%s", text);
	p->errors++;
}

const char *
part_type_text(struct part *p, const struct type *t)
{
	struct buf b = {0};
	const char *s;

	type_print(p->m, t, &b);
	s = arena_strndup(p->m->mem, buf_text(&b), b.len);
	buf_free(&b);
	return s;
}

void
part_home(struct part *p, struct part_func *x, const struct value *v,
    int depth)
{
	if (v->id >= x->nhome) {
		int n = v->id * 2 + 64;
		struct home *home = NEW_N(p->m->mem, struct home, (size_t)n);

		if (x->nhome)
			memcpy(home, x->home, (size_t)x->nhome * sizeof *home);
		x->home = home;
		x->nhome = n;
	}
	x->home[v->id].depth = depth;
}

void
part_append(struct part *p, struct part_func *x, struct op *op, int depth)
{
	region_append(p->m, x->out[depth], op);
	for (int i = 0; i < op->nout; i++)
		part_home(p, x, op->out[i], depth);
}

/* op, which reads v, comes as soon as v is there. */
static void
put_after(struct part *p, struct part_func *x, struct op *op,
    const struct value *v)
{
	int depth = x->home[v->id].depth;
	struct region *r = x->out[depth];
	int at = r->n;

	while (at > 0 && r->op[at - 1] != v->def)
		at--;
	/* Parameters and carries have no op here, but what is loaded is. */
	while (at == 0 && r->n && r->op[at]->code == OP_LOAD)
		at++;
	region_insert(p->m, r, at, op);
	part_home(p, x, op->out[0], depth);
}

void
part_on(struct part *p, struct op *op, axis_set set)
{
	struct hop *h = op_set_hops(p->m, op, __builtin_popcount(set));

	for (int i = 0; i < p->m->naxis; i++)
		if (set >> i & 1)
			(h++)->axis = (uint8_t)i;
}

/* --------------------------------------------------------------- one move */

struct change {
	struct part *p;
	struct part_func *x;
	struct value *v; /* so far */
	struct span at;
	const char *base, *suffix; /* of new names */
};

/* A name that is free, also in the twin, which may load the value. */
static const char *
free_name(struct change *c, const char *base)
{
	const struct func *twin = c->x->twin ? NULL : c->x->f->twin;
	const char *name = func_fresh(c->p->m, c->x->f, base);

	for (int i = 2; twin && func_uses(twin, name); i++)
		name = func_fresh(c->p->m, c->x->f,
		    arena_printf(c->p->m->mem, "%s%d", base, i));
	return name;
}

/* v becomes what the op makes of it; t: its type, NULL: by the rule. */
static void
change_by(struct change *c, enum opcode code, const struct hop *hop, int n,
    const struct type *t)
{
	struct module *m = c->p->m;
	struct op *op = op_make(m, code, (struct arg[]){arg_value(c->v)}, 1, 1,
	    c->at);
	const char *name = free_name(c, arena_printf(m->mem, "%s%s",
	    c->base, c->suffix));

	if (n)
		memcpy(op_set_hops(m, op, n), hop, (size_t)n * sizeof *hop);
	c->v = op_result(m, c->x->f, op, 0, name, t);
	if (!op_infer(m, op))
		c->p->errors++;
	put_after(c->p, c->x, op, op->in[0].v);
}

static void
move(struct change *c, enum opcode code, const struct hop *hop, int n)
{
	change_by(c, code, hop, n, NULL);
}

/* The two axes of heads; from or to are the dims that they cut. */
static int
head_hops(const struct change *c, struct hop *h, bool to_heads)
{
	const struct part *p = c->p;
	const struct type *t = c->v->type;
	const char *s = module_namez(p->m, "s"), *group = part_group(p, t);
	int n = 0;

	if (p->hr >= 0 && group)
		h[n++] = (struct hop){(uint8_t)p->hr, to_heads ? s : group,
		    to_heads ? group : s, 0};
	if (p->hk >= 0)
		h[n++] = (struct hop){(uint8_t)p->hk,
		    to_heads ? s : part_heads(t), to_heads ? part_heads(t) : s,
		    0};
	return n;
}

static void
to_query(struct change *c)
{
	struct hop h[2];
	int n = head_hops(c, h, true);

	c->suffix = "A";
	move(c, OP_A2A, h, n);
}

static void
gather_heads(struct change *c, bool both)
{
	struct hop h[2] = {{.axis = 0}};
	int n = 0;

	if (c->p->hr >= 0)
		h[n++].axis = (uint8_t)c->p->hr;
	if (c->p->hk >= 0 && both)
		h[n++].axis = (uint8_t)c->p->hk;
	if (n)
		move(c, OP_GATHER, h, n);
}

static void
to_key(struct change *c)
{
	const char *heads = part_heads(c->v->type);
	struct hop h = {(uint8_t)c->p->hk, module_namez(c->p->m, "s"), heads,
	    0};

	c->suffix = c->p->hr >= 0 ? "H" : "A";
	if (c->p->hk >= 0)
		move(c, OP_A2A, &h, 1);
	if (c->p->errors)
		return;
	c->suffix = "A";
	gather_heads(c, false);
}

static void
cast(struct change *c, enum dtype dt, const char *suffix)
{
	c->suffix = suffix;
	if (c->v->type->dtype != dt)
		change_by(c, OP_CAST, NULL, 0, type_with_dtype(c->p->m,
		    c->v->type, dt));
}

/* The parts of a group's gradient are added up in f32. */
static void
sum_group(struct change *c, const char *suffix)
{
	struct hop h = {(uint8_t)c->p->hr, NULL, module_namez(c->p->m, "s"),
	    0};
	enum dtype dt = (enum dtype)c->v->type->dtype;
	bool narrow = dt != DT_F32;

	cast(c, DT_F32, "F");
	c->suffix = narrow ? "S" : suffix;
	move(c, OP_RSCATTER, &h, 1);
	if (!c->p->errors)
		cast(c, dt, suffix);
}

static void
key_to_token(struct change *c)
{
	struct hop h = {(uint8_t)c->p->hk, part_heads(c->v->type),
	    module_namez(c->p->m, "s"), 0};

	if (c->p->hr >= 0)
		sum_group(c, c->p->hk >= 0 ? "H" : "T");
	c->suffix = "T";
	if (c->p->hk >= 0 && !c->p->errors)
		move(c, OP_A2A, &h, 1);
}

static void
query_to_token(struct change *c)
{
	struct hop h[2];
	int n = head_hops(c, h, false);

	c->suffix = "T";
	move(c, OP_A2A, h, n);
}

/* Sums between ranks are of f32. */
static void
complete(struct change *c)
{
	struct hop h[MAX_AXES] = {{.axis = 0}};
	enum dtype dt = (enum dtype)c->v->type->dtype;
	bool narrow = dt != DT_F32;
	int n = 0;

	for (int i = 0; i < c->p->m->naxis; i++)
		if (c->v->type->pend >> i & 1)
			h[n++].axis = (uint8_t)i;
	cast(c, DT_F32, "F");
	c->suffix = narrow ? "S" : "R";
	move(c, OP_ALLREDUCE, h, n);
	if (!c->p->errors)
		cast(c, dt, "R");
}

/* -------------------------------------------------------------- all of it */

/* t without pending sums. */
static const struct type *
summed(struct part *p, const struct type *t)
{
	struct type r = *t;

	r.pend = 0;
	return type_intern(p->m, &r);
}

static const struct type *
target_of(struct part *p, const struct type *t, enum role role)
{
	return role == ROLE_FULL ? summed(p, t) : part_layout(p, t, role);
}

static bool
lies_as(struct part *p, const struct type *t, enum role role)
{
	return t == part_layout(p, t, role);
}

/* True if some op leads there. */
static bool
change_to(struct change *c, enum role role)
{
	struct part *p = c->p;
	const struct type *t = c->v->type;

	if (role == ROLE_FULL)
		complete(c);
	else if (role == ROLE_TOKEN && lies_as(p, t, ROLE_KEY) &&
	    (p->hr < 0 || t->pend == 1u << p->hr))
		key_to_token(c);
	else if (role == ROLE_TOKEN && lies_as(p, t, ROLE_QUERY))
		query_to_token(c);
	else if (role == ROLE_QUERY && lies_as(p, t, ROLE_TOKEN))
		to_query(c);
	else if (role == ROLE_KEY && lies_as(p, t, ROLE_TOKEN))
		to_key(c);
	else if (role == ROLE_DOC && lies_as(p, t, ROLE_TOKEN)) {
		c->suffix = "A";
		gather_heads(c, true);
	} else
		return false;
	return true;
}

static struct value *
known_view(const struct part_func *x, const struct value *v, enum role role)
{
	const struct view *w = v->id < x->nhome ? x->home[v->id].view : NULL;

	for (; w; w = w->next)
		if (w->role == role)
			return w->is;
	return NULL;
}

static void
remember(struct part *p, struct part_func *x, const struct value *v,
    enum role role, struct value *is)
{
	struct view *w = NEW(p->m->mem, struct view);

	*w = (struct view){is, (uint8_t)role, x->home[v->id].view};
	x->home[v->id].view = w;
}

/* What the block has saved in that layout is loaded instead of made again. */
static struct value *
load_view(struct part *p, struct part_func *x, const struct value *v,
    enum role role)
{
	struct op *load = x->load;
	struct value *block, *made, **out;

	if (!load || v->def != load || !x->twin)
		return NULL;
	block = func_find(x->twin->f, v->name);
	made = block ? known_view(x->twin, block, role) : NULL;
	if (!made || x->twin->home[made->id].depth != 0 ||
	    func_uses(x->f, made->name))
		return NULL;
	out = NEW_N(p->m->mem, struct value *, (size_t)load->nout + 1);
	memcpy(out, load->out, (size_t)load->nout * sizeof(struct value *));
	load->out = out;
	out[load->nout] = func_value(p->m, x->f, made->name, made->type,
	    load->at);
	out[load->nout]->def = load;
	part_home(p, x, out[load->nout], 0);
	return out[load->nout++];
}

struct value *
part_view(struct part *p, struct part_func *x, struct value *v,
    enum role role, struct span at)
{
	struct change c = {p, x, v, at, v->name ? v->name : "t", ""};
	const struct type *want;
	struct value *is;

	if (role == ROLE_AS_IS || !v->type)
		return v;
	want = target_of(p, v->type, role);
	if (v->type == want)
		return v;
	if ((is = known_view(x, v, role)) || (is = load_view(p, x, v, role))) {
		remember(p, x, v, role, is);
		return is;
	}
	if (!change_to(&c, role) || c.v->type != (role == ROLE_FULL ? want :
	    summed(p, want))) {
		if (!p->errors)
			part_error(p, at, "%s: nothing makes %s of %s", v->name,
			    part_type_text(p, want), part_type_text(p,
			    v->type));
		return NULL;
	}
	remember(p, x, v, role, c.v);
	return c.v;
}
