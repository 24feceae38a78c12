/*
 * Matrix products by cuBLASLt, loaded when there is one.
 *
 * It thinks in columns: C[m,n] = A B by rows is C^T[n,m] = B^T A^T by columns,
 * the same bytes.  Sums are in f32.  fp8 comes with the scales of its operands,
 * in the device's memory; sm_89 and sm_90 take it only where both lie along k,
 * in rows of whole 16 bytes, older ones not at all.  An algorithm is chosen
 * once per shape, types and alignment, by the library's heuristic, in the
 * rehearsal of a step, and then kept: a run uses the same ones in every step.  What it cannot do is left to
 * kernels.
 */
#include "config.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/gpu/cuda.h"
#include "runtime/main/report.h"

typedef struct cublasLtContext *handle;
typedef struct opaque_desc *desc;
typedef struct opaque_layout *layout;
typedef struct opaque_preference *preference;

/* Of cublasLt.h and library_types.h. */
enum {
	TYPE_F32 = 0, TYPE_BF16 = 14, TYPE_E4M3 = 28, TYPE_E5M2 = 29,
	COMPUTE_F32 = 68,
	DESC_TRANSA = 3, DESC_TRANSB = 4, DESC_EPILOGUE = 7, DESC_BIAS = 8,
	DESC_SCALE_A = 17, DESC_SCALE_B = 18,
	DESC_BIAS_TYPE = 26, EPILOGUE_BIAS = 4,
	PREF_WORKSPACE = 1, PREF_ALIGN_A = 5 /* then B, C, D */
};
struct algorithm {
	uint64_t data[8];
};
struct found {
	struct algorithm algo;
	size_t workspace;
	int state;
	float waves;
	int reserved[4];
};

#define LT_BLAS_FUNCTIONS(F)                                                  \
	F(create, "Create", (handle *))                                       \
	F(destroy, "Destroy", (handle))                                       \
	F(desc_new, "MatmulDescCreate", (desc *, int compute, int scale))     \
	F(desc_set, "MatmulDescSetAttribute",                                 \
	    (desc, int, const void *, size_t))                                \
	F(desc_free, "MatmulDescDestroy", (desc))                             \
	F(layout_new, "MatrixLayoutCreate",                                   \
	    (layout *, int type, uint64_t rows, uint64_t cols, int64_t ld))   \
	F(layout_free, "MatrixLayoutDestroy", (layout))                       \
	F(pref_new, "MatmulPreferenceCreate", (preference *))                 \
	F(pref_set, "MatmulPreferenceSetAttribute",                           \
	    (preference, int, const void *, size_t))                          \
	F(pref_free, "MatmulPreferenceDestroy", (preference))                 \
	F(heuristic, "MatmulAlgoGetHeuristic",                                \
	    (handle, desc, layout, layout, layout, layout, preference, int,   \
	    struct found *, int *))                                           \
	F(matmul, "Matmul",                                                   \
	    (handle, desc, const void *alpha, const void *a, layout,          \
	    const void *b, layout, const void *beta, const void *c, layout,   \
	    void *d, layout, const struct algorithm *, void *workspace,       \
	    size_t, lt_cu_stream))

/* What decides on the algorithm. */
struct shape {
	struct lt_gemm p;
	uint64_t ldr;
	uint32_t align[4]; /* of B, A, C, D: bytes */
	int bias, bias_type, resid;
};

struct product {
	struct product *next;
	struct shape shape;
	bool can;
	desc desc;
	layout a, b, c, d; /* the library's */
	struct algorithm algo;
};

struct lt_blas {
	void *lib;
	handle handle;
	struct product *list;
#define F(name, symbol, args) int(*name) args;
	LT_BLAS_FUNCTIONS(F)
#undef F
};

/* ---- loading ---- */

static void *
find_library(void)
{
	static const char *const names[] = {"libcublasLt.so.13",
		"libcublasLt.so.12", "libcublasLt.so"};
	const char *const roots[] = {getenv("CUDA_HOME"), getenv("CUDA_PATH"),
		"", "/usr/local/cuda"};
	char path[4096];
	void *lib = NULL;

	for (int r = 0; !lib && r < 4; r++)
		for (int i = 0; !lib && i < 3 && roots[r]; i++) {
			snprintf(path, sizeof path, "%s%s%s", roots[r],
			    *roots[r] ? "/lib64/" : "", names[i]);
			lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		}
	return lib;
}

static bool
bind_functions(struct lt_blas *b)
{
	bool all = true;
	void *p;

#define F(name, symbol, args)                                                 \
	p = dlsym(b->lib, "cublasLt" symbol);                                 \
	all = all && p;                                                       \
	memcpy(&b->name, &p, sizeof p);
	LT_BLAS_FUNCTIONS(F)
#undef F
	return all;
}

struct lt_blas *
lt_blas_open(void)
{
	struct lt_blas *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->lib = find_library();
	if (b->lib && bind_functions(b) && b->create(&b->handle) == 0)
		return b;
	lt_note("products   by kernels of this program: %s", b->lib ?
	    "cuBLASLt does not start" : "there is no libcublasLt.so.13");
	if (b->lib)
		dlclose(b->lib);
	free(b);
	return NULL;
}

static void
free_product(struct lt_blas *b, struct product *x)
{
	if (x->desc)
		(void)b->desc_free(x->desc);
	if (x->a)
		(void)b->layout_free(x->a);
	if (x->b)
		(void)b->layout_free(x->b);
	if (x->c)
		(void)b->layout_free(x->c);
	if (x->d)
		(void)b->layout_free(x->d);
	free(x);
}

void
lt_blas_close(struct lt_blas *b)
{
	while (b && b->list) {
		struct product *x = b->list;

		b->list = x->next;
		free_product(b, x);
	}
	if (b) {
		(void)b->destroy(b->handle);
		dlclose(b->lib);
	}
	free(b);
}

/* ---- one shape ---- */

static int
type_of(enum lt_dtype t)
{
	return t == LT_E4M3 ? TYPE_E4M3 : t == LT_E5M2 ? TYPE_E5M2 :
	    t == LT_BF16 ? TYPE_BF16 : TYPE_F32;
}

static uint32_t
alignment(const void *p)
{
	uintptr_t x = (uintptr_t)p | 256;

	return (uint32_t)(x & -x);
}

static struct shape
shape_of(const struct lt_gemm *p, const void *a, const void *b, const void *c,
    const struct lt_gemm_epilogue *e)
{
	struct shape s;

	memset(&s, 0, sizeof s); /* compared as bytes */
	s.p.m = p->m;
	s.p.n = p->n;
	s.p.k = p->k;
	s.p.lda = p->lda;
	s.p.ldb = p->ldb;
	s.p.ldc = p->ldc;
	s.p.ta = p->ta;
	s.p.tb = p->tb;
	s.p.acc = p->acc;
	s.p.a = p->a;
	s.p.b = p->b;
	s.p.c = p->c;
	s.bias = e && e->bias;
	s.bias_type = s.bias ? type_of(e->bias_type) : 0;
	s.resid = e && e->resid;
	s.ldr = s.resid ? e->ldr : p->ldc;
	s.align[0] = alignment(b);
	s.align[1] = alignment(a);
	s.align[2] = alignment(s.resid ? e->resid : c);
	s.align[3] = alignment(c);
	return s;
}

/* Types and epilogues that it has. */
static bool
is_known(const struct lt_gemm *p, const struct lt_gemm_epilogue *e)
{
	bool types = lt_is_fp8(p->a) ? lt_is_fp8(p->b) && !e->bias :
	    p->a == p->b && (p->a == LT_BF16 || p->c == LT_F32);

	return types && p->m && p->n && p->k && (!e || !e->resid ||
	    (!p->acc && e->resid_type == p->c));
}

static bool
describe(struct lt_blas *b, struct product *x)
{
	const struct lt_gemm *p = &x->shape.p;
	int32_t ta = p->tb, tb = p->ta, epilogue = EPILOGUE_BIAS;
	int32_t bias = x->shape.bias_type;
	int c = type_of(p->c);

	return b->desc_new(&x->desc, COMPUTE_F32, TYPE_F32) == 0 &&
	    b->desc_set(x->desc, DESC_TRANSA, &ta, sizeof ta) == 0 &&
	    b->desc_set(x->desc, DESC_TRANSB, &tb, sizeof tb) == 0 &&
	    (!x->shape.bias || (b->desc_set(x->desc, DESC_EPILOGUE, &epilogue,
	    sizeof epilogue) == 0 && b->desc_set(x->desc, DESC_BIAS_TYPE,
	    &bias, sizeof bias) == 0)) &&
	    b->layout_new(&x->a, type_of(p->b), p->tb ? p->k : p->n,
	    p->tb ? p->n : p->k, (int64_t)p->ldb) == 0 &&
	    b->layout_new(&x->b, type_of(p->a), p->ta ? p->m : p->k,
	    p->ta ? p->k : p->m, (int64_t)p->lda) == 0 &&
	    b->layout_new(&x->c, c, p->n, p->m, (int64_t)x->shape.ldr) == 0 &&
	    b->layout_new(&x->d, c, p->n, p->m, (int64_t)p->ldc) == 0;
}

static bool
choose(struct lt_blas *b, struct product *x, uint64_t workspace)
{
	struct found best = {.state = 1};
	preference pref = NULL;
	int n = 0;
	bool ok = b->pref_new(&pref) == 0 && b->pref_set(pref, PREF_WORKSPACE,
	    &workspace, sizeof workspace) == 0;

	for (int i = 0; ok && i < 4; i++)
		ok = b->pref_set(pref, PREF_ALIGN_A + i, &x->shape.align[i],
		    sizeof x->shape.align[i]) == 0;
	ok = ok && b->heuristic(b->handle, x->desc, x->a, x->b, x->c, x->d,
	    pref, 1, &best, &n) == 0 && n == 1 && best.state == 0;
	if (pref)
		(void)b->pref_free(pref);
	x->algo = best.algo;
	return ok;
}

static struct product *
product_of(struct lt_blas *b, const struct shape *s, uint64_t workspace)
{
	struct product *x;

	for (x = b->list; x; x = x->next)
		if (memcmp(&x->shape, s, sizeof *s) == 0)
			return x;
	x = calloc(1, sizeof *x);
	if (!x)
		return NULL;
	x->shape = *s;
	x->can = describe(b, x) && choose(b, x, workspace);
	x->next = b->list;
	b->list = x;
	return x;
}

bool
lt_blas_gemm(struct lt_gpu *g, const struct lt_gemm *p, const void *a,
    const void *b, void *c, const struct lt_gemm_epilogue *e)
{
	static const float one = 1, zero = 0;
	struct lt_cuda *cuda = g->self;
	struct lt_blas *l = cuda->blas;
	uint64_t room = lt_gpu_gemm_workspace(p, 1);
	struct shape s = shape_of(p, a, b, c, e);
	struct product *x;
	int r;

	if (!l || !is_known(p, e) || !(x = product_of(l, &s, room)) || !x->can)
		return false;
	if (g->rehearses)
		return true;
	if (lt_is_fp8(p->a)) { /* its A is our B */
		(void)l->desc_set(x->desc, DESC_SCALE_A, &e->scale_b,
		    sizeof e->scale_b);
		(void)l->desc_set(x->desc, DESC_SCALE_B, &e->scale_a,
		    sizeof e->scale_a);
	}
	if (s.bias)
		(void)l->desc_set(x->desc, DESC_BIAS, &e->bias,
		    sizeof e->bias);
	r = l->matmul(l->handle, x->desc, &one, b, x->a, a, x->b,
	    p->acc || s.resid ? &one : &zero, s.resid ? e->resid : c, x->c, c,
	    x->d, &x->algo, g->rt->arena[LT_WORK], room,
	    cuda->stream[LT_COMPUTE]);
	if (r && !lt_cuda_spoil(g, 0, "a product by cuBLASLt"))
		lt_gpu_fail(g->rt, LT_EXIT_INTERNAL, "GPU %d, %s: cuBLASLt "
		    "fails with %d at a product of %u x %u x %u",
		    cuda->ordinal, cuda->name, r, p->m, p->n, p->k);
	return true;
}
