/* Matrix products: by the device's library, else by kernels. */
#include "config.h"

#include "runtime/gpu/device.h"
#include "runtime/gpu/fp8.h"

enum { TILE = 64 };
static const uint64_t library_workspace = UINT64_C(32) << 20;

uint64_t
lt_gpu_gemm_workspace(const struct lt_gemm *p, int threads)
{
	(void)threads;
	return library_workspace + lt_gpu_fp8_workspace(p);
}

static struct gemm_args
args_of(const struct lt_gemm *p, const void *a, const void *b, void *c,
    const struct lt_gemm_epilogue *e)
{
	static const struct lt_gemm_epilogue none = {.bias = NULL};

	e = e ? e : &none;
	return (struct gemm_args){.a = a, .b = b, .c = c, .bias = e->bias,
	    .resid = e->resid, .lda = (long long)p->lda,
	    .ldb = (long long)p->ldb, .ldc = (long long)p->ldc,
	    .ldr = (long long)e->ldr, .m = (int)p->m, .n = (int)p->n,
	    .k = (int)p->k, .ta = p->ta, .tb = p->tb, .acc = p->acc,
	    .a_type = (int)p->a, .b_type = (int)p->b, .c_type = (int)p->c,
	    .bias_type = (int)e->bias_type, .resid_type = (int)e->resid_type};
}

/* Rows of bf16 of so many elements that begin and end at 16 bytes. */
static bool
is_aligned(const void *x, uint64_t ld, uint64_t row)
{
	return (uintptr_t)x % 16 == 0 && ld % 8 == 0 && row % 8 == 0;
}

/* Which kernel can do it. */
static const char *
kernel_of(const struct lt_gemm *p, const void *a, const void *b)
{
	static const char *const name[2][2] = {
		{"gemm_bf16_nn", "gemm_bf16_nt"},
		{"gemm_bf16_tn", "gemm_bf16_tt"}};

	if (p->a != LT_BF16 || p->b != LT_BF16 ||
	    !is_aligned(a, p->lda, p->ta ? p->m : p->k) ||
	    !is_aligned(b, p->ldb, p->tb ? p->k : p->n))
		return "gemm_any";
	return name[p->ta][p->tb];
}

static uint64_t
tiles(uint64_t n)
{
	return (n + TILE - 1) / TILE;
}

void
lt_gpu_gemm(struct lt *rt, const struct lt_gemm *p, const void *a,
    const void *b, void *c, const struct lt_gemm_epilogue *e)
{
	struct lt_gpu *g = rt->gpu;
	struct gemm_args args;

	if (p->m > INT32_MAX || p->n > INT32_MAX || p->k > INT32_MAX)
		lt_gpu_fail(rt, LT_EXIT_INTERNAL, "a matrix product of %u x "
		    "%u x %u", p->m, p->n, p->k);
	if (g->device->gemm && g->device->gemm(g, p, a, b, c, e))
		return;
	if (lt_is_fp8(p->a)) {
		lt_gpu_fp8_gemm(rt, p, a, b, c, e,
		    (char *)rt->arena[LT_WORK] + library_workspace);
		return;
	}
	args = args_of(p, a, b, c, e);
	lt_gpu_run(rt, LT_COMPUTE, kernel_of(p, a, b), tiles(p->m) *
	    tiles(p->n), 1, 1, &args);
}
