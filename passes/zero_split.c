/*
 * Bundles become several where that saves something: those of layers if their
 * matrices are shared over other axes than the rest, and others, whose fields
 * are large and read far apart (embeddings, the head), into one for each
 * matrix and one for all vectors, so that each comes and goes on its own.
 *
 *   bundle W[L] layer { n[e] wq[e,k] }       bundle W[L] layer { wq[e,k] }
 *                                            bundle Wr[L] layer { n[e] }
 *   bundle E model { emb[v,e] head[e,v] }    bundle E model { emb[v,e] }
 *                                            bundle E_head model { head[e,v] }
 *   w = params @W[l] : f32                   w = params @W[l] : f32
 *                                            wr = params @Wr[l] : f32
 *
 * and every op that names a bundle of the family names what it became.
 */
#include "config.h"

#include "passes/rewrite.h"
#include "passes/zero.h"
#include "support/ptrmap.h"

#include <string.h>

struct family { /* parameters and what is derived from them */
	int nfield, nparts;
	int *part; /* by field */
	int *at;   /* by field: its place in its part */
	const char **suffix; /* by part: of its name; part 0 keeps the name */
};

struct pieces { /* what a bundle becomes; piece[0] is the bundle itself */
	const struct family *of;
	struct bundle **piece;
};

struct split {
	struct zero *z;
	struct module *m;
	struct family *family;
	int nfamily;
	struct pieces *pieces;
	int n;
	struct ptrmap family_of; /* by root */
	struct ptrmap pieces_of; /* by what was cut */
	struct func *f;
	struct value ***twin; /* by id of a params value, then part */
	int ntwin;
};

static bool
same_axes(const struct zero *z)
{
	for (int k = 0; k < ZERO_KINDS; k++)
		if (!axis_list_equal(&z->axes[ZERO_MATRICES][k],
		    &z->axes[ZERO_REST][k]))
			return false;
	return true;
}

static const struct pieces *
pieces_of(const struct split *s, const struct bundle *b)
{
	return ptrmap_get(&s->pieces_of, b);
}

/* What part k of b is; b itself if it is whole. */
static struct bundle *
piece_of(const struct split *s, struct bundle *b, int k)
{
	const struct pieces *p = b ? pieces_of(s, b) : NULL;

	return p ? p->piece[k] : b;
}

/* --------------------------------------------------------------- families */

/* Fields with the same key, which is above 0, stay together. */
static int
key_of(const struct split *s, const struct bundle *b, int field)
{
	if (b->stack)
		return same_axes(s->z) ? 1 : 1 + (int)zero_class_of(b, field);
	if (!s->z->axes[ZERO_REST][ZERO_STATE].n)
		return 1;
	return b->field[field].type->rank > 1 ? 2 + field : 1;
}

static const char *
suffix_of(const struct split *s, const struct bundle *b, int field)
{
	char *name;

	if (b->stack || b->field[field].type->rank <= 1)
		return "r";
	name = arena_printf(s->m->mem, "_%s", b->field[field].name);
	for (char *p = name; *p; p++)
		if (*p == '.')
			*p = '_';
	return name;
}

static void
see_root(struct split *s, const struct bundle *b)
{
	struct family *f = &s->family[s->nfamily];
	size_t n = (size_t)b->nfield + 1;
	int *key = NEW_N(s->m->mem, int, n), *size = NEW_N(s->m->mem, int, n);

	*f = (struct family){.nfield = b->nfield,
	    .part = NEW_N(s->m->mem, int, n), .at = NEW_N(s->m->mem, int, n),
	    .suffix = NEW_N(s->m->mem, const char *, n)};
	if (b->stack && !same_axes(s->z))
		key[f->nparts++] = 1; /* matrices keep the name */
	for (int i = 0; i < b->nfield; i++) {
		int k = 0;

		while (k < f->nparts && key[k] != key_of(s, b, i))
			k++;
		if (k == f->nparts) {
			key[f->nparts++] = key_of(s, b, i);
			f->suffix[k] = suffix_of(s, b, i);
		}
		f->part[i] = k;
		f->at[i] = size[k]++;
	}
	if (f->nparts < 2 || size[0] == 0)
		return;
	ptrmap_put(s->m->mem, &s->family_of, b, f);
	s->nfamily++;
}

static const struct family *
family_of(const struct split *s, const struct bundle *b)
{
	return ptrmap_get(&s->family_of, b->of ? b->of : b);
}

/* ----------------------------------------------------------------- bundles */

static const char *
free_name(struct module *m, const char *base, const char *suffix)
{
	const char *name = module_namez(m, arena_printf(m->mem, "%s%s", base,
	    suffix));

	for (int i = 1; module_bundle(m, name); i++)
		name = module_namez(m, arena_printf(m->mem, "%s%s%d", base,
		    suffix, i));
	return name;
}

static struct bundle *
new_piece(struct split *s, struct bundle *b, const char *suffix, int k)
{
	struct bundle *r = module_add_bundle(s->m, free_name(s->m, b->name,
	    suffix), b->stack, (enum bundle_role)b->role,
	    (enum dtype)b->dtype);

	r->of = piece_of(s, b->of, k);
	r->over = piece_of(s, b->over, k);
	r->pend = b->pend;
	r->path = b->path ? b->path : zero_root(b)->name; /* as it was called */
	return r;
}

/* Roots come before what is derived from them, and keep their first part. */
static void
cut_bundle(struct split *s, struct bundle *b, const struct family *f)
{
	struct pieces *p = &s->pieces[s->n];
	int kept = 0;

	p->of = f;
	p->piece = NEW_N(s->m->mem, struct bundle *, (size_t)f->nparts);
	p->piece[0] = b;
	for (int k = 1; k < f->nparts; k++)
		p->piece[k] = new_piece(s, b, f->suffix[k], k);
	for (int i = 0; i < f->nfield; i++) {
		struct field x = b->field[i];

		if (f->part[i])
			bundle_add_field(s->m, p->piece[f->part[i]], x.name,
			    x.type, x.init, x.decay, x.at);
		else
			b->field[kept++] = x;
	}
	b->nfield = kept;
	ptrmap_put(s->m->mem, &s->pieces_of, b, p);
	s->n++;
}

/* --------------------------------------------------------------------- ops */

static struct value *
new_twin(struct split *s, const struct value *v, struct op *op, int k)
{
	struct value *r = op_result(s->m, s->f, op, 0, v->name ?
	    arena_printf(s->m->mem, "%s%s", v->name,
	    pieces_of(s, v->bundle)->of->suffix[k]) : NULL, NULL);

	r->bundle = piece_of(s, v->bundle, k);
	r->dtype = v->dtype;
	r->pend = v->pend;
	return r;
}

static struct value **
twins_of(struct split *s, const struct value *v, int nparts)
{
	if (v->id >= s->ntwin)
		return NULL;
	if (!s->twin[v->id])
		s->twin[v->id] = NEW_N(s->m->mem, struct value *,
		    (size_t)nparts);
	return s->twin[v->id];
}

/* The same op for part k; out of whole bundles into whole bundles. */
static struct op *
piece_op(struct split *s, const struct op *op, int k, int nparts)
{
	struct op *r = op_make(s->m, (enum opcode)op->code, op->in, op->nin,
	    op->nout, op->at);

	for (int i = 0; i < r->nin; i++)
		r->in[i].b = piece_of(s, op->in[i].b, k);
	r->nhop = op->nhop;
	r->hop = op->hop;
	r->nattr = op->nattr;
	r->attr = op->attr;
	r->has_target = op->has_target;
	r->target = op->target;
	r->target.b = piece_of(s, op->target.b, k);
	for (int i = 0; i < op->nout; i++) {
		struct value **t = twins_of(s, op->out[i], nparts);
		struct value *v = new_twin(s, op->out[i], r, k);

		if (t)
			t[k] = v;
	}
	return r;
}

/* Fields of a bundle that was cut are now those of one piece. */
static void
move_arg(struct split *s, struct arg *a)
{
	struct bundle *b = a->kind == ARG_FIELD ? a->v->bundle :
	    a->kind == ARG_BUNDLE_FIELD ? a->b : NULL;
	const struct pieces *p = b ? pieces_of(s, b) : NULL;
	int k;

	if (!p)
		return;
	k = p->of->part[a->field];
	a->field = p->of->at[a->field];
	if (k && a->kind == ARG_FIELD)
		a->v = s->twin[a->v->id][k];
	else if (k)
		a->b = p->piece[k];
}

/* zero and sumsq take any number of bundles. */
static void
name_all(struct split *s, struct op *op)
{
	struct arg *in = NEW_N(s->m->mem, struct arg,
	    (size_t)s->m->nbundle + (size_t)op->nin);
	int n = 0;

	for (int i = 0; i < op->nin; i++) {
		struct arg a = op->in[i];
		const struct pieces *p = a.kind == ARG_BUNDLE ?
		    pieces_of(s, a.b) : NULL;

		in[n++] = a;
		for (int k = 1; p && k < p->of->nparts; k++) {
			a.b = p->piece[k];
			in[n++] = a;
		}
	}
	op->in = in;
	op->nin = n;
}

static const struct pieces *
names_cut(const struct split *s, const struct op *op)
{
	for (int i = 0; i < op->nin; i++)
		if (op->in[i].kind == ARG_BUNDLE &&
		    pieces_of(s, op->in[i].b))
			return pieces_of(s, op->in[i].b);
	return NULL;
}

static void
cut_region(struct split *s, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct op *op = r->op[i];
		const struct pieces *p;

		for (int j = 0; j < op->nin; j++)
			move_arg(s, &op->in[j]);
		if (op->has_target)
			move_arg(s, &op->target);
		cut_region(s, &op->body);
		p = names_cut(s, op);
		if (p && (op->code == OP_ZERO || op->code == OP_SUMSQ))
			name_all(s, op);
		else
			for (int k = 1; p && k < p->of->nparts; k++)
				region_insert(s->m, r, ++i,
				    piece_op(s, op, k, p->of->nparts));
	}
}

void
zero_split(struct zero *z)
{
	struct split s = {.z = z, .m = z->m};
	int n = z->m->nbundle;

	s.family = NEW_N(z->m->mem, struct family, (size_t)n + 1);
	s.pieces = NEW_N(z->m->mem, struct pieces, (size_t)n + 1);
	for (int i = 0; i < n; i++)
		if (z->m->bundle[i]->role == ROLE_PARAM)
			see_root(&s, z->m->bundle[i]);
	for (int i = 0; i < n; i++)
		if (family_of(&s, z->m->bundle[i]))
			cut_bundle(&s, z->m->bundle[i],
			    family_of(&s, z->m->bundle[i]));
	for (int i = 0; i < z->m->nfunc && s.n; i++) {
		s.f = z->m->func[i];
		s.ntwin = s.f->nvalue;
		s.twin = NEW_N(z->m->mem, struct value **,
		    (size_t)s.ntwin + 1);
		cut_region(&s, &s.f->body);
		remove_dead(s.f);
	}
}
