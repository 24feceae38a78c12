/* Which code a GPU gets: embedded for it, or compiled here. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/gpu/cuda.h"
#include "runtime/main/report.h"

/* A family is the rest of its generation, but 101 is one by itself. */
static bool
is_family(int n, int here)
{
	return n >= 100 && (n == here || (n != 101 && here != 101));
}

/* What uses more of the GPU is better, then what is newer. */
int
lt_cuda_suits(const char *arch, int here)
{
	char *end;
	long n = strncmp(arch, "sm_", 3) == 0 ? strtol(arch + 3, &end, 10) : 0;

	if (n <= 0 || n / 10 != here / 10 || n > here)
		return -1;
	if (!*end)
		return (int)n;
	if (strcmp(end, "f") == 0)
		return is_family((int)n, here) ? 1000 + (int)n : -1;
	return strcmp(end, "a") == 0 && n == here && n >= 90 ? 2000 : -1;
}

static const struct lt_cubin *
choose(const struct lt_unit *u, int arch)
{
	const struct lt_cubin *best = NULL;
	int most = -1;

	for (int i = 0; i < u->ncubin; i++) {
		int r = lt_cuda_suits(u->cubin[i].arch, arch);

		if (r > most) {
			most = r;
			best = &u->cubin[i];
		}
	}
	return best;
}

/* What can use all of the GPU. */
static void
arch_name(int arch, char name[16])
{
	snprintf(name, 16, "sm_%d%s", arch, arch >= 90 ? "a" : "");
}

static int
load_data(struct lt_gpu *g, int unit, const void *data)
{
	struct lt_cuda *c = g->self;
	char buf[256];
	int r = c->cu->module_load(&c->module[unit], data);

	if (r == LT_CU_OK)
		return LT_OK;
	return lt_fail(LT_EXIT_CONFIG, "rank %d: the kernels of %s do not "
	    "load on %s, sm_%d, with a driver for CUDA %d.%d: %s", g->rt->rank,
	    g->rt->prog->unit[unit].name, c->name, g->arch,
	    c->cu->driver / 1000, c->cu->driver % 1000 / 10,
	    lt_cu_text(c->cu, r, buf));
}

static int
compile_unit(struct lt_gpu *g, int unit)
{
	char arch[16], *code;
	struct lt_error why = {.code = LT_OK};
	size_t size;
	int rc;

	arch_name(g->arch, arch);
	code = lt_cache_compile(&g->rt->prog->unit[unit], arch, &size, &why);
	if (!code)
		return lt_fail(why.code, "rank %d: this trainer was made "
		    "without kernels for %s (loongc --arch=%s compiles them "
		    "in), and cannot compile them here: %s", g->rt->rank,
		    ((struct lt_cuda *)g->self)->name, arch, why.text);
	rc = load_data(g, unit, code);
	free(code);
	return rc;
}

static int
load_unit(struct lt_gpu *g, int unit)
{
	const struct lt_unit *u = &g->rt->prog->unit[unit];
	const struct lt_cubin *x = choose(u, g->arch);

	if (g->arch < u->arch_min || g->arch > u->arch_max)
		return LT_OK;
	return x ? load_data(g, unit, x->data) : compile_unit(g, unit);
}

static int
load_kernel(struct lt_gpu *g, int kernel)
{
	const struct lt_kernel *k = &g->rt->prog->kernel[kernel];
	struct lt_cuda *c = g->self;
	lt_cu_module m = c->module[k->unit];
	char buf[256];
	int r;

	if (!m)
		return LT_OK;
	r = c->cu->function(&c->function[kernel], m, k->name);
	if (!r && k->smem > 48 << 10)
		r = c->cu->function_set(c->function[kernel], LT_CU_FUNC_SMEM,
		    (int)k->smem);
	return r ? lt_fail(LT_EXIT_CONFIG, "rank %d: kernel %s with %u bytes "
	    "of shared memory cannot be used on %s: %s", g->rt->rank, k->name,
	    k->smem, c->name, lt_cu_text(c->cu, r, buf)) : LT_OK;
}

int
lt_cuda_load(struct lt_gpu *g)
{
	const struct lt_program *p = g->rt->prog;
	struct lt_cuda *c = g->self;
	int rc = LT_OK;

	c->module = calloc((size_t)p->nunit + 1, sizeof *c->module);
	c->function = calloc((size_t)p->nkernel + 1, sizeof *c->function);
	if (!c->module || !c->function)
		return lt_fail(LT_EXIT_FAIL, "out of memory");
	for (int i = 0; !rc && i < p->nunit; i++)
		rc = load_unit(g, i);
	for (int i = 0; !rc && i < p->nkernel; i++)
		rc = load_kernel(g, i);
	return rc;
}

void
lt_cuda_unload(struct lt_gpu *g)
{
	struct lt_cuda *c = g->self;

	for (int i = 0; c->module && i < g->rt->prog->nunit; i++)
		if (c->module[i])
			(void)c->cu->module_free(c->module[i]);
	free(c->module);
	free(c->function);
}
