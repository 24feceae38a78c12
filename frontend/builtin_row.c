/* Built-in functions, one by one. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "frontend/builtin.h"

/* The dim that `over = NAME` names: index in t; -1 after an error. */
static int
over_dim(struct unit *u, const struct builtin_call *c, const struct type *t,
    int dflt)
{
	const struct actual *a = option(c, "over");
	const struct dimdef *d;
	struct ident id;
	int at;

	if (!a && dflt >= 0)
		return dflt;
	if (!a) {
		call_error(u, c, -1, DIAG_OVER, "%s needs over = DIM: over "
		    "which of %s?", c->b->name, dims_text(u, t));
		return -1;
	}
	if (a->value->kind != EXPR_NAME) {
		diag_report(u->d, DIAG_OVER, a->value->at,
		    "over takes the name of a dim");
		return -1;
	}
	id = (struct ident){a->value->name, a->value->at, NULL};
	if (!(d = dim_find(u, &id)))
		return -1;
	at = type_find(t, d->name);
	if (at < 0)
		diag_report(u->d, DIAG_OVER, a->value->at,
		    "%s over %s: the argument is %s", c->b->name, d->name,
		    dims_text(u, t));
	return at;
}

struct val
lower_unary(struct unit *u, struct builtin_call *c)
{
	if (!tensors(u, c))
		return val_error();
	return emit_result(u, call_op(u, c, 1), NULL, c->b->result);
}

struct val
lower_norm(struct unit *u, struct builtin_call *c)
{
	const struct type *x, *w;
	struct op *op;
	double eps;

	if (!tensors(u, c) ||
	    !option_number(u, c, "eps", 1e-5, 0, 1, &eps))
		return val_error();
	x = c->x[0].type;
	for (int i = 1; i < c->b->nargs; i++) {
		int at;

		w = c->x[i].type;
		at = x->rank - w->rank;
		if (w->rank == 0 || at < 0 || w != c->x[1].type ||
		    memcmp(x->d + at, w->d, sizeof *w->d * w->rank) != 0)
			return call_error(u, c, i, DIAG_NORM,
			    "%s works over the last dims of %s, but this is "
			    "%s", c->b->name, dims_text(u, x),
			    dims_text(u, w));
	}
	op = call_op(u, c, c->b->nargs);
	op_set_real(u->m, op, ATTR_EPS, eps);
	return emit_result(u, op, NULL, c->b->result);
}

struct val
lower_softmax(struct unit *u, struct builtin_call *c)
{
	struct op *op;
	int at;

	if (!tensors(u, c) || (at = over_dim(u, c, c->x[0].type, -1)) < 0)
		return val_error();
	if (token_dim(c->x[0].type->d[at].name))
		return call_error(u, c, -1, DIAG_OVER_TOKENS,
		    "softmax over %s: tokens may be on other ranks; attention "
		    "looks along s", c->x[0].type->d[at].name);
	op = call_op(u, c, 1);
	op_set_dim(u->m, op, ATTR_OVER, c->x[0].type->d[at].name);
	return emit_result(u, op, NULL, c->b->result);
}

/* Statistics are f32 whatever the activations are. */
struct val
lower_reduce(struct unit *u, struct builtin_call *c)
{
	const struct type *x;
	bool mean = c->b->op == OP_MUL;
	struct val v, n;
	struct op *op;
	int at;

	if (!tensors(u, c) || (at = over_dim(u, c, c->x[0].type, -1)) < 0)
		return val_error();
	x = c->x[0].type;
	if (token_dim(x->d[at].name))
		return call_error(u, c, -1, DIAG_OVER_TOKENS, "%s over %s: "
		    "averages over tokens depend on the batch; return a sum, "
		    "the recipe normalises by token count", c->b->name,
		    x->d[at].name);
	op = emit(u, OP_SUM, 1, c->e->at);
	op->in[0] = emit_arg(u, &c->x[0], c->e->at);
	v = emit_result(u, op, type_with_dtype(u->m, type_drop(u->m, x, at),
	    DT_F32), c->b->result);
	if (mean && v.kind != VAL_ERROR) {
		n = emit_number(u, 1.0 / (double)dim_size(u, x->d[at].name),
		    c->e->at);
		op = emit(u, OP_MUL, 2, c->e->at);
		op->in[0] = emit_arg(u, &v, c->e->at);
		op->in[1] = emit_arg(u, &n, c->e->at);
		v = emit_result(u, op, NULL, c->b->result);
	}
	return emit_cast(u, v, (enum dtype)x->dtype, c->e->at);
}

struct val
lower_rope(struct unit *u, struct builtin_call *c)
{
	static const char *const styles[] = {"half", "interleaved", NULL};
	const struct actual *style = option(c, "style");
	const struct type *x;
	struct op *op;
	double base;
	int at, word = 0;

	if (!tensors(u, c) ||
	    !option_number(u, c, "base", 10000, 1, 1e12, &base))
		return val_error();
	x = c->x[0].type;
	if ((at = over_dim(u, c, x, x->rank - 1)) < 0)
		return val_error();
	if (type_find(x, module_namez(u->m, "s")) < 0 ||
	    token_dim(x->d[at].name))
		return call_error(u, c, 0, DIAG_ROPE,
		    "rope rotates by the position in s, and %s is %s",
		    x->rank ? "the argument" : "this", dims_text(u, x));
	if (dim_size(u, x->d[at].name) % 2)
		return call_error(u, c, 0, DIAG_ROPE,
		    "rope rotates pairs: %s = %llu must be even",
		    x->d[at].name,
		    (unsigned long long)dim_size(u, x->d[at].name));
	if (style) {
		const char *s = style->value->kind == EXPR_NAME
		    ? style->value->name : "";

		while (styles[word] && strcmp(styles[word], s) != 0)
			word++;
		if (!styles[word]) {
			diag_report(u->d, DIAG_OPTION_WORD, style->value->at,
			    "style is half or interleaved");
			return val_error();
		}
	}
	op = call_op(u, c, 1);
	op_set_real(u->m, op, ATTR_BASE, base);
	if (word)
		op_set_int(u->m, op, ATTR_STYLE, word);
	op_set_dim(u->m, op, ATTR_OVER, x->d[at].name);
	return emit_result(u, op, NULL, c->b->result);
}

/* -------------------------------------------------------------- attention */

static bool
window_size(struct unit *u, const struct expr *e, struct op *op)
{
	double n = 0;

	if (e->nargs != 1 || e->args->name) {
		diag_report(u->d, DIAG_MASK, e->at,
		    "window takes the number of positions seen, own included");
		return false;
	}
	if (!constant(u, e->args->value, &n))
		return false;
	if (n < 1 || n > 0x1p40 || n != floor(n)) {
		diag_report(u->d, DIAG_MASK, e->args->value->at,
		    "window(%g): a whole number of at least 1", n);
		return false;
	}
	op_set_int(u->m, op, ATTR_WINDOW, (int64_t)n);
	return true;
}

/* Tokens and labels have the type of document numbers, and not the sense. */
static bool
is_doc(const struct unit *u, const struct val *v)
{
	return u->doc.kind == VAL_TENSOR && v->arg.kind == ARG_VALUE &&
	    v->arg.v == u->doc.arg.v;
}

static void
not_doc(struct unit *u, const struct expr *e)
{
	const struct formals *f = &u->model->formal;
	struct report r;

	report_open(&r, u->d, DIAG_MASK, e->args->value->at,
	    "same compares document numbers, which are the third input of "
	    "the model");
	if (f->n == 3)
		report_help(&r, "write same(%s)",
		    f->first->next->next->id.name);
	else
		report_help(&r, "write model %s(tok[b s], lab[b s], doc[b s])"
		    " and same(doc); or mask = causal", u->model->id.name);
	report_close(&r);
}

static bool
same_document(struct unit *u, const struct expr *e, struct op *op)
{
	struct val doc;

	if (e->nargs != 1 || e->args->name) {
		diag_report(u->d, DIAG_MASK, e->at,
		    "same takes the document numbers: same(doc)");
		return false;
	}
	doc = lower_with_hint(u, e->args->value, NULL);
	if (doc.kind == VAL_ERROR)
		return false;
	if (doc.kind != VAL_TENSOR || doc.type->dtype != DT_I32) {
		diag_report(u->d, DIAG_MASK, e->args->value->at,
		    "same(doc) compares document numbers, the third input of "
		    "the model, not %s", val_text(u, &doc));
		return false;
	}
	if (!is_doc(u, &doc)) {
		not_doc(u, e);
		return false;
	}
	op->nin = 4;
	op->in[3] = emit_arg(u, &doc, e->at);
	return true;
}

static bool
read_mask(struct unit *u, const struct builtin_call *c, struct op *op)
{
	static const char *const words[] = {"causal", "full", "window", "same",
	    NULL};
	const struct actual *a = option(c, "mask");
	const struct expr *e = a ? a->value : NULL;
	const char *name = "";
	int mask = 0;

	if (!a) {
		call_error(u, c, -1, DIAG_MASK, "attention needs mask = "
		    "causal, full, window(n) or same(doc)");
		return false;
	}
	if (e->kind == EXPR_NAME)
		name = e->name;
	else if (e->kind == EXPR_CALL && e->a->kind == EXPR_NAME)
		name = e->a->name;
	while (words[mask] && strcmp(words[mask], name) != 0)
		mask++;
	if (!words[mask] || (mask >= MASK_WINDOW) != (e->kind == EXPR_CALL)) {
		diag_report(u->d, DIAG_MASK, e->at,
		    "mask is causal, full, window(n) or same(doc)");
		return false;
	}
	if (mask)
		op_set_int(u->m, op, ATTR_MASK, mask);
	return mask == MASK_WINDOW ? window_size(u, e, op) :
	    mask == MASK_SAME ? same_document(u, e, op) : true;
}

/* q is [b s heads group.. d], k and v [b s heads d]. */
static bool
attention_dims(struct unit *u, struct builtin_call *c)
{
	const struct type *q = c->x[0].type, *k = c->x[1].type;
	struct report r;
	bool ok = k == c->x[2].type && k->rank == 4 && q->rank >= 4 &&
	    q->d[q->rank - 1].name == k->d[3].name;

	for (int i = 0; ok && i < 3; i++)
		ok = q->d[i].name == k->d[i].name;
	if (ok && strcmp(k->d[0].name, "b") == 0 &&
	    strcmp(k->d[1].name, "s") == 0)
		return true;
	report_open(&r, u->d, DIAG_ATTENTION, c->e->at,
	    "attention of q %s, k %s, v %s", dims_text(u, q), dims_text(u, k),
	    dims_text(u, c->x[2].type));
	report_help(&r, "q is [b s heads group d], k and v are [b s heads d], "
	    "with the same heads and d");
	report_close(&r);
	return false;
}

struct val
lower_attention(struct unit *u, struct builtin_call *c)
{
	struct op *op;
	double scale;

	if (!tensors(u, c) || !attention_dims(u, c) ||
	    !option_number(u, c, "scale", 0, 1e-9, 1e9, &scale))
		return val_error();
	op = call_op(u, c, 4);
	op->nin = 3;
	if (!read_mask(u, c, op))
		return val_error();
	if (scale != 0)
		op_set_real(u->m, op, ATTR_SCALE, scale);
	u->heads_text = dims_product(u, c->x[0].type, 2,
	    c->x[0].type->rank - 1, &u->heads);
	return emit_two(u, op, c->b->result, "z");
}

/* ----------------------------------------------------------------- others */

/* Layers of one site take the keys after it. */
struct val
lower_dropout(struct unit *u, struct builtin_call *c)
{
	double rate;
	struct op *op;

	c->x[0] = as_tensor(u, lower_with_hint(u, c->arg[0], u->hint),
	    c->arg[0]->at);
	if (!constant(u, c->arg[1], &rate) || c->x[0].kind == VAL_ERROR)
		return val_error();
	if (c->x[0].type->dtype == DT_I32)
		return call_error(u, c, 0, DIAG_INDICES,
		    "dropout of indices");
	if (!(rate >= 0 && rate < 1))
		return call_error(u, c, 1, DIAG_OPTION_RANGE,
		    "dropout rate %g: must be from 0 to below 1", rate);
	op = call_op(u, c, 1);
	op_set_real(u->m, op, ATTR_RATE, rate);
	op_set_int(u->m, op, ATTR_KEY, u->dropout_key);
	u->dropout_key += u->frame->stack
	    ? (int64_t)dim_size(u, u->frame->stack) : 1;
	return emit_result(u, op, NULL, c->b->result);
}

static const struct dimdef *
dim_argument(struct unit *u, const struct builtin_call *c)
{
	struct ident id = {c->arg[0]->name, c->arg[0]->at, NULL};

	if (c->arg[0]->kind == EXPR_NAME)
		return dim_find(u, &id);
	call_error(u, c, 0, DIAG_UNKNOWN_DIM, "%s takes the name of a dim",
	    c->b->name);
	return NULL;
}

struct val
lower_iota(struct unit *u, struct builtin_call *c)
{
	const struct dimdef *d = dim_argument(u, c);
	const char *name = d ? d->name : NULL;

	if (!d)
		return val_error();
	return emit_result(u, emit(u, OP_IOTA, 0, c->e->at),
	    type_make(u->m, DT_I32, 1, &name), c->b->result);
}

struct val
lower_size(struct unit *u, struct builtin_call *c)
{
	const struct dimdef *d = dim_argument(u, c);

	if (d && token_dim(d->name))
		return call_error(u, c, 0, DIAG_OVER_TOKENS, "size(%s): the "
		    "model must not depend on the batch", d->name);
	return d ? val_number((double)d->size) : val_error();
}

static bool
ignore_label(struct unit *u, const struct builtin_call *c, double ignore)
{
	const struct actual *a = option(c, "ignore");
	struct span at = a ? a->value->at : c->e->at;
	struct report r;

	if (ignore != floor(ignore)) {
		diag_report(u->d, DIAG_OPTION_RANGE, at,
		    "ignore = %g: labels are whole numbers", ignore);
		return false;
	}
	if (u->nxent++ == 0) {
		u->ignore = (int64_t)ignore;
		u->ignore_at = at;
	}
	if (u->ignore == (int64_t)ignore)
		return true;
	report_open(&r, u->d, DIAG_XENT, at,
	    "ignore = %g here, but %lld before: tokens are counted once",
	    ignore, (long long)u->ignore);
	report_label(&r, u->ignore_at, "here");
	report_close(&r);
	return false;
}

/* Labels are tokens, so the smallest number of classes bounds both. */
static void
count_classes(struct unit *u, const char *dim)
{
	if (!u->classes || dim_size(u, dim) < dim_size(u, u->classes))
		u->classes = dim;
}

struct val
lower_xent(struct unit *u, struct builtin_call *c)
{
	const struct type *x, *lab;
	struct op *op;
	double ignore;

	if (!tensors(u, c) || !option_number(u, c, "ignore", -100,
	    -0x1p31, 0x1p31 - 1, &ignore))
		return val_error();
	x = c->x[0].type;
	lab = c->x[1].type;
	if (lab->dtype != DT_I32)
		return call_error(u, c, 1, DIAG_XENT, "labels are indices, "
		    "not %s", val_text(u, &c->x[1]));
	if (x->rank != lab->rank + 1 ||
	    memcmp(x->d, lab->d, sizeof *x->d * lab->rank) != 0)
		return call_error(u, c, 0, DIAG_XENT, "labels are %s, so "
		    "logits are %s and one dim of classes, not %s",
		    dims_text(u, lab), dims_text(u, lab), dims_text(u, x));
	if (!ignore_label(u, c, ignore))
		return val_error();
	count_classes(u, x->d[x->rank - 1].name);
	op = call_op(u, c, 2);
	op_set_int(u->m, op, ATTR_IGNORE, (int64_t)ignore);
	return emit_result(u, op, NULL, c->b->result);
}
