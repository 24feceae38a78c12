/*
 * zero: ranks share parameters, gradients and optimizer state (ZeRO).
 *
 *   before                                after, all three over hp, dp left
 *   bundle W[L] ..            : f32       .. : f32 flat/(hp)
 *   bundle GW[L] = grad W     : f32 +all  .. : f32 flat/(hp) +(dp)
 *   fn layer(l:L, x) {
 *     w = params @W[l] : f32                w = gather @W[l] on hp : f32
 *   fn layer.bwd(l:L, dr) {                 g = local @GW : f32 +all
 *     @GW[l].w2 += dot a, dr                g.w2 = dot a, dr
 *                                           s = rscatter g on hp : f32 flat/(hp) +(dp)
 *                                           @GW[l] += accum s
 *   fn step(tok, lab) {
 *     @RW = allreduce @GW on dp,hp          @RW = allreduce @GW on dp
 *     ss = sumsq @RW                        ss1 = sumsq @RW : f32[] +(hp)
 *                                           ss = allreduce ss1 on hp
 *
 * Parameters, gradients and state each have their own axes, each list the
 * beginning of the next; the master W and the moments are cut over the axes of
 * the state.  Where parameters are cut over fewer, or read as bf16, blocks
 * read a copy of them, which `fn refresh` and the end of a step fill.  Where
 * gradients are cut over fewer, the step scatters them once more.  What blocks
 * compute does not change, nor what is added up, only where sums are kept.
 *
 * Rajbhandari et al., "ZeRO" (SC 2020), with an axes list for each of the
 * three (LoongTrain, section 4.3).
 *
 * needs: gradients pending on what they are summed over.  keeps: values.
 * leaves: stage d, flat bundles and moves of them; or nothing changed.
 */
#include "config.h"

#include "passes/zero.h"

#include <string.h>

#include "passes/pass.h"
#include "passes/rewrite.h"

/* Lists in one setting: "params(hp) grads(hp) optimizer(hp,ci)". */
static const char *const keys[ZERO_CLASSES] = {"plan.zero.matrices",
	"plan.zero.rest"};
static const char *const kinds[ZERO_KINDS] = {"params", "grads", "optimizer"};

enum zero_class
zero_class_of(const struct bundle *b, int field)
{
	const struct bundle *root = b->of ? b->of : b;

	return b->stack && root->field[field].decay ? ZERO_MATRICES :
						      ZERO_REST;
}

struct bundle *
zero_root(struct bundle *b)
{
	return b->of ? b->of : b;
}

const struct axis_list *
zero_axes(const struct zero *z, const struct bundle *b)
{
	return z->axes[b->nfield ? zero_class_of(b, 0) : ZERO_REST];
}

struct axis_list
zero_behind(const struct axis_list *all, const struct axis_list *first)
{
	struct axis_list l = {0};

	for (int i = first->n; i < all->n; i++)
		l.axis[l.n++] = all->axis[i];
	return l;
}

struct op *
zero_move(struct module *m, enum opcode code, struct arg in,
    const struct axis_list *on, struct span at)
{
	struct op *op = op_make(m, code, &in, 1, 1, at);

	op_set_hops(m, op, on->n);
	for (int i = 0; i < on->n; i++)
		op->hop[i].axis = on->axis[i];
	return op;
}

struct value *
zero_result(struct module *m, struct func *f, struct op *op, const char *name,
    struct bundle *b, enum dtype dt, const struct axis_list *flat,
    axis_set pend)
{
	struct value *v = op_result(m, f, op, 0, name, NULL);

	v->bundle = b;
	v->dtype = (uint8_t)dt;
	v->flat = *flat;
	v->pend = pend;
	return v;
}

void
zero_into(struct module *m, struct func *f, struct op *op, struct arg to)
{
	zero_result(m, f, op, NULL, to.b, (enum dtype)to.b->dtype, &to.b->flat,
	    to.b->pend);
	op->has_target = true;
	op->target = to;
}

/* ------------------------------------------------------------------- lists */

struct text { /* what is left of a setting */
	struct module *m;
	const struct setting *set;
	const char *p;
	bool bad;
};

static void
complain(struct text *t, const char *what, const char *name)
{
	if (!t->bad)
		diag_error(t->m->diag, t->set->at, "%s: %s%s", t->set->key,
		    what, name);
	t->bad = true;
}

static void
expect(struct text *t, const char *word)
{
	t->p += strspn(t->p, " \t");
	if (strncmp(t->p, word, strlen(word)) == 0)
		t->p += strlen(word);
	else
		complain(t, "write params(hp) grads(hp) optimizer(hp,ci): "
		    "missing ", word);
}

static const char *
read_word(struct text *t)
{
	size_t n;

	t->p += strspn(t->p, " \t,");
	n = strcspn(t->p, " \t,)");
	t->p += n;
	return n ? module_name(t->m, t->p - n, n) : NULL;
}

static bool
append(struct axis_list *l, int axis)
{
	if (axis < 0 || axis_list_set(l) >> axis & 1)
		return false;
	l->axis[l->n++] = (uint8_t)axis;
	return true;
}

static void
read_list(struct text *t, const char *kind, struct axis_list *l)
{
	const char *word;

	expect(t, kind);
	expect(t, "(");
	while (!t->bad && (word = read_word(t)))
		if (!append(l, module_axis(t->m, word)))
			complain(t, "no axis of the mesh, or twice: ", word);
	expect(t, ")");
}

static bool
begins(const struct axis_list *all, const struct axis_list *with)
{
	for (int i = 0; i < with->n; i++)
		if (i == all->n || all->axis[i] != with->axis[i])
			return false;
	return true;
}

static void
read_class(struct zero *z, enum zero_class class)
{
	struct axis_list *l = z->axes[class];
	struct text t = {z->m, module_setting(z->m, module_namez(z->m,
	    keys[class])), NULL, false};

	if (!t.set)
		return;
	t.p = t.set->is_text ? t.set->text : "";
	for (int k = 0; k < ZERO_KINDS; k++)
		read_list(&t, kinds[k], &l[k]);
	if (t.p[strspn(t.p, " \t")])
		complain(&t, "not understood: ", t.p);
	for (int k = 1; k < ZERO_KINDS; k++)
		if (!begins(&l[k], &l[k - 1]))
			complain(&t, "each list begins with the one before "
			    "it; this one does not: ", kinds[k]);
}

/* -------------------------------------------------------------------- pass */

/* Every field of a gradient is a sum over all axes that are to share it. */
static bool
shareable(struct zero *z)
{
	struct module *m = z->m;
	bool ok = true;

	for (int i = 0; i < m->nbundle; i++) {
		const struct bundle *b = m->bundle[i];

		for (int f = 0; f < b->nfield && b->role == ROLE_GRAD &&
		    !b->over; f++)
			ok &= !(axis_list_set(&z->axes[zero_class_of(b, f)]
			    [ZERO_STATE]) & (axis_set)~b->pend);
	}
	if (!ok)
		diag_error(m->diag, (struct span){0, 0}, "the gradients are "
		    "not sums over all axes that are to share the state");
	return ok;
}

static void
store_flat(struct zero *z)
{
	struct module *m = z->m;

	for (int i = 0; i < m->nbundle; i++) {
		struct bundle *b = m->bundle[i];
		const struct axis_list *l = zero_axes(z, b);

		if (b->role == ROLE_PARAM || b->role == ROLE_MOMENT1 ||
		    b->role == ROLE_MOMENT2)
			b->flat = l[ZERO_STATE];
		if (b->role != ROLE_GRAD)
			continue;
		b->flat = l[b->over ? ZERO_STATE : ZERO_GRADS];
		b->pend &= (axis_set)~axis_list_set(&b->flat);
	}
}

/* Parameters, gradients, moments, what lies where gradients do, copies. */
static int
kind_of(const struct bundle *b)
{
	return b->role == ROLE_COPY ? ROLE_COUNT :
	    b->over                 ? ROLE_COPY :
				      b->role;
}

static void
sort_bundles(struct module *m)
{
	for (int i = 1; i < m->nbundle; i++) {
		struct bundle *b = m->bundle[i];
		int at = i;

		for (; at > 0 && kind_of(m->bundle[at - 1]) > kind_of(b); at--)
			m->bundle[at] = m->bundle[at - 1];
		m->bundle[at] = b;
	}
}

static int
zero(struct module *m)
{
	struct zero z = {.m = m};
	int before = m->diag->errors;

	if (!m->naxis || !module_func(m, module_namez(m, "step")))
		return 0;
	for (int c = 0; c < ZERO_CLASSES; c++)
		read_class(&z, (enum zero_class)c);
	if (m->diag->errors != before || (!z.axes[0][ZERO_STATE].n &&
	    !z.axes[1][ZERO_STATE].n) || !shareable(&z))
		return m->diag->errors - before;
	zero_split(&z);
	store_flat(&z);
	zero_params(&z);
	zero_grads(&z);
	zero_reduce(&z);
	sort_bundles(m);
	m->stage = 'd';
	return m->diag->errors - before;
}

const struct pass pass_zero = {
	.name = "zero",
	.summary = "ranks share parameters, gradients and optimizer state",
	.run = zero,
};
