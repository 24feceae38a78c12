/* The tables of the program: tensors, arenas, recipe, plan, main. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "codegen/cuda.h"
#include "codegen/host.h"
#include "codegen/layout.h"
#include "codegen/target.h"
#include "ir/flops.h"
#include "ir/group.h"
#include "ir/identity.h"

static const char *const inits[] = {"LT_INIT_ZEROS", "LT_INIT_ONES",
	"LT_INIT_NORMAL", "LT_INIT_UNIFORM"};

static uint64_t
layers_of(const struct module *m, const struct bundle *b)
{
	return b->stack ? module_dim(m, b->stack)->size : 1;
}

uint64_t
codegen_parameters(const struct module *m)
{
	uint64_t n = 0;

	for (int i = 0; i < m->nbundle; i++) {
		const struct bundle *b = m->bundle[i];

		for (int j = 0; b->role == ROLE_PARAM && j < b->nfield; j++)
			n += type_global_count(m, b->field[j].type) *
			    layers_of(m, b);
	}
	return n;
}

static struct bundle *
derived(const struct module *m, const struct bundle *of,
    enum bundle_role role)
{
	for (int i = 0; i < m->nbundle; i++)
		if (m->bundle[i]->of == of && m->bundle[i]->role == role)
			return m->bundle[i];
	return NULL;
}

static void
print_offset(struct emit *e, const char *key, const struct bundle *b,
    int field, const char *suffix)
{
	struct slot *s = b ? bundle_slot(e->m, b, field, suffix) : NULL;

	if (s && s->count >= layers_of(e->m, b)) /* else no layer stays */
		fprintf(e->out, ", .%s = UINT64_C(%" PRIu64 ")", key,
		    s->offset);
	else
		fprintf(e->out, ", .%s = UINT64_MAX", key);
}

static void
print_tensor(struct emit *e, const struct bundle *b, int field)
{
	const struct module *m = e->m;
	const struct field *f = &b->field[field];
	uint64_t layers = layers_of(m, b);
	int rank = f->type->rank + (b->stack != NULL);

	fputs("\t{.name = ", e->out);
	emit_quoted(e->out, arena_printf(m->mem, "%s.%s",
	    b->path ? b->path : b->name, f->name));
	fprintf(e->out, ", .rank = %d, .shape = {", rank);
	if (b->stack)
		fprintf(e->out, "%" PRIu64 ", ", layers);
	for (int i = 0; i < f->type->rank; i++)
		fprintf(e->out, "%" PRIu64 ", ",
		    module_dim(m, f->type->d[i].name)->size);
	fprintf(e->out, "},\n\t .init = %s, .init_a = %a, .init_b = %a, "
	    ".decay = %s, .count = UINT64_C(%" PRIu64 ")", inits[f->init.kind],
	    f->init.a, f->init.b, f->decay ? "true" : "false",
	    type_local_count(m, f->type) * layers);
	print_offset(e, "master", b, field, "");
	print_offset(e, "grad", derived(m, b, ROLE_GRAD), field, "");
	print_offset(e, "moment1", derived(m, b, ROLE_MOMENT1), field, "");
	print_offset(e, "moment2", derived(m, b, ROLE_MOMENT2), field, "");
	if (bundle_is_image(m, b))
		fprintf(e->out, ", .flat = %d, .at = %" PRIu64 "},\n",
		    emit_flat_index(e, b), bundle_image_at(m, b, field));
	else
		fputs(", .flat = -1},\n", e->out);
}

static void
print_tensors(struct emit *e)
{
	fputs("static const struct lt_tensor tensors[] = {\n", e->out);
	for (int i = 0; i < e->m->nbundle; i++) {
		const struct bundle *b = e->m->bundle[i];

		for (int j = 0; b->role == ROLE_PARAM && j < b->nfield; j++)
			print_tensor(e, b, j);
	}
	fputs("};\n\n", e->out);
}

static void
print_work(struct emit *e)
{
	fputs("/* The most scratch any one library kernel needs. */\n"
	    "static uint64_t\nwork(int threads)\n{\n"
	    "\tuint64_t most = 0, n;\n\n\t(void)threads;\n\t(void)n;\n", e->out);
	for (int i = 0; i < e->nwork; i++)
		fprintf(e->out, "\tn = %s;\n\tmost = n > most ? n : most;\n",
		    e->work[i]);
	fputs("\treturn most;\n}\n\n", e->out);
}

struct tables {
	struct emit *e;
	bool *done; /* by slot */
};

/* The table of a rope's angles, once for all that share it. */
static void
fill_table(struct op *op, void *arg)
{
	struct tables *t = arg;
	struct emit *e = t->e;
	const struct type *x;
	const struct slot *s;

	if (op->code != OP_ROPE && op->code != OP_ROPE_BWD)
		return;
	s = module_slot(e->m, group_rope_slot(e->m, op));
	if (!s || t->done[s - e->m->slot])
		return;
	t->done[s - e->m->slot] = true;
	x = group_space(op);
	emit_line(e, "%s%s, (const struct lt_runs[]){%s},",
	    emit_callee(e, CALL_ROPE_TABLE), emit_slot_ptr(e, s, NULL, DT_F32),
	    emit_runs(e, &x->d[group_position(op)]));
	emit_line(e, "    %" PRIu64 ", %a);",
	    dim_local_size(e->m, &x->d[type_find(x,
	    op_dim(op, ATTR_OVER))]), op_real(op, ATTR_BASE));
}

/* Masters to bf16 copies, and the tables that are no function of the data. */
void
emit_refresh(struct emit *e)
{
	struct module *m = e->m;
	struct tables t = {e, NEW_N(m->mem, bool, (size_t)m->nslot + 1)};

	fputs("static void\nrefresh(struct lt *rt)\n{\n\t(void)rt;\n", e->out);
	e->indent = 1;
	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, fill_table, &t);
	for (int i = 0; i < m->nbundle; i++)
		for (int j = 0; j < m->bundle[i]->nfield; j++) {
			const struct bundle *b = m->bundle[i];
			struct slot *s = bundle_slot(m, b, j, ".cast");

			if (s && s->count >= layers_of(m, b))
				emit_line(e, "%s%" PRIu64 ", %s, %s);",
				    emit_callee(e, CALL_ROUND),
				    type_local_count(m, b->field[j].type) *
				    layers_of(m, b),
				    emit_field_ptr(e, b, j, NULL, DT_F32),
				    emit_slot_ptr(e, s, NULL, DT_BF16));
		}
	if (module_func(m, module_namez(m, "refresh")))
		emit_line(e, "f_refresh(rt);");
	e->indent = 0;
	fputs("}\n\n", e->out);
}

/* ---- program ---- */

static uint64_t
size_or(const struct module *m, const char *dim, uint64_t dflt)
{
	const struct dimdef *d = module_dim(m, module_namez(
	    (struct module *)m, dim));

	return d ? d->size : dflt;
}

static uint64_t
vocabulary(const struct module *m)
{
	const struct slot *s = module_slot(m,
	    module_namez((struct module *)m, "io.logits"));
	struct func *f = module_func(m,
	    module_namez((struct module *)m, "logits"));
	const struct type *t;

	if (!s || !f)
		return 0;
	t = region_last(&f->body)->in[0].v->type;
	return dim_local_size(m, &t->d[t->rank - 1]);
}

/* How tokens are cut: as the parameters of the entries say. */
static void
print_input_layout(struct emit *e, const char *key, const char *name)
{
	static const char *const entry[] = {"step", "eval", "logits"};
	const struct dim *d = NULL;

	for (size_t i = 0; i < COUNT_OF(entry) && !d; i++) {
		const struct func *f = module_func(e->m, entry[i]);
		const struct type *t = f && f->nparam ? f->param[0]->type :
		    NULL;

		for (int j = 0; t && j < t->rank; j++)
			if (strcmp(t->d[j].name, name) == 0)
				d = &t->d[j];
	}
	fprintf(e->out, "\t.%s = ", key);
	if (d)
		emit_layout_value(e, e->out, d);
	else
		fputs("{.size = 1}", e->out);
	fputs(",\n", e->out);
}

static void
print_mesh(struct emit *e)
{
	const struct module *m = e->m;

	if (!m->naxis)
		return;
	fprintf(e->out, "\t.naxis = %d,\n\t.axis = {", m->naxis);
	for (int i = 0; i < m->naxis; i++)
		fprintf(e->out, "%s\"%s\"", i ? ", " : "", m->axis[i].name);
	fputs("},\n\t.axis_size = {", e->out);
	for (int i = 0; i < m->naxis; i++)
		fprintf(e->out, "%s%u", i ? ", " : "", m->axis[i].size);
	fputs("},\n", e->out);
	if (e->nmove)
		fputs("\t.move = moves, .nmove = MOVES,\n", e->out);
}

static void
print_lanes(struct emit *e)
{
	fputs("\t.lane = (const char *const[]){", e->out);
	for (int i = 0; i < LANE_COUNT; i++)
		fprintf(e->out, "%s\"%s\"", i ? ", " : "", lane_name[i]);
	fprintf(e->out, "},\n\t.nlane = %d,\n", LANE_COUNT);
}

static void
print_io(struct emit *e, const char *key, const char *name)
{
	const struct slot *s = module_slot(e->m,
	    module_namez(e->m, name));

	if (s)
		fprintf(e->out, "\t.%s = %" PRIu64 ",\n", key, s->offset);
	else
		fprintf(e->out, "\t.%s = UINT64_MAX,\n", key);
}

static void
print_entry(struct emit *e, const char *name)
{
	fprintf(e->out, "\t.%s = %s%s,\n", name, module_func(e->m,
	    module_namez(e->m, name)) ? "f_" : "NULL", module_func(e->m,
	    module_namez(e->m, name)) ? name : "");
}

static void
print_device(const struct emit *e)
{
	if (e->to->gpu)
		fprintf(e->out, "\t.device = LT_DEVICE_%s,\n"
		    "\t.unit = units, .nunit = %d,\n"
		    "\t.kernel = kernels, .nkernel = KERNELS,\n",
		    e->cuda->emulated ? "EMU" : "CUDA", e->nunit);
	else
		fputs("\t.device = LT_DEVICE_CPU,\n", e->out);
}

static void
print_program(struct emit *e)
{
	struct module *m = e->m;
	double model, hardware;
	char *plan = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&plan, &n);

	codegen_plan(m, f);
	fclose(f);
	flops_of_step(m, &model, &hardware);
	fprintf(e->out, "static const struct lt_program program = {\n"
	    "\t.abi = LT_ABI,\n\t.name = ");
	emit_quoted(e->out, m->name);
	fprintf(e->out, ",\n\t.version = \"%s\",\n"
	    "\t.hash = UINT64_C(0x%016" PRIx64 "),\n", VERSION,
	    identity_hash(m));
	emit_identity(e);
	fputs("\t.plan = ", e->out);
	emit_quoted(e->out, plan);
	free(plan);
	fputs(",\n", e->out);
	print_mesh(e);
	print_lanes(e);
	fprintf(e->out, "\t.micro = %" PRIu64 ", .batch = %" PRIu64
	    ", .seq = %" PRIu64 ", .vocab = %" PRIu64 ",\n"
	    "\t.parameters = UINT64_C(%" PRIu64 "),\n"
	    "\t.flops_step = %a, .flops_hardware = %a,\n"
	    "\t.flops_formula = \"3 x forward: 2mnk per matrix product, "
	    "4 s^2 d per head of attention, halved when causal\",\n"
	    "\t.bf16 = %s,\n",
	    size_or(m, "mb", 1), size_or(m, "b", 1), size_or(m, "s", 1),
	    vocabulary(m), codegen_parameters(m), model, hardware,
	    strcmp(module_text(m, "recipe.precision", "f32"), "bf16") == 0 ?
	    "true" : "false");
	fprintf(e->out, "\t.arena = {%" PRIu64 ", %" PRIu64 ", %" PRIu64
	    ", %" PRIu64 ", %" PRIu64 ", 0},\n\t.work = work,\n",
	    m->arena_size[ARENA_STATE], m->arena_size[ARENA_KEEP],
	    m->arena_size[ARENA_ACT], m->arena_size[ARENA_IO],
	    m->arena_size[ARENA_HOST]);
	print_input_layout(e, "rows", "b");
	print_input_layout(e, "cols", "s");
	print_io(e, "io_tok", "io.tok");
	print_io(e, "io_lab", "io.lab");
	print_io(e, "io_doc", "io.doc");
	print_io(e, "io_logits", "io.logits");
	if (e->nflat)
		fprintf(e->out, "\t.flat = flats, .nflat = %d,\n", e->nflat);
	print_device(e);
	fputs("\t.tensor = tensors,\n"
	    "\t.ntensor = sizeof tensors / sizeof *tensors,\n", e->out);
	emit_recipe(e);
	if (strcmp(module_text(e->m, "plan.update", "step"), "layer") == 0)
		fputs("\t.by_layer = true,\n", e->out);
	print_entry(e, "step");
	print_entry(e, "eval");
	print_entry(e, "logits");
	fprintf(e->out, "\t.refresh = refresh,\n%s};\n\n", e->rehearses ?
	    "\t.rehearse = rehearse,\n" : "");
}

void
emit_tables(struct emit *e)
{
	print_tensors(e);
	print_work(e);
	print_program(e);
	fputs("int\nmain(int argc, char **argv)\n{\n"
	    "\treturn lt_main(argc, argv, &program);\n}\n", e->out);
}
