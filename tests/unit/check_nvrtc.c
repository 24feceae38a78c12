/* NVRTC where there is one: code, errors, and what ptxas says of kernels. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/nvrtc.h"
#include "support/ptxas.h"
#include "tests/suite.h"

enum { SKIP = 77 };

static struct nvrtc *nvrtc;

static const char good[] =
    "extern \"C\" __global__ void twice(float *x)\n"
    "{ x[threadIdx.x] *= 2; }\n"
    /* as many sums as no thread has registers for */
    "extern \"C\" __global__ void __launch_bounds__(1024) many(float *x)\n"
    "{ float a[96];\n"
    "#pragma unroll\n"
    "  for (int i = 0; i < 96; i++) a[i] = x[i * 1024 + threadIdx.x];\n"
    "  __syncthreads();\n"
    "#pragma unroll\n"
    "  for (int i = 0; i < 96; i++) x[i * 1024 + threadIdx.x] =\n"
    "    a[i] * a[(i * 7 + 3) % 96] + a[(i * 31 + 5) % 96]; }\n";

static const char *const archs[] = {"sm_80", "sm_90a", "sm_100a"};

START_TEST(compiles)
{
	struct nvrtc_code a, b;
	struct ptxas_kernel k[4];

	ck_assert_msg(nvrtc_compile(nvrtc, good, "good.cu", archs[_i],
	    NVRTC_CUBIN, &a), "%s", a.log);
	ck_assert(nvrtc_compile(nvrtc, good, "good.cu", archs[_i],
	    NVRTC_CUBIN, &b));
	ck_assert_uint_gt(a.size, 64);
	ck_assert_mem_eq(a.data, "\177ELF", 4);
	ck_assert_uint_eq(a.size, b.size);
	ck_assert_mem_eq(a.data, b.data, a.size);
	ck_assert_int_eq(ptxas_read(a.log, k, 4), 2);
	for (int i = 0; i < 2; i++) {
		bool many = strcmp(k[i].name, "many") == 0;

		ck_assert(many || strcmp(k[i].name, "twice") == 0);
		ck_assert_int_gt(k[i].registers, 0);
		ck_assert_int_eq(k[i].spill_stores > 0, many);
	}
	nvrtc_free(&a);
	nvrtc_free(&b);
}
END_TEST

START_TEST(ptx)
{
	struct nvrtc_code a;

	ck_assert(nvrtc_compile(nvrtc, good, "good.cu", "sm_90a", NVRTC_PTX,
	    &a));
	ck_assert_ptr_nonnull(strstr(a.data, ".target sm_90a"));
	ck_assert_uint_eq(strlen(a.data), a.size);
	nvrtc_free(&a);
}
END_TEST

START_TEST(errors)
{
	struct nvrtc_code a;

	ck_assert(!nvrtc_compile(nvrtc, "__global__ void f() { oops; }",
	    "bad.cu", "sm_90a", NVRTC_CUBIN, &a));
	ck_assert_ptr_null(a.data);
	ck_assert_ptr_nonnull(strstr(a.log, "bad.cu(1)"));
	nvrtc_free(&a);
	ck_assert(!nvrtc_compile(nvrtc, good, "good.cu", "sm_1", NVRTC_CUBIN,
	    &a));
	nvrtc_free(&a);
}
END_TEST

/* A product between whose fence and wait there is a branch. */
static const char slow[] =
    "extern \"C\" __global__ void first(int *x) { *x = 1; }\n"
    "#define D \"+f\"(d[0]), \"+f\"(d[1]), \"+f\"(d[2]), \"+f\"(d[3])\n"
    "extern \"C\" __global__ void slow(float *x, unsigned long long a, int n)\n"
    "{\n"
    "\tfloat d[4] = {};\n"
    "\tasm volatile(\"wgmma.fence.sync.aligned;\" ::: \"memory\");\n"
    "\tfor (int i = 0; i < n; i++)\n"
    "\t\tif (x[i] > 0)\n"
    "\t\t\tasm volatile(\"wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16\"\n"
    "\t\t\t    \".bf16 {%0, %1, %2, %3}, %4, %4, 1, 1, 1, 0, 0;\"\n"
    "\t\t\t    : D : \"l\"(a));\n"
    "\tasm volatile(\"wgmma.commit_group.sync.aligned;\" ::: \"memory\");\n"
    "\tasm volatile(\"wgmma.wait_group.sync.aligned 0;\" ::: \"memory\");\n"
    "\tx[threadIdx.x] = d[0] + d[1] + d[2] + d[3];\n"
    "}\n";

START_TEST(advisories_are_read)
{
	struct ptxas_kernel k[2];
	struct nvrtc_code a;

	ck_assert_msg(nvrtc_compile(nvrtc, slow, "slow.cu", "sm_90a",
	    NVRTC_CUBIN, &a), "%s", a.log);
	ck_assert_int_eq(ptxas_read(a.log, k, 2), 2);
	for (int i = 0; i < 2; i++)
		ck_assert_msg((k[i].advisories > 0) ==
		    (strcmp(k[i].name, "slow") == 0), "%s: %d of: %s",
		    k[i].name, k[i].advisories, a.log);
	nvrtc_free(&a);
}
END_TEST

static const char said[] =
    "ptxas info    : 0 bytes gmem\n"
    "ptxas info    : (C7510) Potential Performance Loss: wgmma in the "
    "function 'f'\n"
    "ptxas info    : (C7519) warpgroup.arrive is injected in around line 7 "
    "by compiler to allow use of registers in GMMA in function 'g'\n"
    "ptxas info    : (C7514) of no function\n"
    "ptxas info    : Compiling entry function 'f' for 'sm_90a'\n"
    "ptxas info    : Function properties for f\n"
    "    40 bytes stack frame, 152 bytes spill stores, 160 bytes spill loads\n"
    "ptxas info    : Used 168 registers, used 1 barriers, 1024 bytes smem\n"
    "ptxas info    : Compiling entry function 'g' for 'sm_90a'\n"
    "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
    "ptxas info    : Used 24 registers";

START_TEST(reads_log)
{
	struct ptxas_kernel k[2];

	ck_assert_int_eq(ptxas_read(said, k, 1), 2);
	ck_assert_int_eq(ptxas_read(said, k, 2), 2);
	ck_assert_str_eq(k[0].name, "f");
	ck_assert_int_eq(k[0].registers, 168);
	ck_assert_int_eq(k[0].shared, 1024);
	ck_assert_int_eq(k[0].stack, 40);
	ck_assert_int_eq(k[0].spill_stores, 152);
	ck_assert_int_eq(k[0].spill_loads, 160);
	ck_assert_int_eq(k[0].advisories, 2);
	ck_assert_str_eq(k[0].advice, "(C7510) Potential Performance Loss: "
	    "wgmma in the function 'f'");
	ck_assert_str_eq(k[1].name, "g");
	ck_assert_int_eq(k[1].registers, 24);
	ck_assert_int_eq(k[1].shared + k[1].spill_stores, 0);
	ck_assert_int_eq(k[1].advisories, 1);
}
END_TEST

int
main(void)
{
	char why[256] = "";
	TCase *t = tcase_create("nvrtc");
	int failed;

	nvrtc = nvrtc_open(why, sizeof why);
	tcase_add_test(t, reads_log);
	tcase_set_timeout(t, 60);
	if (nvrtc) {
		tcase_add_loop_test(t, compiles, 0, 3);
		tcase_add_test(t, ptx);
		tcase_add_test(t, advisories_are_read);
		tcase_add_test(t, errors);
	}
	failed = suite_run("nvrtc", t);
	if (!nvrtc && !failed) {
		printf("SKIP: %s\n", why);
		return SKIP;
	}
	nvrtc_close(nvrtc);
	return failed;
}
