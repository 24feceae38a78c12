#include "config.h"

#include "driver/gpu.h"

#include <stdlib.h>
#include <string.h>

#include "driver/say.h"
#include "support/ptxas.h"

/* ---- compiling ---- */

static bool
is_for(const struct cuda_unit *u, const struct arch *a)
{
	return u->arch_min <= a->number && a->number <= u->arch_max;
}

static bool
compile_unit(struct gpu_code *g, struct nvrtc *rtc,
    const struct cuda_program *p, int unit, const char *arch,
    enum nvrtc_kind kind)
{
	const struct cuda_unit *u = &p->unit[unit];
	struct nvrtc_code *made = &g->made[g->n];
	bool ok = nvrtc_compile(rtc, u->source, u->name, arch, kind, made);

	if (!ok)
		say(NULL, made->log, "NVRTC cannot compile the kernels of %s "
		    "for %s", u->name, arch);
	g->code[g->n] = (struct cuda_code){unit, arch, made->data,
	    made->size};
	g->n++;
	return ok;
}

static bool
compile_all(struct gpu_code *g, struct nvrtc *rtc,
    const struct cuda_program *p, const struct arch_list *arch,
    enum nvrtc_kind kind)
{
	size_t most = (size_t)(p->nunit * arch->n) + 1;

	g->code = calloc(most, sizeof *g->code);
	g->made = calloc(most, sizeof *g->made);
	if (!g->code || !g->made)
		abort();
	for (int i = 0; i < p->nunit; i++)
		for (int j = 0; j < arch->n; j++)
			if (is_for(&p->unit[i], &arch->arch[j]) &&
			    !compile_unit(g, rtc, p, i, arch->arch[j].name,
			    kind))
				return false;
	return true;
}

bool
gpu_compile(struct gpu_code *g, const struct cuda_program *p,
    const struct arch_list *arch, enum nvrtc_kind kind)
{
	char why[512];
	struct nvrtc *rtc = nvrtc_open(why, sizeof why);
	bool ok;

	*g = (struct gpu_code){.checked = rtc != NULL};
	if (!rtc) {
		fprintf(stderr, "note: %s: the kernels were not compiled, so "
		    "nothing is known of their registers and spills; the "
		    "trainer compiles them where it starts\n", why);
		return true;
	}
	ok = compile_all(g, rtc, p, arch, kind);
	nvrtc_close(rtc);
	return ok;
}

void
gpu_free(struct gpu_code *g)
{
	for (int i = 0; i < g->n; i++)
		nvrtc_free(&g->made[i]);
	free(g->code);
	free(g->made);
	*g = (struct gpu_code){.n = 0};
}

/* ---- showing ---- */

static const struct cuda_kernel *
find_kernel(const struct cuda_program *p, int unit, const char *name)
{
	for (int i = 0; i < p->nkernel; i++)
		if (p->kernel[i].unit == unit &&
		    strcmp(p->kernel[i].name, name) == 0)
			return &p->kernel[i];
	return NULL;
}

static void
report_kernel(const struct cuda_program *p, const struct cuda_code *c,
    const struct ptxas_kernel *x, FILE *out)
{
	const struct cuda_kernel *k = find_kernel(p, c->unit, x->name);

	fprintf(out, "%-34s %-8s %4d %7u %9u %7d %12llu  %s%s%s\n", x->name,
	    c->arch, x->registers, k ? k->threads : 0,
	    (unsigned)x->shared + (k ? k->smem : 0),
	    x->spill_stores + x->spill_loads,
	    (unsigned long long)(k ? k->bytes : 0),
	    k && k->where ? k->where : "", x->advisories ? "  " : "",
	    x->advice);
}

static void
report_code(const struct gpu_code *g, const struct cuda_program *p, int i,
    FILE *out)
{
	int n = ptxas_read(g->made[i].log, NULL, 0);
	struct ptxas_kernel *k = calloc((size_t)n + 1, sizeof *k);

	if (!k)
		abort();
	(void)ptxas_read(g->made[i].log, k, n);
	for (int j = 0; j < n; j++)
		report_kernel(p, &g->code[i], &k[j], out);
	free(k);
}

void
gpu_report(const struct gpu_code *g, const struct cuda_program *p, FILE *out)
{
	fputs("kernel                             arch     regs threads "
	    "shared, B  spills    moves, B  where\n", out);
	for (int i = 0; i < g->n; i++)
		report_code(g, p, i, out);
	for (int i = 0; i < p->nkernel && !g->checked; i++)
		fprintf(out, "%-34s %-8s    ? %7u %9u       ? %12llu  %s\n",
		    p->kernel[i].name, "", p->kernel[i].threads,
		    p->kernel[i].smem,
		    (unsigned long long)p->kernel[i].bytes,
		    p->kernel[i].where ? p->kernel[i].where : "");
}

void
gpu_print_sources(const struct cuda_program *p, bool emulated, FILE *out)
{
	for (int i = 0; i < p->nunit; i++)
		fprintf(out, "%s// ---- unit %s, sm_%d to sm_%d ----\n%s",
		    i ? "\n" : "", p->unit[i].name, p->unit[i].arch_min,
		    p->unit[i].arch_max, emulated ? p->unit[i].emulated :
		    p->unit[i].source);
}

bool
gpu_print_code(const struct gpu_code *g, const struct cuda_program *p,
    enum nvrtc_kind kind, FILE *out)
{
	if (!g->checked)
		return say_error("nothing was compiled");
	if (kind == NVRTC_CUBIN && g->n != 1)
		return say_error("a cubin is one unit for one architecture, "
		    "these are %d: name one by --arch and --unit", g->n);
	for (int i = 0; i < g->n; i++) {
		if (kind == NVRTC_PTX)
			fprintf(out, "// ---- unit %s, %s ----\n",
			    p->unit[g->code[i].unit].name, g->code[i].arch);
		fwrite(g->code[i].data, 1, g->code[i].size, out);
	}
	return true;
}
