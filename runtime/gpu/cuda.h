/* A rank on an NVIDIA GPU: what the parts of the CUDA backend share. */
#ifndef LT_RUNTIME_GPU_CUDA_H
#define LT_RUNTIME_GPU_CUDA_H

#include "runtime/gpu/cuda_api.h"
#include "runtime/gpu/device.h"
#include "runtime/gpu/progress.h"
#include "runtime/state/error.h"

struct lt_cuda {
	const struct lt_cu *cu;
	int ordinal;           /* of the GPU */
	char name[96];
	unsigned char uuid[16]; /* no other GPU of the world has it */
	lt_cu_context context;
	lt_cu_stream stream[LT_STREAMS];
	lt_cu_module *module;  /* by unit; NULL: not for this GPU */
	lt_cu_function *function; /* by kernel */
	/* Of the compute stream: kernels; of those of lanes: transfers. */
	struct lt_progress progress[LT_STREAMS];
	uint64_t enqueued;     /* of what they count */
	struct lt_blas *blas;     /* NULL: products are for kernels */
	bool capturing;
	char spoiled[512];        /* why the capture is no good; "": it is */
	lt_cu_exec graph;
	struct lt_event *fork[LT_STREAMS];
	bool replays;             /* it was launched and not waited for */
};

/* The driver has said no: ends the run with a message. */
_Noreturn void lt_cuda_fail(struct lt_gpu *, int result, const char *what);

/* While streams are captured, an error (0: something that cannot be in a graph)
 * only spoils the capture: true. */
bool lt_cuda_spoil(struct lt_gpu *, int result, const char *what);

static inline void
lt_cuda_must(struct lt_gpu *g, int result, const char *what)
{
	if (result && !lt_cuda_spoil(g, result, what))
		lt_cuda_fail(g, result, what);
}

/* cuda_graph.c: as the device's rehearsed, capture, captured and replay; when a
 * wait after a replay is over. */
void lt_cuda_rehearsed(struct lt_gpu *);
bool lt_cuda_capture(struct lt_gpu *, char why[512]);
bool lt_cuda_captured(struct lt_gpu *, char why[512]);
void lt_cuda_replay(struct lt_gpu *);
void lt_cuda_replayed(struct lt_gpu *);
void lt_cuda_graph_close(struct lt_gpu *);

/* cuda_seats.c.  Collective: whether every rank has a GPU to itself, whatever
 * each sees of its machine's; LT_OK, or LT_EXIT_CONFIG after a message of one
 * of two that do not. */
int lt_cuda_apart(struct lt *);

/* NULL, after a note: there is no cuBLASLt. */
struct lt_blas *lt_blas_open(void);
void lt_blas_close(struct lt_blas *);
/* As the device's gemm. */
bool lt_blas_gemm(struct lt_gpu *, const struct lt_gemm *, const void *a,
    const void *b, void *c, const struct lt_gemm_epilogue *);

/* Whether code for an architecture runs on sm_HERE, of several the one with the
 * largest number first; -1: it does not.  "sm_86" runs on 86 and 89 (not older,
 * same generation), "sm_100f" on 100 and 103 (its family), "sm_90a" on 90. */
int lt_cuda_suits(const char *arch, int here);

/* Code for all kernels of this GPU: LT_OK, or an exit code after a message. */
int lt_cuda_load(struct lt_gpu *);
void lt_cuda_unload(struct lt_gpu *);

/*
 * Code of a unit compiled here and now, or on an earlier day: the cache is a
 * folder of ours alone (0700) in $XDG_CACHE_HOME or ~/.cache.  On the heap;
 * NULL with the reason in *why.
 */
char *lt_cache_compile(const struct lt_unit *, const char *arch, size_t *size,
    struct lt_error *why);

#endif
