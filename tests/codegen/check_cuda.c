/*
 * Programs for GPUs: every fused kernel compiles by NVRTC for every kind of
 * GPU without spills, and nothing of the host program reads or writes an
 * address of the device.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cuda.h"
#include "frontend/frontend.h"
#include "passes/pass.h"
#include "support/buf.h"
#include "support/nvrtc.h"
#include "support/ptxas.h"
#include "tests/suite.h"

enum { KERNELS = 512, ARCHS = 3 };

static const char *const archs[ARCHS] = {"sm_80", "sm_90a", "sm_100a"};

static const struct variant {
	const char *file;
	const char *dtype;
	const char *plan;
	const char *set;
} variants[] = {
	{"examples/quickstart.lt", "bf16", NULL},
	{"examples/gpt2.lt", "bf16", NULL},
	{"examples/gpt2.lt", "f32", NULL},
	{"examples/llama2-7b.lt", "bf16", NULL},
	{"examples/llama3-8b.lt", "bf16", NULL},
	{"examples/llama3-8b.lt", "bf16", "lean"},
	{"examples/llama3-8b.lt", "bf16", "one_node"},
	{"examples/llama3-8b.lt", "bf16", "two_nodes",
	    "recipe.linear=fp8"},
	{"examples/llama3-70b.lt", "bf16", NULL},
	{"examples/mistral-7b.lt", "bf16", NULL},
	{"examples/qwen3-8b.lt", "bf16", NULL},
	{"examples/qwen3-8b.lt", "f32", NULL},
	{"examples/llama3-8b.lt", "bf16", NULL, "e=16384"}, /* wide rows */
	{"examples/qwen3-8b.lt", "bf16", NULL, "e=2560"},
	{"tests/train/cuda.lt", "bf16", "four"},
	{"tests/train/tiny.lt", "bf16", NULL},
	{"tests/train/gqa.lt", "bf16", NULL},
	{"tests/golden/docs.lt", "bf16", NULL},
	{"tests/golden/mix.lt", "bf16", NULL},
	{"tests/golden/mix.lt", "f32", NULL},
};

static struct arena mem;
static struct nvrtc *nvrtc;

static const char *
read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct buf b = {0};
	const char *text;
	int c;

	ck_assert_msg(f != NULL, "cannot read %s", path);
	while ((c = getc(f)) != EOF)
		buf_putc(&b, (char)c);
	fclose(f);
	text = arena_strndup(&mem, buf_text(&b), b.len);
	buf_free(&b);
	return text;
}

static struct module *
compile(const struct variant *v)
{
	struct source *src = NEW(&mem, struct source);
	struct diag *d = NEW(&mem, struct diag);
	const char *set[] = {arena_printf(&mem, "recipe.precision=%s",
	    v->dtype), v->set};
	struct frontend_options o = {.set = set, .nset = v->set ? 2 : 1,
	    .plan = v->plan};
	struct pipeline_options p = {.out = stderr};
	const char *text = read_file(arena_printf(&mem, "%s/%s", TOP_SRCDIR,
	    v->file));
	struct module *m;

	*src = (struct source){v->file, text, (uint32_t)strlen(text)};
	*d = (struct diag){.src = src, .out = stderr};
	m = frontend_compile(&mem, d, &o);
	ck_assert_msg(m != NULL, "%s does not compile", v->file);
	module_set_number(m, "target.gpu", 1, (struct span){0});
	ck_assert_int_eq(pipeline_run(pipeline, m, &p), PIPELINE_OK);
	return m;
}

static char *
emit(const struct variant *v, struct cuda_program *p)
{
	struct cuda_options o = {.no_attention = true};
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(codegen_cuda(compile(v), &o, f, p), 0);
	fclose(f);
	return text;
}

/* ---- NVRTC ---- */

static void
compiles(const struct variant *v, const struct cuda_unit *u, const char *arch)
{
	struct nvrtc_code code;
	struct ptxas_kernel *k = NEW_N(&mem, struct ptxas_kernel, KERNELS);
	int n;

	ck_assert_msg(nvrtc_compile(nvrtc, u->source, u->name, arch,
	    NVRTC_CUBIN, &code), "%s %s for %s: %s", v->file, u->name, arch,
	    code.log);
	n = ptxas_read(code.log, k, KERNELS);
	ck_assert(n >= 1 && n <= KERNELS);
	for (int i = 0; i < n; i++) {
		if (getenv("SHOW"))
			printf("%s %s %s: %d registers\n", v->file, arch,
			    k[i].name, k[i].registers);
		ck_assert_msg(k[i].spill_stores + k[i].spill_loads +
		    k[i].advisories + k[i].stack == 0, "%s: %s for %s: %d bytes "
		    "spilled, %d of stack; %s", v->file, k[i].name, arch,
		    k[i].spill_stores + k[i].spill_loads, k[i].stack,
		    k[i].advice);
	}
	nvrtc_free(&code);
}

START_TEST(kernels_compile)
{
	const struct variant *v = &variants[_i / ARCHS];
	struct cuda_program p;
	char why[512];

	nvrtc = nvrtc_open(why, sizeof why);
	if (!nvrtc)
		return; /* main says so */
	free(emit(v, &p));
	ck_assert_str_eq(p.unit[0].name, "fused");
	compiles(v, &p.unit[0], archs[_i % ARCHS]);
	nvrtc_close(nvrtc);
}
END_TEST

/* ---- the host program ---- */

/* What only a program for CPUs may call or do. */
static const char *const forbidden[] = {"memcpy(", "memset(", "rt->pool",
	" = *v_", " = *out", "lt_pool_run", "lt_from_bf16", "*P_"};

START_TEST(host_reads_nothing)
{
	struct cuda_program p;
	char *text = emit(&variants[_i], &p);

	for (size_t i = 0; i < COUNT_OF(forbidden); i++)
		ck_assert_msg(!strstr(text, forbidden[i]),
		    "%s: the host program has %s", variants[_i].file,
		    forbidden[i]);
	free(text);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("programs");
	char why[512];

	nvrtc = nvrtc_open(why, sizeof why);
	tcase_set_timeout(t, 240);
	if (!nvrtc)
		printf("kernels were not compiled: %s\n", why);
	else
		tcase_add_loop_test(t, kernels_compile, 0,
		    ARCHS * (int)COUNT_OF(variants));
	if (nvrtc)
		nvrtc_close(nvrtc);
	tcase_add_loop_test(t, host_reads_nothing, 0,
	    (int)COUNT_OF(variants));
	return suite_run("cuda", t);
}
