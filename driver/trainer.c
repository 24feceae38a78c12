#include "config.h"

#include "driver/trainer.h"

#include <errno.h>
#include <string.h>

#include "codegen/codegen.h"
#include "codegen/cuda.h"
#include "driver/arch.h"
#include "driver/cc.h"
#include "driver/gpu.h"
#include "driver/say.h"
#include "support/buf.h"

struct build {
	struct module *m;
	const struct options *o;
	struct times *times;
	struct arch_list arch;
	struct cuda_program p;
	struct gpu_code code;
};

/* ---- source ---- */

static bool
host_program(struct build *b, FILE *out)
{
	struct cuda_options o = {.emulated = b->arch.emulated};

	return codegen_cuda(b->m, &o, out, &b->p) == 0;
}

static bool
emit_cuda(struct build *b, FILE *out)
{
	bool ok = host_program(b, out);

	times_lap(b->times, "emit");
	ok = ok && (b->arch.emulated ||
	    gpu_compile(&b->code, &b->p, &b->arch, NVRTC_CUBIN));
	times_lap(b->times, "nvrtc");
	if (ok)
		codegen_cuda_tables(&b->p, b->code.code, b->code.n,
		    b->arch.emulated, out);
	gpu_free(&b->code);
	return ok;
}

static bool
emit_source(struct build *b, FILE *out)
{
	bool ok;

	if (b->o->target == TARGET_CUDA)
		return arch_parse(&b->arch, b->o->arch) && emit_cuda(b, out);
	ok = codegen_c(b->m, out) == 0;
	times_lap(b->times, "emit");
	return ok;
}

/* ---- program ---- */

static bool
compile_unit(struct build *b, const char *text, const char *object)
{
	FILE *source = tmpfile();
	bool ok;

	if (!source)
		return say_error("temporary file: %s", strerror(errno));
	fputs(text, source);
	ok = cc_object(source, object, b->o->verbose);
	fclose(source);
	return ok;
}

/* The kernels as functions of C++. */
static bool
compile_emulated(struct build *b, struct output *w)
{
	for (int i = 0; i < b->p.nunit; i++) {
		const char *object = output_part(w);

		if (!object ||
		    !compile_unit(b, b->p.unit[i].emulated, object))
			return false;
	}
	times_lap(b->times, "c++");
	return true;
}

/* The C goes through a nameless file: nothing of it can be left behind. */
bool
trainer_link(struct module *m, const struct options *o, struct times *times,
    struct output *w)
{
	struct build b = {.m = m, .o = o, .times = times};
	FILE *c = tmpfile();
	bool ok;

	if (!c)
		return say_error("temporary file: %s", strerror(errno));
	ok = emit_source(&b, c) &&
	    (!b.arch.emulated || compile_emulated(&b, w)) &&
	    cc_link_cxx(c, w->part, w->npart, w->temp, o->verbose);
	times_lap(times, "cc");
	fclose(c);
	return ok;
}

/* ---- parts of it ---- */

bool
trainer_emits(const struct options *o)
{
	return o->emit == EMIT_C || o->emit >= EMIT_CUDA;
}

static bool
no_unit(const struct cuda_program *p, const char *name)
{
	struct buf b = {0};

	for (int i = 0; i < p->nunit; i++)
		buf_printf(&b, " %s", p->unit[i].name);
	say_error("--unit: no unit is called '%s'; there are:%s", name,
	    buf_text(&b));
	buf_free(&b);
	return false;
}

static void
keep_unit(struct build *b, int unit)
{
	struct cuda_kernel *k = NEW_N(b->m->mem, struct cuda_kernel,
	    (size_t)b->p.nkernel + 1);
	int n = 0;

	for (int i = 0; i < b->p.nkernel; i++)
		if (b->p.kernel[i].unit == unit) {
			k[n] = b->p.kernel[i];
			k[n++].unit = 0;
		}
	b->p = (struct cuda_program){&b->p.unit[unit], k, 1, n};
}

/* --unit: the others are left out. */
static bool
choose_unit(struct build *b)
{
	const char *name = b->o->unit;

	for (int i = 0; name && i < b->p.nunit; i++)
		if (strcmp(b->p.unit[i].name, name) == 0) {
			keep_unit(b, i);
			return true;
		}
	return !name || no_unit(&b->p, name);
}

static bool
print_kernels(struct build *b, FILE *out)
{
	enum nvrtc_kind kind = b->o->emit == EMIT_PTX ? NVRTC_PTX :
	    NVRTC_CUBIN;
	bool ok;

	if (b->o->emit == EMIT_CUDA) {
		gpu_print_sources(&b->p, b->arch.emulated, out);
		return true;
	}
	if (b->arch.emulated)
		return say_error("--arch=emu: NVRTC compiles nothing of it");
	ok = gpu_compile(&b->code, &b->p, &b->arch, kind);
	times_lap(b->times, "nvrtc");
	if (ok && b->o->emit == EMIT_KERNELS)
		gpu_report(&b->code, &b->p, out);
	else if (ok)
		ok = gpu_print_code(&b->code, &b->p, kind, out);
	gpu_free(&b->code);
	return ok;
}

/* The host program is made too: it is what asks for kernels. */
static bool
print_parts(struct build *b, FILE *out)
{
	FILE *host = tmpfile();
	bool ok;

	if (!host)
		return say_error("temporary file: %s", strerror(errno));
	ok = arch_parse(&b->arch, b->o->arch) && host_program(b, host);
	times_lap(b->times, "emit");
	ok = ok && choose_unit(b) && print_kernels(b, out);
	fclose(host);
	return ok;
}

bool
trainer_print(struct module *m, const struct options *o, struct times *times,
    FILE *out)
{
	struct build b = {.m = m, .o = o, .times = times};

	return o->emit == EMIT_C ? emit_source(&b, out) :
	    print_parts(&b, out);
}
