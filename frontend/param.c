/*
 * Parameters: fields of the bundle of the repeat, or of the model, that the
 * call belongs to.  A matrix or embedding is a map and decays; gains and
 * biases are plain tensors and do not.
 */
#include "config.h"

#include <string.h>

#include "frontend/lower.h"
#include "ir/verify.h"

struct init_row {
	const char *name;
	uint8_t kind; /* enum init_kind */
	int nargs;
};

static const struct init_row init_rows[] = {
	{"zeros", INIT_ZEROS, 0},
	{"ones", INIT_ONES, 0},
	{"normal", INIT_NORMAL, 1},
	{"uniform", INIT_UNIFORM, 2},
};
static const char *const init_names[] = {"zeros", "ones", "normal", "uniform",
	NULL};

static const struct init_row *
init_row(struct unit *u, const struct expr *e)
{
	const char *name = e->kind == EXPR_CALL && e->a->kind == EXPR_NAME
	    ? e->a->name : e->kind == EXPR_NAME ? e->name : "";
	const char *near = diag_nearest(name, init_names);
	struct report r;

	for (size_t i = 0; i < COUNT_OF(init_rows); i++)
		if (strcmp(init_rows[i].name, name) == 0)
			return &init_rows[i];
	report_open(&r, u->d, DIAG_INIT, e->at,
	    "initial values are zeros(), ones(), normal(deviation) or "
	    "uniform(low, high)");
	if (near)
		report_help(&r, "did you mean '%s'?", near);
	report_close(&r);
	return NULL;
}

/* normal(deviation) needs one above 0, uniform(low, high) low below high. */
static bool
init_numbers(struct unit *u, const struct expr *e, const struct init_row *row,
    struct init *init)
{
	double x[2] = {0, 0};
	int n = 0;

	for (const struct actual *a = e->args; a; a = a->next) {
		if (n < row->nargs && !a->name) {
			if (!constant(u, a->value, &x[n]))
				return false;
			n++;
			continue;
		}
		diag_report(u->d, DIAG_INIT, a->at, "%s takes %d number%s",
		    row->name, row->nargs, row->nargs == 1 ? "" : "s");
		return false;
	}
	if (n < row->nargs || (row->kind == INIT_NORMAL && x[0] <= 0) ||
	    (row->kind == INIT_UNIFORM && x[0] >= x[1])) {
		diag_report(u->d, DIAG_INIT, e->at, n < row->nargs ?
		    "%s takes %d number%s" : row->kind == INIT_NORMAL ?
		    "%s: the deviation must be above 0" :
		    "%s: low must be below high", row->name, row->nargs,
		    row->nargs == 1 ? "" : "s");
		return false;
	}
	*init = (struct init){row->kind, x[0], x[1]};
	return true;
}

static bool
read_init(struct unit *u, const struct stmt *s, struct init *init)
{
	const struct init_row *row;
	struct report r;

	if (!s->value) {
		report_open(&r, u->d, DIAG_INIT, s->at,
		    "parameters without initial values");
		report_help(&r, "end the list with ~ normal(0.02), ~ ones() or "
		    "~ zeros()");
		report_close(&r);
		return false;
	}
	row = init_row(u, s->value);
	return row && init_numbers(u, s->value, row, init);
}

static struct bundle *
bundle_of(struct unit *u, struct frame *f)
{
	if (!f->b) {
		f->b = module_add_bundle(u->m, f->bundle_name, f->stack,
		    ROLE_PARAM, DT_F32);
		f->b->path = f->up ? NULL : module_namez(u->m, "model");
	}
	return f->b;
}

/* The parameter, its layers, and all parameters together. */
static bool
all_fit(struct unit *u, const struct type *t, const struct pdecl *d)
{
	uint64_t layers = u->frame->stack ? dim_size(u, u->frame->stack) : 1;
	uint64_t n;

	if (!fits(u, t, layers, d->at))
		return false;
	dims_product(u, t, 0, t->rank, &n);
	u->elements += n * layers;
	if (u->elements <= MAX_ELEMENTS)
		return true;
	diag_report(u->d, DIAG_TOO_BIG, d->at,
	    "all parameters together have more than 2^48 elements");
	u->elements = 0;
	return false;
}

/* in -> out as one tensor; family dims first. */
static const struct type *
param_type(struct unit *u, const struct pdecl *d, int *nin)
{
	struct type t = {.dtype = DT_F32};

	if (d->family.n) {
		diag_report(u->d, DIAG_FAMILY, d->id.at,
		    "families of maps come with expert layers, which this "
		    "version does not have");
		return NULL;
	}
	if (!dims_resolve(u, &d->in, &t))
		return NULL;
	*nin = t.rank;
	if (d->is_map && !dims_resolve(u, &d->out, &t))
		return NULL;
	for (int i = 0; i < t.rank; i++)
		if (token_dim(t.d[i].name) ||
		    (u->frame->stack && t.d[i].name == u->frame->stack)) {
			diag_report(u->d, DIAG_PARAM_DIM, d->at,
			    "parameter '%s' cannot have dim %s: %s",
			    d->id.name, t.d[i].name, token_dim(t.d[i].name) ?
			    "it belongs to the data" : "it counts the layers");
			return NULL;
		}
	return all_fit(u, &t, d) ? type_intern(u->m, &t) : NULL;
}

static void
define_param(struct unit *u, const struct pdecl *d, const struct init *init)
{
	struct sym s = {.kind = SYM_PARAM, .name = d->id.name, .at = d->id.at};
	struct param *p = NEW(u->mem, struct param);
	const char *path = join_path(u, u->path, d->id.name);

	if (!name_is_new(u, &d->id, SYM_PARAM))
		return;
	p->name = d->id.name;
	p->decl = d;
	p->is_map = d->is_map;
	p->home = u->frame;
	p->type = param_type(u, d, &p->nin);
	s.param = p;
	if (!p->type || strlen(path) > MAX_PATH) {
		if (p->type)
			diag_report(u->d, DIAG_LONG_NAME, d->id.at,
			    "path of more than %d characters", MAX_PATH);
		s.kind = SYM_VALUE; /* VAL_ERROR: known, and no more said */
		s.param = NULL;
	} else {
		struct bundle *b = bundle_of(u, u->frame);

		bundle_add_field(u->m, b, fresh_name(u, &u->frame->paths,
		    path, 2), p->type, *init, d->is_map, d->at);
		p->field = b->nfield - 1;
		p->next = u->params;
		u->params = p;
	}
	name_push(u, s);
}

void
lower_params(struct unit *u, const struct stmt *s)
{
	struct init init = {0};

	read_init(u, s, &init);
	for (const struct pdecl *d = s->param; d; d = d->next)
		define_param(u, d, &init);
}

/* The value of `params` in this function: first statement of its body. */
static struct value *
read_bundle(struct unit *u, struct frame *home, struct span at)
{
	struct frame *f = u->frame;
	struct value **v = home == f ? &f->own : &f->shared;
	struct op *op;

	if (*v)
		return *v;
	op = op_new(u->m, OP_PARAMS, 1, 1, at);
	op->in[0] = arg_bundle(home->b);
	if (home->stack) {
		op->in[0].indexed = true;
		op->in[0].index = affine_var(home->f->index);
	}
	*v = func_value(u->m, f->f, fresh_name(u, &f->names, home->up ? "w" :
	    home->bundle_name, 1), NULL, at);
	(*v)->bundle = home->b;
	(*v)->dtype = (uint8_t)u->act;
	op->out[0] = *v;
	region_insert(u->m, &f->f->body, 0, op);
	return *v;
}

struct arg
param_arg(struct unit *u, struct param *p, struct span at)
{
	return arg_field(read_bundle(u, p->home, at), p->field);
}

void
report_unused(struct unit *u)
{
	const struct param *list = NULL, *next;

	for (struct param *p = u->params; p; p = (struct param *)next) {
		next = p->next;
		p->next = (struct param *)list;
		list = p;
	}
	for (const struct param *p = list; p; p = p->next)
		if (!p->used)
			diag_report(u->d, DIAG_UNUSED_PARAM, p->decl->id.at,
			    "parameter '%s' is never used", p->name);
}
