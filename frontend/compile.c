/*
 * frontend_compile: settings first, since the sizes of b and s follow from
 * them; then the file's dims and blocks, then the model.
 */
#include "config.h"

#include <string.h>

#include "frontend/setting.h"

static const char *const reserved[] = {"model", "step", "eval", "logits"};

static struct block *
only_one(struct unit *u, struct block *b)
{
	struct report r;

	for (const struct block *o = b->next; o; o = o->next) {
		if (strcmp(o->id.name, b->id.name) != 0)
			continue;
		report_open(&r, u->d, DIAG_DEFINED_TWICE, o->id.at,
		    "model '%s' is already defined", o->id.name);
		report_label(&r, b->id.at, "here");
		report_close(&r);
	}
	return b;
}

static struct block *
choose_model(struct unit *u)
{
	const char *names[64], *near;
	int n = 0;

	for (struct block *b = u->file->model; b; b = b->next) {
		if (!u->o->model || strcmp(b->id.name, u->o->model) == 0)
			return only_one(u, b);
		if (n < 63)
			names[n++] = b->id.name;
	}
	names[n] = NULL;
	near = u->o->model ? diag_nearest(u->o->model, names) : NULL;
	if (!u->o->model)
		diag_report(u->d, DIAG_NO_SUCH, (struct span){0},
		    "the file has no model");
	else
		diag_report(u->d, DIAG_NO_SUCH, (struct span){0},
		    near ? "there is no model '%s' (did you mean '%s'?)" :
		    "there is no model '%s'", u->o->model, near);
	return NULL;
}

static void
bad_signature(struct unit *u, const struct block *b)
{
	struct report r;

	report_open(&r, u->d, DIAG_SIGNATURE, b->id.at,
	    "a model takes tokens and labels, each [b s]");
	report_help(&r, "model %s(tok[b s], lab[b s]), and doc[b s] as third "
	    "if documents are packed", b->id.name);
	report_close(&r);
}

static void
bind_inputs(struct unit *u, const struct block *b)
{
	struct frame *f = u->frame;
	int n = 0;

	if (b->formal.n < 2 || b->formal.n > 3)
		bad_signature(u, b);
	for (const struct formal *x = b->formal.first; x; x = x->next, n++) {
		struct type t = {.dtype = DT_I32};
		struct val v = val_error();

		if (!name_is_new(u, &x->id, SYM_VALUE) ||
		    !dims_resolve(u, &x->dims, &t))
			continue;
		if (t.rank != 2 || strcmp(t.d[0].name, "b") != 0 ||
		    strcmp(t.d[1].name, "s") != 0)
			bad_signature(u, b);
		else
			v = val_tensor(u, func_add_param(u->m, f->f,
			    fresh_name(u, &f->names, x->id.name, 1),
			    type_intern(u->m, &t), x->at));
		if (n == 2)
			u->doc = v;
		name_push(u, (struct sym){.kind = SYM_VALUE,
		    .name = x->id.name, .at = x->id.at, .val = v});
	}
}

static void
return_loss(struct unit *u, const struct block *b, struct val v)
{
	struct func *f = u->frame->f;
	struct op *op;
	struct span at = b->body->last ? b->body->last->at : b->at;

	if (v.kind == VAL_ERROR)
		return;
	if (v.nitem != 1) {
		diag_report(u->d, DIAG_LOSS, at,
		    "a model returns its loss and nothing else");
		return;
	}
	v = v.item[0];
	if (v.kind == VAL_ERROR)
		return;
	if (v.kind != VAL_TENSOR || v.type->rank != 0) {
		diag_report(u->d, DIAG_LOSS, at, "loss must be a scalar, got "
		    "%s; xent sums over tokens", val_text(u, &v));
		return;
	}
	op = op_new(u->m, OP_RETURN, 1, 0, at);
	op->in[0] = emit_arg(u, &v, at);
	region_append(u->m, &f->body, op);
}

/* Callees come first in a module; the model was begun before them. */
static void
move_last(struct module *m, const struct func *f)
{
	struct func *model = NULL;
	struct bundle *shared = NULL;
	int n = 0;

	for (int i = 0; i < m->nfunc; i++)
		if (m->func[i] == f)
			model = m->func[i];
		else
			m->func[n++] = m->func[i];
	if (model)
		m->func[n] = model;
	n = 0;
	for (int i = 0; i < m->nbundle; i++)
		if (!m->bundle[i]->stack)
			shared = m->bundle[i];
		else
			m->bundle[n++] = m->bundle[i];
	if (shared)
		m->bundle[n] = shared;
}

static void
lower_model(struct unit *u, struct block *b)
{
	struct frame f = {0};
	struct val v;

	f.f = module_add_func(u->m, "model", b->id.at);
	f.bundle_name = fresh_name(u, &u->bundles, "E", 2);
	u->m->name = module_namez(u->m, b->id.name);
	u->frame = &f;
	u->model = b;
	u->level = 1;
	u->path = "";
	bind_inputs(u, b);
	v = lower_body(u, b->body);
	return_loss(u, b, v);
	if (!u->broken)
		report_unused(u);
	move_last(u->m, f.f);
}

static bool
chosen_bf16(const struct choices *c)
{
	const struct chosen *p = &c->c[SET_recipe_precision];

	return p->set && strcmp(p->text, "bf16") == 0;
}

static void
compile(struct unit *u)
{
	struct choices c = {0};
	struct block *b = choose_model(u);

	overrides_read(u);
	settings_read(u, &c);
	mesh_option(u, &c);
	mesh_read(&c);
	recipe_sizes(u, &c);
	u->act = chosen_bf16(&c) ? DT_BF16 : DT_F32;
	lower_file(u);
	if (b)
		lower_model(u, b);
	recipe_check(u, &c, b && b->formal.n == 3);
	mesh_check(u, &c);
	zero_check(u, &c);
	overrides_unused(u);
	settings_export(u, &c);
}

struct module *
frontend_compile(struct arena *mem, struct diag *d,
    const struct frontend_options *o)
{
	static const struct frontend_options none;
	struct unit u = {.mem = mem, .d = d, .o = o ? o : &none};
	int before = d->errors;

	if (!(u.file = parse_file(mem, d)))
		return NULL;
	u.broken = d->errors != before;
	u.m = module_new(mem, d);
	for (size_t i = 0; i < COUNT_OF(reserved); i++)
		fresh_name(&u, &u.funcs, reserved[i], 2);
	compile(&u);
	return d->errors == before ? u.m : NULL;
}

int
frontend_print_ast(struct arena *mem, struct diag *d, FILE *out)
{
	int before = d->errors;
	struct file *f = parse_file(mem, d);

	if (f && d->errors == before)
		ast_print(f, out);
	return d->errors - before;
}
