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
 *   full                  keep a block's inputs, and the scales of fp8
 *   save(x, attention)    and what attention gives (Selective Checkpoint++);
 *                         other words name values of the block
 *   save(z, offload(x))   the host keeps what is in inner brackets, offload.c
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
	bool *inner;            /* by id in f: defined inside a loop */
	struct value **stack;
	struct value **block_of; /* by id in b: the block's, or NULL */
	int *made_at;           /* by id in b: position in the old body, -1 */
	int ntwin;              /* ids of b at the start */
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

static void
mark_inner(const struct op *op, bool *inner)
{
	for (int i = 0; op->carry && i < op->nin; i++)
		inner[op->carry[i]->id] = true;
	for (int i = 0; i < op->body.n; i++) {
		for (int j = 0; j < op->body.op[i]->nout; j++)
			inner[op->body.op[i]->out[j]->id] = true;
		mark_inner(op->body.op[i], inner);
	}
}

static bool
is_param(const struct func *f, const struct value *v)
{
	for (int i = 0; i < f->nparam; i++)
		if (f->param[i] == v)
			return true;
	return false;
}

/* Four bytes that all ranks have agreed on. */
static bool
is_scale(const struct value *v)
{
	return v->def && (v->def->code == OP_E4M3_SCALE ||
	    v->def->code == OP_E5M2_SCALE);
}

/* ------------------------------------------------------------ making again */

/* v is a value of the block that the new body cannot read yet. */
static bool
is_missing(const struct remake *r, const struct value *v)
{
	return v && v->id < r->c.from->nvalue &&
	    r->c.from->value[v->id] == v && !r->ready[v->id];
}

/* An operand of op (inner regions included) that is missing, or NULL. */
static struct value *
missing_operand(const struct remake *r, const struct op *op)
{
	struct value *v = NULL;

	for (int i = 0; i < op->nin && !v; i++)
		if (is_missing(r, op->in[i].v) &&
		    !r->inner[op->in[i].v->id])
			v = op->in[i].v;
	for (int i = 0; i < op->body.n && !v; i++)
		v = missing_operand(r, op->body.op[i]);
	return v;
}

static bool at_hand(struct remake *r, struct value *v);

/*
 * Results of the copy that the twin knows already keep their identity; one
 * that is loaded (o, where z is made again) stays what was loaded.
 */
static void
make_again(struct remake *r, const struct op *op)
{
	struct op *copy;

	for (int i = 0; i < op->nout; i++)
		if (r->keep[op->out[i]->id])
			at_hand(r, op->out[i]);
	copy = copier_op(&r->c, op);
	for (int i = 0; i < op->nout; i++) {
		int id = op->out[i]->id;

		if (r->twin_of[id] && !r->ready[id])
			copy->out[i] = r->twin_of[id];
		if (!r->ready[id])
			r->twin_of[id] = copy->out[i];
		r->c.map[id] = r->twin_of[id];
		r->ready[id] = true;
	}
	region_append(r->m, r->out, copy);
}

/* The twin's own copy of a constant or of parameters moves up. */
static bool
moved_up(struct remake *r, const struct value *v)
{
	const struct value *t = r->twin_of[v->id];
	int at = t && t->id < r->ntwin ? r->made_at[t->id] : -1;

	if (at < 0 || r->placed[at] || r->old.op[at]->code == OP_LOAD)
		return false;
	r->placed[at] = true;
	region_append(r->m, r->out, r->old.op[at]);
	return true;
}

/* True if v can be read without making anything. */
static bool
at_hand(struct remake *r, struct value *v)
{
	if (r->keep[v->id]) {
		r->load[v->id] = true;
		if (!r->twin_of[v->id])
			r->twin_of[v->id] = func_value(r->m, r->b, v->name,
			    v->type, v->at);
	} else if (!moved_up(r, v) && v->def) {
		return false;
	}
	r->ready[v->id] = true;
	r->c.map[v->id] = r->twin_of[v->id];
	return true;
}

/*
 * v of the block becomes readable at the end of the new body.  The stack holds
 * what waits for its operands, so that long chains do not exhaust C's.
 */
static void
need_value(struct remake *r, struct value *v)
{
	int n = 0;

	if (is_missing(r, v))
		r->stack[n++] = v;
	while (n) {
		struct value *top = r->stack[n - 1], *next;

		if (r->ready[top->id] || at_hand(r, top)) {
			n--;
			continue;
		}
		next = missing_operand(r, top->def);
		if (next)
			r->stack[n++] = next;
		else
			make_again(r, top->def);
	}
}

/* ---------------------------------------------------------- the new bodies */

/* Names are interned: equal names are equal pointers. */
static size_t
name_place(const char *const *set, size_t cap, const char *name)
{
	size_t i = ((size_t)(uintptr_t)name >> 3) % cap;

	while (set[i] && set[i] != name)
		i = (i + 1) % cap;
	return i;
}

/* In the twin, a value with the name of one of the block stands for it. */
static void
match_names(struct remake *r)
{
	size_t cap = 2 * (size_t)r->f->nvalue + 1;
	const char **set = NEW_N(r->m->mem, const char *, cap);
	struct value **of = NEW_N(r->m->mem, struct value *, cap);

	for (int i = 0; i < r->f->nvalue; i++)
		if (r->f->value[i]->name) {
			size_t at = name_place(set, cap,
			    r->f->value[i]->name);

			set[at] = r->f->value[i]->name;
			of[at] = r->f->value[i];
		}
	for (int i = 0; i < r->ntwin; i++) {
		struct value *t = r->b->value[i], *v = NULL;

		if (t->name)
			v = of[name_place(set, cap, t->name)];
		r->block_of[i] = v;
		if (v) {
			r->twin_of[v->id] = r->c.map[v->id] = t;
			r->ready[v->id] = is_param(r->b, t);
		}
	}
	for (int i = 0; i < r->old.n; i++)
		for (int j = 0; j < r->old.op[i]->nout; j++)
			r->made_at[r->old.op[i]->out[j]->id] = i;
}

static struct value *
block_value(struct remake *r, const struct value *twin)
{
	return twin->id < r->ntwin && r->b->value[twin->id] == twin
	    ? r->block_of[twin->id] : NULL;
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
remake_tables(struct remake *r, keep_fn *keep, void *arg)
{
	struct arena *mem = r->m->mem;
	size_t n = (size_t)r->f->nvalue + 1, nb = (size_t)r->b->nvalue + 1;

	r->twin_of = NEW_N(mem, struct value *, n);
	r->ready = NEW_N(mem, bool, n);
	r->load = NEW_N(mem, bool, n);
	r->keep = NEW_N(mem, bool, n);
	r->inner = NEW_N(mem, bool, n);
	r->stack = NEW_N(mem, struct value *, n);
	r->placed = NEW_N(mem, bool, (size_t)r->old.n + 1);
	r->block_of = NEW_N(mem, struct value *, nb);
	r->made_at = NEW_N(mem, int, nb);
	r->ntwin = r->b->nvalue;
	for (int i = 0; i < r->ntwin; i++)
		r->made_at[i] = -1;
	for (int i = 0; i < r->f->body.n; i++)
		mark_inner(r->f->body.op[i], r->inner);
	for (int i = 0; i < r->f->nvalue; i++) {
		struct value *v = r->f->value[i];

		r->keep[i] = is_param(r->f, v) || is_scale(v) ||
		    (v->type && keep(arg, r->f, v));
	}
}

static void
remake_twin(struct module *m, struct func *b, keep_fn *keep, void *arg)
{
	struct func *f = b->twin;
	struct op *load = twin_load(b), *save = find_save(f);
	struct remake r = {.m = m, .f = f, .b = b, .out = &b->body,
	    .old = b->body};

	if (!load || !save)
		return;
	r.c = copier_new(m, f, b);
	remake_tables(&r, keep, arg);
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
	bool used[16], host[16];
};

static bool
is_meant(const char *word, const struct value *v)
{
	if (strcmp(word, "attention") == 0 && v->def &&
	    v->def->code == OP_ATTN)
		return true;
	if (strcmp(word, "x") == 0 && !v->def)
		return v->type && v->type->dtype != DT_I32;
	return v->name && strcmp(v->name, word) == 0;
}

static bool
keep_words(void *arg, const struct func *f, const struct value *v)
{
	struct words *w = arg;
	bool keep = false;

	(void)f;
	for (int i = 0; i < w->n; i++) {
		bool hit = is_meant(w->word[i], v);

		w->used[i] |= hit;
		keep |= hit;
	}
	return keep;
}

static bool
host_words(void *arg, const struct func *f, const struct value *v)
{
	const struct words *w = arg;
	bool host = false;

	(void)f;
	for (int i = 0; i < w->n; i++)
		host |= w->host[i] && is_meant(w->word[i], v);
	return host;
}

static bool
bad_policy(struct module *m, const char *policy, const struct words *w,
    struct span at)
{
	if (w->n == (int)COUNT_OF(w->word))
		diag_report(m->diag, DIAG_SETTING_WORD, at, "recompute = %s: "
		    "save takes at most %d names", policy, w->n);
	else
		diag_report(m->diag, DIAG_SETTING_WORD, at, "recompute = %s: use "
		    "none, full, best or save(x, attention)", policy);
	return false;
}

static const char *
skip_spaces(const char *p)
{
	while (*p == ' ')
		p++;
	return p;
}

/* a, b, c) or a, offload(b, c)); what follows, or NULL. */
static const char *
parse_list(struct module *m, const char *p, struct words *w, bool host)
{
	for (;;) {
		const char *from = skip_spaces(p), *name;

		p = from;
		while (isalnum((unsigned char)*p) || *p == '_' || *p == '.')
			p++;
		if (p == from || w->n == (int)COUNT_OF(w->word))
			return NULL;
		name = module_name(m, from, (size_t)(p - from));
		p = skip_spaces(p);
		if (*p == '(') {
			if (host || strcmp(name, "offload") != 0 ||
			    !(p = parse_list(m, p + 1, w, true)))
				return NULL;
			p = skip_spaces(p);
		} else {
			w->host[w->n] = host;
			w->word[w->n++] = name;
		}
		if (*p == ')')
			return p + 1;
		if (*p++ != ',')
			return NULL;
	}
}

/* save(a, b, c) */
static bool
parse_words(struct module *m, const char *policy, struct words *w)
{
	const char *p = skip_spaces(policy + strlen("save"));

	if (strncmp(policy, "save", strlen("save")) != 0 || *p != '(')
		return false;
	p = parse_list(m, p + 1, w, false);
	return p && *p == '\0';
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
		return bad_policy(m, policy, &w, at);
	recompute_apply(m, keep_words, &w);
	recompute_offload(m, host_words, &w);
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

	if (memory > 0 && (m->naxis || strstr(policy, "offload(") ||
	    module_setting(m, "plan.host")))
		m->origin = module_clone(m->mem, m);
	if (strcmp(policy, "best") == 0) {
		if (memory > 0)
			recompute_best(m, memory_bytes(memory));
		return 0;
	}
	return recompute_policy(m, policy, at) ? 0 : 1;
}

const struct pass pass_recompute = {
	.name = "recompute",
	.summary = "backward makes again what the plan does not keep",
	.run = recompute,
};
