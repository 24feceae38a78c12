/*
 * Every library kernel compiles by NVRTC for every architecture it is made
 * for, without spills and without advisories of ptxas but those of
 * allowed.def.  No GPU is needed.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/texts.h"
#include "support/compiler.h"
#include "support/nvrtc.h"
#include "support/ptxas.h"
#include "tests/suite.h"

enum { SKIP = 77, KERNELS_MAX = 32 };

static const struct unit {
	const char *name, *defines, *file;
	int from, to;
} units[] = {
#define UNIT(name, defines, file, from, to) {name, defines, file, from, to},
#include "tests/kernels/units.def"
#undef UNIT
};

static const struct {
	const char *kernel, *arch;
	int spills, advisories;
} allowed[] = {
/* a reason is a sentence: more than twenty characters */
#define ALLOW(kernel, arch, spills, advisories, reason) \
	{kernel, arch, spills + \
	    0 * (int)sizeof(char[sizeof reason > 20 ? 1 : -1]), advisories},
#include "tests/kernels/allowed.def"
#undef ALLOW
	{NULL},
};

static const struct {
	const char *name;
	int number;
} archs[] = {{"sm_80", 80}, {"sm_90a", 90}, {"sm_100a", 100}};

static struct nvrtc *nvrtc;

static void
check_kernel(const struct ptxas_kernel *k, const char *arch)
{
	int spills = 0, advisories = 0;

	for (int i = 0; allowed[i].kernel; i++)
		if (strcmp(allowed[i].kernel, k->name) == 0 &&
		    strcmp(allowed[i].arch, arch) == 0) {
			spills = allowed[i].spills;
			advisories = allowed[i].advisories;
		}
	ck_assert_msg(k->spill_stores + k->spill_loads <= spills,
	    "%s for %s: %d bytes spilled, %d allowed", k->name, arch,
	    k->spill_stores + k->spill_loads, spills);
	ck_assert_msg(k->advisories <= advisories, "%s for %s: %s", k->name,
	    arch, k->advice);
}

static void
check_unit(const struct unit *u, const char *arch)
{
	struct kernel_source s = {0};
	struct ptxas_kernel k[KERNELS_MAX];
	struct nvrtc_code code;
	int n;

	buf_puts(&s.out, u->defines);
	kernel_include(&s, u->file);
	ck_assert_msg(nvrtc_compile(nvrtc, buf_text(&s.out), u->file, arch,
	    NVRTC_CUBIN, &code), "%s for %s: %s", u->name, arch, code.log);
	ck_assert_msg(!strstr(code.log, "warning"), "%s for %s: %s", u->name,
	    arch, code.log);
	n = ptxas_read(code.log, k, KERNELS_MAX);
	ck_assert_int_ge(n, 1);
	ck_assert_int_le(n, KERNELS_MAX);
	for (int i = 0; i < n; i++)
		check_kernel(&k[i], arch);
	nvrtc_free(&code);
	kernel_source_free(&s);
}

START_TEST(compiles)
{
	const struct unit *u = &units[_i];

	for (size_t i = 0; i < COUNT_OF(archs); i++)
		if (u->from <= archs[i].number && archs[i].number <= u->to)
			check_unit(u, archs[i].name);
}
END_TEST

START_TEST(sources_are_whole)
{
	for (int emulated = 0; emulated < 2; emulated++) {
		struct kernel_source s = {.emulated = emulated};
		const char *text;

		kernel_include(&s, "fill.cuh");
		kernel_include(&s, "fill.cuh");
		text = buf_text(&s.out);
		ck_assert_ptr_null(strstr(text, "#include \""));
		ck_assert_ptr_null(strstr(text, "#pragma once\n"));
		ck_assert_ptr_nonnull(strstr(text, "LK_KERNEL(fill_f32"));
		ck_assert_int_eq(strstr(text, "asm volatile") != NULL,
		    !emulated);
		text = strstr(text, "LK_KERNEL(fill_f32"); /* once */
		ck_assert_ptr_null(strstr(text + 1, "LK_KERNEL(fill_f32"));
		kernel_source_free(&s);
	}
	ck_assert_ptr_nonnull(kernel_text("lk.h"));
	ck_assert_ptr_eq(kernel_text("lk.h"),
	    kernel_text("codegen/kernels/lk.h"));
	ck_assert_ptr_null(kernel_text("no.cuh"));
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("kernels");
	char why[512] = "";
	int failed;

	nvrtc = nvrtc_open(why, sizeof why);
	tcase_set_timeout(t, 600);
	tcase_add_test(t, sources_are_whole);
	if (nvrtc)
		tcase_add_loop_test(t, compiles, 0, COUNT_OF(units));
	failed = suite_run("kernels", t);
	if (!nvrtc)
		printf("skipped: the kernels were not compiled: %s\n", why);
	nvrtc_close(nvrtc);
	return failed ? 1 : nvrtc ? 0 : SKIP;
}
