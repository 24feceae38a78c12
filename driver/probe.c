#include "config.h"

#include "driver/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "codegen/codegen.h"
#include "driver/cc.h"
#include "driver/child.h"
#include "driver/output.h"
#include "driver/probe_text.h"

static bool
fail(struct module *m, const char *why)
{
	diag_error(m->diag, (struct span){0}, "verify: %s", why);
	return false;
}

/* ---- what the program reads ---- */

static void
put_ints(FILE *f, const double *x, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		fwrite(&(int32_t){(int32_t)x[i]}, sizeof(int32_t), 1, f);
}

static uint64_t
field_count(const struct module *m, const struct bundle *b, int field)
{
	return type_global_count(m, b->field[field].type) *
	       (b->stack ? module_dim(m, b->stack)->size : 1);
}

static void
put_parameters(FILE *f, const struct module *m, const struct bundle *b)
{
	for (int j = 0; j < b->nfield; j++) {
		uint64_t n = field_count(m, b, j);
		double *x = NEW_N(m->mem, double, n + 1);

		batch_parameter(b, j, n, x);
		for (uint64_t i = 0; i < n; i++)
			fwrite(&(float){(float)x[i]}, sizeof(float), 1, f);
	}
}

static void
put_input(FILE *f, const struct module *m, const struct batch *x, uint64_t seed,
    double lr)
{
	fwrite(&seed, sizeof seed, 1, f);
	fwrite(&lr, sizeof lr, 1, f);
	fwrite(&(int64_t){(int64_t)x->at}, sizeof(int64_t), 1, f);
	put_ints(f, x->tok, x->count);
	put_ints(f, x->lab, x->count);
	put_ints(f, x->doc, x->count);
	for (int i = 0; i < m->nbundle; i++)
		if (m->bundle[i]->role == ROLE_PARAM)
			put_parameters(f, m, m->bundle[i]);
}

/* ---- what it writes ---- */

static bool
get_float(FILE *f, double *x)
{
	float y;
	bool ok = fread(&y, sizeof y, 1, f) == 1;

	*x = ok ? (double)y : 0;
	return ok;
}

static bool
get_floats(FILE *f, double *x, uint64_t n)
{
	bool ok = true;

	for (uint64_t i = 0; i < n && ok; i++)
		ok = get_float(f, &x[i]);
	return ok;
}

/* The complete gradient is the one stored over its shares. */
static struct bundle *
derived(const struct module *m, struct bundle *of, int role)
{
	struct bundle *found = NULL;

	for (int i = 0; i < m->nbundle; i++)
		if (m->bundle[i]->role == role &&
		    (role == ROLE_PARAM ? m->bundle[i] : m->bundle[i]->of) ==
			of && (!found || m->bundle[i]->over))
			found = m->bundle[i];
	return found;
}

/* Is a field of b there after the step?  Layers may have shared one place. */
static bool
lasts(const struct module *m, const struct bundle *b, int field)
{
	const struct slot *s = bundle_is_image(m, b) ? NULL :
	    bundle_slot(m, b, field, "");

	return !s || !b->stack || s->count >= module_dim(m, b->stack)->size;
}

/* Parameter, gradient and both moments of one field, those there are. */
static bool
get_field(FILE *f, const struct module *m, struct probe_step *s,
    struct bundle *b, int j)
{
	bool ok = true;

	for (int role = ROLE_PARAM; role <= ROLE_MOMENT2 && ok; role++) {
		struct probe_tensor *t = &s->tensor[s->ntensor];

		*t = (struct probe_tensor){
		    derived(m, b, role), j, field_count(m, b, j), NULL};
		if (!t->b || !lasts(m, t->b, j))
			continue;
		t->x = NEW_N(m->mem, double, t->n + 1);
		ok = get_floats(f, t->x, t->n);
		s->ntensor++;
	}
	return ok;
}

static bool
get_step(FILE *f, const struct module *m, struct probe_step *s)
{
	bool ok = get_float(f, &s->loss) && get_float(f, &s->gnorm);
	size_t n = 0;

	for (int i = 0; i < m->nbundle; i++)
		n += (size_t)m->bundle[i]->nfield;
	s->tensor = NEW_N(m->mem, struct probe_tensor, 4 * n + 1);
	for (int i = 0; i < m->nbundle; i++)
		for (int j = 0; ok && m->bundle[i]->role == ROLE_PARAM &&
				j < m->bundle[i]->nfield;
		     j++)
			ok = get_field(f, m, s, m->bundle[i], j);
	return ok;
}

static bool
get_forward(FILE *f, const struct module *m, struct probe *p)
{
	const struct func *logits = module_func(m, "logits");

	if (fread(&p->nll, sizeof p->nll, 1, f) != 1 ||
	    fread(&p->count, sizeof p->count, 1, f) != 1)
		return false;
	if (!logits)
		return true;
	p->nlogits = type_global_count(
	    m, arg_type(m, &region_last(&logits->body)->in[0]));
	p->logits = NEW_N(m->mem, double, p->nlogits + 1);
	return get_floats(f, p->logits, p->nlogits);
}

static bool
get_output(FILE *f, struct module *m, struct probe *p)
{
	rewind(f);
	if (get_step(f, m, &p->step[0]) && get_step(f, m, &p->step[1]) &&
	    get_forward(f, m, p) && fgetc(f) == EOF)
		return true;
	return fail(m, "the emitted program wrote something else than its "
		       "state");
}

/* ---- compile and run ---- */

static int
run_program(const char *path, FILE *in, FILE *out)
{
	char *argv[] = {(char *)path, NULL};
	int status;

	fflush(in);
	rewind(in);
	return child_run(argv, fileno(in), fileno(out), 2, &status) == 0 ?
	    status : -1;
}

static bool
run(struct probe *p, struct module *m, const char *exe, FILE *in, FILE *out)
{
	int status = run_program(exe, in, out);
	const char *why;

	if (status == 0)
		return get_output(out, m, p);
	why = status < 0 ? "cannot be run"
	      : WIFSIGNALED(status)
		  ? arena_printf(
			m->mem, "was stopped by signal %d", WTERMSIG(status))
		  : arena_printf(
			m->mem, "ended with code %d", WEXITSTATUS(status));
	if (status > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 6)
		why = "ended with ranks that do not agree";
	return fail(m, arena_printf(m->mem, "the emitted program %s", why));
}

static bool
write_source(struct module *m, FILE *f)
{
	fputs("#define _POSIX_C_SOURCE 200809L\n"
	      "#define main lt_generated_main\nint main(int, char **);\n", f);
	if (codegen_c(m, f) != 0)
		return false;
	fputs(probe_text, f);
	return !ferror(f);
}

static bool
compile_and_run(struct probe *p, struct module *m, FILE *source, FILE *in,
    FILE *out, bool verbose)
{
	const char *tmp = getenv("TMPDIR");
	struct output exe;
	bool ok;

	tmp =
	    arena_printf(m->mem, "%s/loongc-probe", tmp && *tmp ? tmp : "/tmp");
	if (!write_source(m, source) || !output_open(&exe, tmp, NULL, true))
		return false;
	ok = cc_link(source, exe.temp, verbose) && run(p, m, exe.temp, in, out);
	output_discard(&exe);
	return ok;
}

bool
probe_run(struct probe *p, struct module *m, const struct batch *x,
    uint64_t seed, double lr, bool verbose)
{
	FILE *source = tmpfile(), *in = tmpfile(), *out = tmpfile();
	bool ok = source && in && out;

	*p = (struct probe){0};
	if (!ok)
		fail(m, strerror(errno));
	else {
		put_input(in, m, x, seed, lr);
		ok = compile_and_run(p, m, source, in, out, verbose);
	}
	if (source)
		fclose(source);
	if (in)
		fclose(in);
	if (out)
		fclose(out);
	return ok;
}
