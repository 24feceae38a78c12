/*
 * recompute: what backward reads is made again instead of kept.
 *
 *   before (recompute = none)           after (recompute = save(x, attention))
 *   fn layer(l:L, x) { ...              fn layer(l:L, x) { ...
 *     save x, h, q, o, z, y, u            save x, o, z
 *   }                                   }
 *   fn layer.bwd(l:L, dr) {             fn layer.bwd(l:L, dr) {
 *     x, h, q, o, z, y, u = load          x, o, z = load
 *     w = params @W[l]                    w = params @W[l]
 *     da = dot dr, w.w2                   da = dot dr, w.w2
 *     du = silu.bwd da, u                 p = dot o, w.wo
 *     ...                                 y = add x, p
 *                                         u = dot y, w.w1
 *                                         du = silu.bwd da, u
 *
 * A value is made just before its first reader, so that it occupies memory no
 * longer than it must.  The copy has the forward value's name and its very
 * operands, so gradients do not change by a bit.
 *
 *   none                  keep everything backward reads
 *   full                  keep a block's inputs
 *   save(x, attention)    and what attention gives (Selective Checkpoint++);
 *                         other words name values of the block
 *   best                  keep as much as plan.memory allows, see best.c
 *
 * needs: autodiff.  keeps: names, values.  leaves: save and load agree.
 */
#include "config.h"

#include <ctype.h>
#include <string.h>

#include "passes/pass.h"
#include "passes/recompute.h"
#include "passes/rewrite.h"

struct remake {
	struct module *m;
	struct func *f, *b; /* block and twin */
	struct region *out; /* the twin's new body */
	struct copier c;
	struct value **twin_of; /* by id in f: its value in b */
	bool *ready;            /* by id in f: twin_of may be read */
	bool *load, *keep;      /* by id in f */
	bool *placed;           /* by position in the old body */
	struct region old;
};

struct op *
twin_load(const struct func *bwd)
{
	for (int i = 0; i < bwd->body.n; i++)
		if (bwd->body.op[i]->code == OP_LOAD)
			return bwd->body.op[i];
	return NULL;
}

static struct op *
find_save(const struct func *f)
{
	for (int i = 0; i < f->body.n; i++)
		if (f->body.op[i]->code == OP_SAVE)
			return f->body.op[i];
	return NULL;
}

static bool
is_param(const struct func *f, const struct value *v)
{
	for (int i = 0; i < f->nparam; i++)
		if (f->param[i] == v)
			return true;
	return false;
}

/* ------------------------------------------------------------ making again */

static void need_value(struct remake *r, struct value *v);

static void
need_operands(struct remake *r, const struct op *op)
{
	for (int i = 0; i < op->nin; i++)
		if (op->in[i].v)
			need_value(r, op->in[i].v);
	for (int i = 0; i < op->body.n; i++)
		need_operands(r, op->body.op[i]);
}

/* Results of the copy that the twin knows already keep their identity. */
static void
adopt_results(struct remake *r, const struct op *op, struct op *copy)
{
	for (int i = 0; i < op->nout; i++) {
		int id = op->out[i]->id;

		if (r->twin_of[id])
			copy->out[i] = r->twin_of[id];
		r->twin_of[id] = r->c.map[id] = copy->out[i];
		r->ready[id] = true;
	}
}

static void
make_again(struct remake *r, const struct op *op)
{
	struct op *copy;

	need_operands(r, op);
	copy = copier_op(&r->c, op);
	adopt_results(r, op, copy);
	region_append(r->m, r->out, copy);
}

/* The twin's own copy of a constant or of parameters moves up. */
static bool
moved_up(struct remake *r, const struct value *v)
{
	const struct value *t = r->twin_of[v->id];

	for (int i = 0; t && i < r->old.n; i++)
		if (t->def == r->old.op[i] && t->def->code != OP_LOAD &&
		    !r->placed[i]) {
			r->placed[i] = true;
			region_append(r->m, r->out, r->old.op[i]);
			return true;
		}
	return false;
}

/* v of the block becomes readable at the end of the new body. */
static void
need_value(struct remake *r, struct value *v)
{
	if (v->id >= r->c.from->nvalue || r->c.from->value[v->id] != v ||
	    r->ready[v->id])
		return;
	if (r->keep[v->id]) {
		r->load[v->id] = r->ready[v->id] = true;
		if (!r->twin_of[v->id])
			r->twin_of[v->id] = func_value(r->m, r->b, v->name,
			    v->type, v->at);
	} else if (moved_up(r, v)) {
		r->ready[v->id] = true;
	} else if (v->def) {
		make_again(r, v->def);
	}
	r->c.map[v->id] = r->twin_of[v->id];
}

/* ---------------------------------------------------------- the new bodies */

/* In the twin, a value with the name of one of the block stands for it. */
static void
match_names(struct remake *r)
{
	for (int i = 0; i < r->f->nvalue; i++) {
		struct value *v = r->f->value[i];
		struct value *t = v->name ? func_find(r->b, v->name) : NULL;

		r->twin_of[i] = r->c.map[i] = t;
		r->ready[i] = t && is_param(r->b, t);
	}
}

static struct value *
block_value(struct remake *r, const struct value *twin)
{
	for (int i = 0; twin->name && i < r->f->nvalue; i++)
		if (r->twin_of[i] == twin)
			return r->f->value[i];
	return NULL;
}

/* What an op of the twin reads of the block, inner regions included. */
static void
need_reads(struct remake *r, const struct op *op)
{
	for (int i = 0; i < op->nin; i++) {
		struct value *v = op->in[i].v ? block_value(r, op->in[i].v)
					      : NULL;

		if (v)
			need_value(r, v);
	}
	for (int i = 0; i < op->body.n; i++)
		need_reads(r, op->body.op[i]);
}

static void
mark_made(struct remake *r, const struct op *op)
{
	for (int i = 0; i < op->nout; i++) {
		struct value *v = block_value(r, op->out[i]);

		if (v)
			r->ready[v->id] = true;
	}
}

static void
rebuild_twin(struct remake *r)
{
	for (int i = 0; i < r->old.n; i++) {
		struct op *op = r->old.op[i];

		if (op->code == OP_LOAD || r->placed[i])
			continue;
		need_reads(r, op);
		if (r->placed[i])
			continue;
		r->placed[i] = true;
		region_append(r->m, r->out, op);
		mark_made(r, op);
	}
}

static void
replace_lists(struct remake *r, struct op *load, struct op *save)
{
	int n = 0;

	save->in = NEW_N(r->m->mem, struct arg, (size_t)r->f->nvalue + 1);
	load->out = NEW_N(r->m->mem, struct value *,
	    (size_t)r->f->nvalue + 1);
	for (int i = 0; i < r->f->nvalue; i++)
		if (r->load[i]) {
			save->in[n] = arg_value(r->f->value[i]);
			load->out[n++] = r->twin_of[i];
		}
	save->nin = load->nout = n;
}

static void
remove_op(struct region *r, const struct op *op)
{
	int n = 0;

	for (int i = 0; i < r->n; i++)
		if (r->op[i] != op)
			r->op[n++] = r->op[i];
	r->n = n;
}

static void
remake_twin(struct module *m, struct func *b, keep_fn *keep, void *arg)
{
	struct func *f = b->twin;
	struct op *load = twin_load(b), *save = find_save(f);
	size_t n = (size_t)f->nvalue + 1;
	struct remake r = {.m = m, .f = f, .b = b, .old = b->body};

	if (!load || !save)
		return;
	r.c = copier_new(m, f, b);
	r.out = &b->body;
	r.twin_of = NEW_N(m->mem, struct value *, n);
	r.ready = NEW_N(m->mem, bool, n);
	r.load = NEW_N(m->mem, bool, n);
	r.keep = NEW_N(m->mem, bool, n);
	r.placed = NEW_N(m->mem, bool, (size_t)r.old.n + 1);
	for (int i = 0; i < f->nvalue; i++)
		r.keep[i] = is_param(f, f->value[i]) ||
		    (f->value[i]->type && keep(arg, f, f->value[i]));
	match_names(&r);
	b->body = (struct region){0};
	rebuild_twin(&r);
	replace_lists(&r, load, save);
	if (load->nout)
		region_insert(m, &b->body, 0, load);
	else
		remove_op(&f->body, save);
}

void
recompute_apply(struct module *m, keep_fn *keep, void *arg)
{
	for (int i = 0; i < m->nfunc; i++)
		if (m->func[i]->twin && twin_load(m->func[i]))
			remake_twin(m, m->func[i], keep, arg);
}

/* --------------------------------------------------------------- policies */

struct words {
	const char *word[16];
	int n;
	bool used[16];
};

static bool
keep_words(void *arg, const struct func *f, const struct value *v)
{
	struct words *w = arg;
	bool keep = false;

	(void)f;
	for (int i = 0; i < w->n; i++) {
		bool attention = strcmp(w->word[i], "attention") == 0 &&
		    v->def && v->def->code == OP_ATTN;
		bool hit = attention ||
		    (v->name && strcmp(v->name, w->word[i]) == 0);

		w->used[i] |= hit;
		keep |= hit;
	}
	return keep;
}

static bool
bad_policy(struct module *m, const char *policy, struct span at)
{
	diag_report(m->diag, DIAG_SETTING_WORD, at, "recompute = %s: use none, "
	    "full, best or save(x, attention)", policy);
	return false;
}

/* save(a, b, c) */
static bool
parse_words(struct module *m, const char *policy, struct words *w)
{
	const char *p = policy + strlen("save");

	while (*p == ' ')
		p++;
	if (strncmp(policy, "save", strlen("save")) != 0 || *p++ != '(')
		return false;
	for (;;) {
		const char *from;

		while (*p == ' ')
			p++;
		from = p;
		while (isalnum((unsigned char)*p) || *p == '_' || *p == '.')
			p++;
		if (p == from || w->n == (int)COUNT_OF(w->word))
			return false;
		w->word[w->n++] = module_name(m, from, (size_t)(p - from));
		while (*p == ' ')
			p++;
		if (*p == ')')
			return p[1] == '\0';
		if (*p++ != ',')
			return false;
	}
}

/* Words with a meaning of their own may match nothing. */
static bool
is_keyword(const char *word)
{
	return strcmp(word, "x") == 0 || strcmp(word, "attention") == 0;
}

static bool
words_known(struct module *m, const struct words *w, struct span at)
{
	bool ok = true, blocks = false;

	for (int i = 0; i < m->nfunc; i++)
		blocks |= m->func[i]->twin != NULL;
	for (int i = 0; i < w->n && blocks; i++)
		if (!w->used[i] && !is_keyword(w->word[i])) {
			diag_report(m->diag, DIAG_SETTING_WORD, at,
			    "recompute: no repeated block makes a value "
			    "called '%s'", w->word[i]);
			ok = false;
		}
	return ok;
}

bool
recompute_policy(struct module *m, const char *policy, struct span at)
{
	struct words w = {.n = 0};

	if (strcmp(policy, "none") == 0)
		return true;
	if (strcmp(policy, "full") != 0 && !parse_words(m, policy, &w))
		return bad_policy(m, policy, at);
	recompute_apply(m, keep_words, &w);
	return words_known(m, &w, at);
}

/* Without a policy: everything is kept, or as much as a given memory takes. */
static int
recompute(struct module *m)
{
	const struct setting *s = module_setting(m, "plan.recompute");
	double memory = module_number(m, "plan.memory", 0);
	const char *policy = module_text(m, "plan.recompute",
	    memory > 0 ? "best" : "none");
	struct span at = s ? s->at : (struct span){0};

	if (strcmp(policy, "best") == 0) {
		if (memory > 0)
			recompute_best(m, (uint64_t)memory);
		return 0;
	}
	return recompute_policy(m, policy, at) ? 0 : 1;
}

const struct pass pass_recompute = {
	.name = "recompute",
	.summary = "backward makes again what the plan does not keep",
	.run = recompute,
};
