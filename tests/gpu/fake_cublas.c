/*
 * libcublasLt.so.13 for machines without a GPU: descriptors are checked, the
 * product is computed by columns as the library defines it, at once: it waits
 * for the stream first.  FAKE_CUDA_LOG gets a line per choice of an algorithm.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INVALID = 7, F32 = 0, BF16 = 14 };

struct desc {
	int ta, tb, epilogue, bias_type;
	const void *bias;
};

struct layout {
	int type;
	uint64_t rows, cols;
	int64_t ld;
};

struct pref {
	uint64_t workspace;
	uint32_t align[4];
};

struct found {
	uint64_t algo[8];
	size_t workspace;
	int state;
	float waves;
	int reserved[4];
};

int cublasLtCreate(void **h) { *h = calloc(1, 8); return 0; }
int cublasLtDestroy(void *h) { free(h); return 0; }

int
cublasLtMatmulDescCreate(void **d, int compute, int scale)
{
	*d = calloc(1, sizeof(struct desc));
	return compute == 68 && scale == F32 ? 0 : INVALID;
}

int
cublasLtMatmulDescSetAttribute(void *p, int what, const void *x, size_t n)
{
	struct desc *d = p;

	if (n != (what == 8 ? sizeof(void *) : sizeof(int32_t)))
		return INVALID;
	memcpy(what == 3 ? (void *)&d->ta : what == 4 ? (void *)&d->tb :
	    what == 7 ? (void *)&d->epilogue : what == 8 ? (void *)&d->bias :
	    (void *)&d->bias_type, x, n);
	return what == 3 || what == 4 || what == 7 || what == 8 || what == 26 ?
	    0 : INVALID;
}

int cublasLtMatmulDescDestroy(void *d) { free(d); return 0; }

int
cublasLtMatrixLayoutCreate(void **p, int type, uint64_t rows, uint64_t cols,
    int64_t ld)
{
	struct layout *l = malloc(sizeof *l);

	*l = (struct layout){type, rows, cols, ld};
	*p = l;
	return ld >= (int64_t)rows ? 0 : INVALID;
}

int cublasLtMatrixLayoutDestroy(void *l) { free(l); return 0; }

int
cublasLtMatmulPreferenceCreate(void **p)
{
	*p = calloc(1, sizeof(struct pref));
	return 0;
}

int
cublasLtMatmulPreferenceSetAttribute(void *q, int what, const void *x,
    size_t n)
{
	struct pref *p = q;

	if (what == 1 && n == sizeof p->workspace)
		memcpy(&p->workspace, x, n);
	else if (what >= 5 && what <= 8 && n == sizeof p->align[0])
		memcpy(&p->align[what - 5], x, n);
	else
		return INVALID;
	return 0;
}

int cublasLtMatmulPreferenceDestroy(void *p) { free(p); return 0; }

/* As the library: no algorithm for bf16 that is not aligned to 16 bytes. */
int
cublasLtMatmulAlgoGetHeuristic(void *h, void *desc, void *a, void *b, void *c,
    void *d, void *pref, int want, struct found *f, int *n)
{
	const struct pref *p = pref;
	const struct layout *la = a, *lb = b;
	const char *log = getenv("FAKE_CUDA_LOG");
	FILE *out = log ? fopen(log, "a") : NULL;

	(void)h;
	(void)desc;
	(void)c;
	(void)d;
	*f = (struct found){.algo = {42}};
	*n = want == 1 && p->workspace == 32 << 20;
	for (int i = 0; i < 4; i++)
		if (p->align[i] < 16 && la->type == BF16)
			*n = 0;
	if (la->type == BF16 && (la->ld % 8 || lb->ld % 8))
		*n = 0;
	if (out) {
		fprintf(out, "algorithm %d\n", *n);
		fclose(out);
	}
	return *n ? 0 : 15;
}

static float
get(const void *x, int type, int64_t i)
{
	uint32_t bits;
	float v;

	if (type == F32)
		return ((const float *)x)[i];
	bits = (uint32_t)((const uint16_t *)x)[i] << 16;
	memcpy(&v, &bits, sizeof v);
	return v;
}

static void
put(void *x, int type, int64_t i, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof bits);
	if (type == F32)
		((float *)x)[i] = v;
	else
		((uint16_t *)x)[i] = (uint16_t)((bits + 0x7fff +
		    (bits >> 16 & 1)) >> 16);
}

int
cublasLtMatmul(void *h, void *pd, const void *alpha, const void *a, void *pa,
    const void *b, void *pb, const void *beta, const void *c, void *pc,
    void *d, void *pl, const uint64_t *algo, void *work, size_t room,
    void *stream)
{
	const struct desc *x = pd;
	const struct layout *la = pa, *lb = pb, *lc = pc, *ld = pl;
	uint64_t k = x->ta ? la->rows : la->cols;
	void *driver = dlopen("libcuda.so.1", RTLD_NOW);
	int (*sync)(void *) = NULL;
	void *p = driver ? dlsym(driver, "cuStreamSynchronize") : NULL;

	(void)h;
	memcpy(&sync, &p, sizeof p);
	if (!sync || *algo != 42 || !work || room < 32 << 20 ||
	    *(const float *)alpha != 1 || (x->ta ? la->cols : la->rows) !=
	    ld->rows || (x->tb ? lb->rows : lb->cols) != ld->cols ||
	    (x->tb ? lb->cols : lb->rows) != k || sync(stream) != 0)
		return INVALID;
	for (uint64_t j = 0; j < ld->cols; j++)
		for (uint64_t i = 0; i < ld->rows; i++) {
			int64_t at = (int64_t)(i + j * (uint64_t)lc->ld);
			float sum = 0;

			for (uint64_t l = 0; l < k; l++)
				sum += get(a, la->type, (int64_t)(x->ta ?
				    l + i * (uint64_t)la->ld :
				    i + l * (uint64_t)la->ld)) *
				    get(b, lb->type, (int64_t)(x->tb ?
				    j + l * (uint64_t)lb->ld :
				    l + j * (uint64_t)lb->ld));
			if (*(const float *)beta != 0)
				sum += get(c, lc->type, at);
			if (x->epilogue == 4)
				sum += get(x->bias, x->bias_type, (int64_t)i);
			put(d, ld->type, (int64_t)(i + j * (uint64_t)ld->ld),
			    sum);
		}
	return 0;
}
