/* Loading, interpreting, compiling and running one test program. */
#include "config.h"

#include "tests/codegen/program.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "codegen/cuda.h"
#include "frontend/frontend.h"
#include "ir/interp/interp.h"
#include "support/buf.h"
#include "support/rng.h"

extern const struct pass pass_ring, pass_fuse, pass_rotate, pass_schedule,
    pass_memory;
static const struct pass *const passes[] = {&pass_ring, &pass_fuse,
    &pass_rotate, &pass_schedule, &pass_memory, NULL};

static const double WIDTH = 1.5; /* parameters lie in [-0.75, 0.75) */

/* ---- loading ---- */

static const char *
read_file(struct arena *mem, const char *path)
{
	FILE *f = fopen(path, "rb");
	struct buf b = {0};
	const char *text;
	int c;

	ck_assert_msg(f != NULL, "cannot read %s", path);
	while ((c = getc(f)) != EOF)
		buf_putc(&b, (char)c);
	fclose(f);
	text = arena_strndup(mem, buf_text(&b), b.len);
	buf_free(&b);
	return text;
}

/* $T is the dtype of the variant. */
static const char *
fill_in(struct arena *mem, const char *text, const char *dtype)
{
	struct buf b = {0};
	const char *s;

	for (; *text; text++)
		if (text[0] == '$' && text[1] == 'T') {
			buf_puts(&b, dtype);
			text++;
		} else {
			buf_putc(&b, *text);
		}
	s = arena_strndup(mem, buf_text(&b), b.len);
	buf_free(&b);
	return s;
}

static bool
is_cut(const struct type *t, const char *dim)
{
	int i = t ? type_find(t, dim) : -1;

	return i >= 0 && t->d[i].n > 0;
}

static bool
is_cut_somewhere(const struct module *m, const char *dim)
{
	for (int i = 0; i < m->nfunc; i++)
		for (int j = 0; j < m->func[i]->nvalue; j++)
			if (is_cut(m->func[i]->value[j]->type, dim))
				return true;
	return false;
}

/* Other sizes of the same parity, so that halves stay whole; what is cut into
 * more pieces keeps its size. */
static void
stretch(struct module *m, uint64_t seed)
{
	for (int i = 0; seed && i < m->ndim; i++)
		if (!is_cut_somewhere(m, m->dim[i].name))
			m->dim[i].size += 2 * (lt_rng_u64(seed, 7,
			    (uint64_t)i) % 4);
}

static uint64_t
size_of(const struct program *p, const char *dim)
{
	const struct dimdef *d = module_dim(p->ref,
	    module_namez(p->ref, dim));

	return d ? d->size : 1;
}

static int32_t *
draw_ints(struct program *p, uint64_t stream, uint64_t n, uint64_t below)
{
	int32_t *x = NEW_N(&p->mem, int32_t, n);

	for (uint64_t i = 0; i < n; i++)
		x[i] = (int32_t)(lt_rng_u64(3, stream, i) % below);
	return x;
}

/* One label in five is the ignored one; documents change one time in three. */
static void
draw_inputs(struct program *p, uint64_t step)
{
	uint64_t n = p->tokens, s = size_of(p, "s"), v = size_of(p, "v");
	int32_t *coin = draw_ints(p, 10 * step + 4, n, 5);
	int32_t *turn = draw_ints(p, 10 * step + 5, n, 3), *doc;

	p->tok[step] = draw_ints(p, 10 * step + 1, n, v);
	p->lab[step] = draw_ints(p, 10 * step + 2, n, v);
	doc = p->doc[step] = NEW_N(&p->mem, int32_t, n);
	for (uint64_t i = 0; i < n; i++) {
		if (coin[i] == 0)
			p->lab[step][i] = -100;
		doc[i] = i % s == 0 ? 0 : doc[i - 1] + (turn[i] == 0);
	}
}

static void
draw_field(struct program *p, uint64_t n)
{
	float *x = NEW_N(&p->mem, float, n);

	for (uint64_t i = 0; i < n; i++)
		x[i] = (float)(WIDTH * (lt_rng_uniform(5, (uint64_t)p->nfield,
		    i) - 0.5));
	p->init[p->nfield] = x;
	p->size[p->nfield++] = n;
}

static void
draw_fields(struct program *p)
{
	const struct module *m = p->ref;
	size_t n = 1;

	for (int i = 0; i < m->nbundle; i++)
		n += (size_t)m->bundle[i]->nfield;
	p->init = NEW_N(&p->mem, float *, n);
	p->size = NEW_N(&p->mem, uint64_t, n);
	for (int i = 0; i < m->nbundle; i++) {
		const struct bundle *b = m->bundle[i];
		uint64_t layers = b->stack ? module_dim(m, b->stack)->size : 1;

		for (int j = 0; b->role == ROLE_PARAM && j < b->nfield; j++)
			draw_field(p, layers *
			    type_global_count(m, b->field[j].type));
	}
}

static bool
is_language(const char *file)
{
	return strcmp(file + strlen(file) - 3, ".lt") == 0;
}

/* The interpreter's program: before anything is recomputed or placed. */
static void
keep_reference(struct module *m, const char *after, void *arg)
{
	struct program *p = arg;

	if (strcmp(after, p->ref ? "" : is_language(p->src.name) ?
	    "autodiff" : "read") == 0) {
		p->ref = module_clone(&p->mem, m);
		if (p->ref->stage == 'a')
			p->ref->naxis = 0; /* one device is enough */
	}
}

/* Sizes that make any of the examples small: all different. */
static const char *const small[] = {"s=6", "recipe.batch=24", "e=20", "f=14",
	"k=2", "g=3", "d=4", "v=29", "L=3"};

/* And for several ranks: enough to cut. */
static const char *const cut[] = {"s=24", "recipe.batch=96", "e=20", "f=14",
	"k=2", "g=6", "d=4", "v=29", "L=2"};

/* Steps so small that AdamW does not amplify rounding: eps is large. */
static void
read_language(struct program *p, const struct variant *v)
{
	const char *set[20] = {"recipe.eps=0.1", "recipe.clip=0.7",
	    arena_printf(&p->mem, "recipe.precision=%s", v->dtype),
	    arena_printf(&p->mem, "plan.recompute=%s", v->recompute)};
	struct frontend_options o = {.set = set, .nset = 4};

	if (v->micro)
		set[o.nset++] = arena_printf(&p->mem, "plan.micro=%s",
		    v->micro);
	for (size_t i = 0; v->small && i < COUNT_OF(small); i++)
		set[o.nset++] = v->mesh ? cut[i] : small[i];
	o.mesh = v->mesh;
	if (v->shard) {
		set[o.nset++] = "plan.stage=3";
		set[o.nset++] = arena_printf(&p->mem, "plan.shard=over(%s)",
		    v->shard);
	}
	p->gen = frontend_compile(&p->mem, &p->diag, &o);
	ck_assert_msg(p->gen != NULL, "%s does not compile", v->file);
}

static void
read_ir(struct program *p, const struct variant *v)
{
	p->gen = module_read(&p->mem, &p->diag);
	ck_assert_msg(p->gen != NULL, "%s does not read", v->file);
	stretch(p->gen, v->stretch);
}

struct program *
program_load(const struct variant *v)
{
	struct program *p = calloc(1, sizeof *p);
	struct pipeline_options o = {.out = stderr, .watch = keep_reference,
	    .arg = p};
	const char *text;

	ck_assert_ptr_nonnull(p);
	text = read_file(&p->mem, arena_printf(&p->mem, "%s/%s", TEST_DIR,
	    v->file));
	text = fill_in(&p->mem, text, v->dtype);
	p->src = (struct source){v->file, text, (uint32_t)strlen(text)};
	p->diag = (struct diag){.src = &p->src, .out = stderr};
	if (is_language(v->file))
		read_language(p, v);
	else
		read_ir(p, v);
#ifdef CUDA
	module_set_number(p->gen, "target.gpu", 1, (struct span){0});
#endif
	ck_assert_int_eq(pipeline_run(is_language(v->file) ? pipeline : passes,
	    p->gen, &o), PIPELINE_OK);
	p->tokens = size_of(p, "mb") * size_of(p, "b") * size_of(p, "s");
	for (uint64_t i = 0; i < STEPS; i++)
		draw_inputs(p, i);
	draw_fields(p);
	return p;
}

void
program_free(struct program *p)
{
	arena_free(&p->mem);
	free(p);
}

/* ---- interpreting ---- */

static double *
as_doubles(struct program *p, const int32_t *x, uint64_t n)
{
	double *y = NEW_N(&p->mem, double, n + 1);

	for (uint64_t i = 0; i < n; i++)
		y[i] = x[i];
	return y;
}

/* The arguments of an entry by the names of its parameters. */
static const double **
arguments(struct program *p, const struct func *f, int step)
{
	const double **arg = NEW_N(&p->mem, const double *,
	    (size_t)f->nparam + 1);

	for (int i = 0; i < f->nparam; i++) {
		const char *name = f->param[i]->name;
		const int32_t *x = strcmp(name, "tok") == 0 ? p->tok[step] :
		    strcmp(name, "lab") == 0 ? p->lab[step] : p->doc[step];

		arg[i] = strcmp(name, "at") == 0 ?
		    as_doubles(p, (const int32_t[]){1}, 1) :
		    as_doubles(p, x, p->tokens);
	}
	return arg;
}

static double *
get_field(struct program *p, struct interp *in, const struct bundle *b, int j)
{
	double *x = NEW_N(&p->mem, double, interp_count(in, b, j) + 1);

	ck_assert(interp_get(in, b, j, x));
	return x;
}

static double **
get_role(struct program *p, struct interp *in, enum bundle_role role)
{
	double **x = NEW_N(&p->mem, double *, (size_t)p->nfield + 1);
	int n = 0;

	for (int i = 0; i < p->ref->nbundle; i++) {
		const struct bundle *of = p->ref->bundle[i], *b = NULL;

		if (of->role != ROLE_PARAM)
			continue;
		for (int j = 0; j < p->ref->nbundle; j++)
			if (p->ref->bundle[j]->role == role &&
			    (role == ROLE_PARAM ? j == i :
			    p->ref->bundle[j]->of == of))
				b = p->ref->bundle[j];
		for (int j = 0; j < of->nfield; j++)
			x[n++] = b ? get_field(p, in, b, j) : NULL;
	}
	return x;
}

static void
set_params(struct program *p, struct interp *in)
{
	int n = 0;

	for (int i = 0; i < p->ref->nbundle; i++) {
		const struct bundle *b = p->ref->bundle[i];

		for (int j = 0; b->role == ROLE_PARAM && j < b->nfield; j++) {
			double *x = NEW_N(&p->mem, double, p->size[n] + 1);

			for (uint64_t k = 0; k < p->size[n]; k++)
				x[k] = p->init[n][k];
			interp_set(in, b, j, x);
			n++;
		}
	}
	ck_assert(interp_refresh(in));
}

static const struct func *
entry(struct program *p, const char *name)
{
	return module_func(p->ref, module_namez(p->ref, name));
}

static void
interpret_eval(struct program *p, struct interp *in, struct results *r)
{
	const struct func *f = entry(p, "eval");

	if (f)
		ck_assert(interp_run(in, "eval", 0, arguments(p, f, STEPS - 1),
		    (double *[]){&r->nll, &r->count}));
	f = entry(p, "logits");
	if (!f)
		return;
	r->nlogits = type_global_count(p->ref,
	    region_last(&f->body)->in[0].v->type);
	r->logits = NEW_N(&p->mem, double, r->nlogits + 1);
	ck_assert(interp_run(in, "logits", 0, arguments(p, f, STEPS - 1),
	    &r->logits));
}

void
program_interpret(struct program *p, bool round, struct results *r)
{
	struct interp_options o = {.seed = 1, .training = true,
	    .round = round};
	struct interp *in = interp_new(p->ref, &o);

	ck_assert_ptr_nonnull(in);
	*r = (struct results){0};
	set_params(p, in);
	for (int i = 0; i < STEPS; i++) {
		struct result *s = &r->step[i];

		interp_set_step(in, i + 1, 0);
		ck_assert(interp_run(in, "step", 0, arguments(p,
		    entry(p, "step"), i), (double *[]){&s->loss, &s->gnorm}));
		s->grad = get_role(p, in, ROLE_GRAD);
		s->master = get_role(p, in, ROLE_PARAM);
		s->moment1 = get_role(p, in, ROLE_MOMENT1);
		s->moment2 = get_role(p, in, ROLE_MOMENT2);
	}
	interpret_eval(p, in, r);
	interp_free(in);
}

/* ---- compiling and running ---- */

static void
emit(struct program *p, const char *path)
{
	FILE *f = fopen(path, "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(codegen_c(p->gen, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void
run(const char *command)
{
	int status = system(command);

	ck_assert_msg(status == 0, "failed: %s", command);
}

void
program_compile(struct program *p, const char *exe, bool clones)
{
	const char *c = arena_printf(&p->mem, "%s.c", exe);
	const char *cc = getenv("CC") ? getenv("CC") : "cc";

	emit(p, c);
	run(arena_printf(&p->mem, "%s -O1 %s%s -Wall -Wextra -Werror -I%s -I. "
	    "-DGENERATED='\"%s\"' -o %s %s/codegen/harness.c %s -lm -lpthread", cc,
	    codegen_cflags " " SAN_CFLAGS, clones ? "" : " -DLT_CLONES=",
	    TOP_SRCDIR, c, exe, TEST_DIR, RUNTIME_LIB));
}

/* ---- GPUs ---- */

static void
emit_cuda(struct program *p, const char *path, struct cuda_program *c)
{
	struct cuda_options o = {.emulated = true, .no_attention = true};
	FILE *f = fopen(path, "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(codegen_cuda(p->gen, &o, f, c), 0);
	codegen_cuda_tables(c, NULL, 0, true, f);
	ck_assert_int_eq(fclose(f), 0);
}

/* The same unit of another test. */
static bool
is_there(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (f)
		fclose(f);
	return f != NULL;
}

static const char *
compile_unit(struct program *p, const struct cuda_unit *u, const char *exe)
{
	bool own = strcmp(u->name, "fused") == 0;
	const char *name = own ? exe : arena_printf(&p->mem,
	    "cuda-%s-%016" PRIx64 ".tmp", u->name, lt_fnv1a64(u->emulated));
	const char *cc = arena_printf(&p->mem, "%s-%d.cpp", name,
	    (int)getpid());
	const char *o = arena_printf(&p->mem, "%s.o", name);
	const char *cxx = getenv("CXX") ? getenv("CXX") : "c++";
	FILE *f;

	if (!own && is_there(o))
		return o;
	f = fopen(cc, "wb");
	ck_assert_ptr_nonnull(f);
	fputs(u->emulated, f);
	ck_assert_int_eq(fclose(f), 0);
	run(arena_printf(&p->mem, "%s -O1 -g -std=c++17 %s -c -o %s.new "
	    "%s && mv %s.new %s && rm %s", cxx, SAN_CFLAGS, cc, cc, cc, o,
	    cc));
	return o;
}

void
program_compile_cuda(struct program *p, const char *exe)
{
	const char *c = arena_printf(&p->mem, "%s.c", exe), *objects = "";
	const char *cc = getenv("CC") ? getenv("CC") : "cc";
	struct cuda_program cuda;

	emit_cuda(p, c, &cuda);
	for (int i = 0; i < cuda.nunit; i++)
		objects = arena_printf(&p->mem, "%s %s", objects,
		    compile_unit(p, &cuda.unit[i], exe));
	run(arena_printf(&p->mem, "%s -O1 -g %s -Wall -Wextra -Werror -I%s "
	    "-I. -DGPU -DGENERATED='\"%s\"' -o %s %s/codegen/harness.c%s %s "
	    "-lstdc++ -lm -lpthread -ldl", cc, codegen_cflags " " SAN_CFLAGS,
	    TOP_SRCDIR, c, exe, TEST_DIR, objects, RUNTIME_LIB));
}

static void
write_inputs(struct program *p, const char *path)
{
	FILE *f = fopen(path, "wb");
	bool doc = module_slot(p->gen, module_namez(p->gen, "io.doc"));

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < p->nfield; i++)
		fwrite(p->init[i], sizeof(float), p->size[i], f);
	for (int i = 0; i < STEPS; i++) {
		fwrite(p->tok[i], sizeof(int32_t), p->tokens, f);
		fwrite(p->lab[i], sizeof(int32_t), p->tokens, f);
		if (doc)
			fwrite(p->doc[i], sizeof(int32_t), p->tokens, f);
	}
	ck_assert_int_eq(fclose(f), 0);
}

static double *
read_floats(struct program *p, FILE *f, uint64_t n)
{
	double *y = NEW_N(&p->mem, double, n + 1);
	float x;

	for (uint64_t i = 0; i < n; i++) {
		ck_assert_int_eq(fread(&x, sizeof x, 1, f), 1);
		y[i] = x;
	}
	return y;
}

static bool
has_role(const struct program *p, int field, enum bundle_role role)
{
	int n = 0;

	for (int i = 0; i < p->ref->nbundle; i++) {
		const struct bundle *b = p->ref->bundle[i];

		if (b->role != ROLE_PARAM)
			continue;
		for (int j = 0; field >= n && field < n + b->nfield &&
		    j < p->ref->nbundle; j++)
			if (p->ref->bundle[j]->of == b &&
			    p->ref->bundle[j]->role == role)
				return true;
		n += b->nfield;
	}
	return role == ROLE_PARAM;
}

static void
read_step(struct program *p, FILE *f, struct result *r)
{
	size_t n = (size_t)p->nfield + 1;

	r->loss = read_floats(p, f, 1)[0];
	r->gnorm = read_floats(p, f, 1)[0];
	r->grad = NEW_N(&p->mem, double *, n);
	r->master = NEW_N(&p->mem, double *, n);
	r->moment1 = NEW_N(&p->mem, double *, n);
	r->moment2 = NEW_N(&p->mem, double *, n);
	for (int i = 0; i < p->nfield; i++) {
		if (has_role(p, i, ROLE_GRAD))
			r->grad[i] = read_floats(p, f, p->size[i]);
		r->master[i] = read_floats(p, f, p->size[i]);
		if (has_role(p, i, ROLE_MOMENT1))
			r->moment1[i] = read_floats(p, f, p->size[i]);
		if (has_role(p, i, ROLE_MOMENT2))
			r->moment2[i] = read_floats(p, f, p->size[i]);
	}
}

void
program_run(struct program *p, const char *exe, int threads, struct results *r)
{
	const char *in = arena_printf(&p->mem, "%s.in", exe);
	const char *out = arena_printf(&p->mem, "%s.out", exe);
	const struct func *logits = entry(p, "logits");
	FILE *f;

	*r = (struct results){0};
	write_inputs(p, in);
	run(arena_printf(&p->mem, "./%s %d %s %s", exe, threads, in, out));
	f = fopen(out, "rb");
	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < STEPS; i++)
		read_step(p, f, &r->step[i]);
	ck_assert_int_eq(fread(&r->nll, sizeof r->nll, 1, f), 1);
	ck_assert_int_eq(fread(&r->count, sizeof r->count, 1, f), 1);
	if (logits) {
		r->nlogits = type_global_count(p->ref,
		    region_last(&logits->body)->in[0].v->type);
		r->logits = read_floats(p, f, r->nlogits);
	}
	ck_assert_int_eq(getc(f), EOF);
	fclose(f);
}
