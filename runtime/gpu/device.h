/*
 * A device as the runtime uses it.  A backend is a table of functions: CUDA,
 * the emulator, and one that writes calls down.  A rank has one struct lt_gpu.
 *
 * Work is enqueued on streams, and happens in order on each; an event marks a
 * place in one stream for which others wait.  Functions that can fail say why
 * and end the run (lt_gpu_fail), but for `open` and `alloc`, which return an
 * exit code after a message.
 */
#ifndef LT_RUNTIME_GPU_DEVICE_H
#define LT_RUNTIME_GPU_DEVICE_H

#include "runtime/comm/count.h"
#include "runtime/gpu/gpu.h"

/* Streams of a rank are the lanes of its program: what it computes, copies to
 * the host and from it, and one for each lane of its moves; there are none of
 * other lanes. */
enum { LT_LANES_MAX = 16 };
enum lt_stream { LT_COMPUTE, LT_OUT, LT_IN, LT_LANE,
	LT_STREAMS = LT_LANE + LT_LANES_MAX };

enum { LT_COPIES_MAX = 64 }; /* under way at a time */

struct lt_gpu;
struct lt_event; /* the backend's */

struct lt_device {
	const char *name;
	/* Fills gpu->arch, self, total. */
	int (*open)(struct lt_gpu *);
	void (*close)(struct lt_gpu *);
	/* Zeroed memory at a multiple of 256 bytes; free memory. */
	int (*alloc)(struct lt_gpu *, uint64_t bytes, void **);
	void (*free)(struct lt_gpu *, void *);
	uint64_t (*available)(struct lt_gpu *);
	/* Memory of the host that copies reach without a detour, zeroed; NULL:
	 * any memory is. */
	int (*alloc_host)(struct lt_gpu *, uint64_t bytes, void **);
	void (*free_host)(struct lt_gpu *, void *);
	/* Enqueued: between the device and such memory; NULL: as copy. */
	void (*copy_host)(struct lt_gpu *, enum lt_stream, void *dst,
	    const void *src, uint64_t bytes);
	/* Between host and device, after everything enqueued on the compute
	 * stream; return when it has happened. */
	void (*upload)(struct lt_gpu *, void *dst, const void *src,
	    uint64_t bytes);
	void (*download)(struct lt_gpu *, void *dst, const void *src,
	    uint64_t bytes);
	/* Enqueued. */
	void (*copy)(struct lt_gpu *, enum lt_stream, void *dst,
	    const void *src, uint64_t bytes);
	void (*zero)(struct lt_gpu *, enum lt_stream, void *, uint64_t bytes);
	void (*launch)(struct lt_gpu *, enum lt_stream, int kernel,
	    const unsigned grid[3], const void *args);
	/* NULL, or false: this product is for kernels. */
	bool (*gemm)(struct lt_gpu *, const struct lt_gemm *, const void *a,
	    const void *b, void *c, const struct lt_gemm_epilogue *);
	struct lt_event *(*event)(struct lt_gpu *);
	void (*event_free)(struct lt_gpu *, struct lt_event *);
	void (*record)(struct lt_gpu *, struct lt_event *, enum lt_stream);
	void (*wait)(struct lt_gpu *, enum lt_stream, struct lt_event *);
	/* An event that remembers when it happened, and the seconds between
	 * two of them that have; event_free for it, too. */
	struct lt_event *(*timer)(struct lt_gpu *);
	double (*elapsed)(struct lt_gpu *, const struct lt_event *from,
	    const struct lt_event *to);
	/* Once, after the rehearsal of a step, which has counted what streams
	 * will have: makes what graphs need.  NULL: nothing. */
	void (*rehearsed)(struct lt_gpu *);
	/* Between these two nothing that is enqueued, or done by the host,
	 * happens; each replay then does all of it, after what is on the
	 * compute stream.  NULL: there are no graphs; false: there is none of
	 * this, for the reason in `why`. */
	bool (*capture)(struct lt_gpu *, char why[512]);
	bool (*captured)(struct lt_gpu *, char why[512]);
	void (*replay)(struct lt_gpu *);
	void (*synchronize)(struct lt_gpu *);
	/* A tensor of bf16 for the tensor memory accelerator, dimension 0 the
	 * fastest: sizes and box in elements, strides of dimensions 1.. in
	 * elements (multiples of 8); swizzle: 128 bytes. */
	void (*tensor_map)(struct lt_gpu *, lk_tmap *, const void *base,
	    int rank, const uint64_t size[], const uint64_t stride[],
	    const uint32_t box[], bool swizzle);
};

struct lt_gpu {
	const struct lt_device *device;
	struct lt *rt;
	void *self;            /* the backend's */
	int arch;              /* 90: sm_90 */
	int processors;        /* multiprocessors */
	int margin;            /* of these, what large grids leave alone */
	int devices;           /* that this process sees */
	uint64_t total;        /* bytes of memory; 0: unknown */
	int *sorted, nsorted;  /* this architecture's kernels, by name */
	uint32_t streams;      /* bit s: there is stream s */
	/* One allocation: struct lk_step, struct lk_result, and for each
	 * stream, if a sum may have more sources than its arguments hold, a
	 * table of as many as there are ranks. */
	char *words;
	/* What is copied to the first two and back.  Not on a stack: when the
	 * run fails while a rank waits, the copy may be enqueued still. */
	struct lt_gpu_words {
		struct lk_step step;
		struct lk_result result;
	} host;
	/* Copies to and from the host, see offload.c: a ring of slots that
	 * each have an event, made at open; bit i: slot i's is under way. */
	struct lt_event *copy[LT_COPIES_MAX];
	uint64_t copying;
	uint32_t copies;       /* started so far */
	/* A rehearsal, see rehearse.c: nothing is enqueued, products only
	 * choose how they will be made; and what a step then has on a stream:
	 * kernels of the one that computes, transfers of lanes. */
	bool rehearses;
	uint32_t counted[LT_STREAMS];
	/* Of a step, see step.c. */
	struct {
		bool begun, ready; /* is being made; is there */
		int tries;
		int64_t steps;     /* begun by this process */
		struct lt_count sent;
	} graph;
};

extern const struct lt_device lt_device_emu, lt_device_cuda;

/* The events of copies; and gives them back. */
void lt_gpu_copies_open(struct lt_gpu *);
void lt_gpu_copies_close(struct lt_gpu *);

/* Opens the device that the program is for; rt->gpu.  Nothing on CPUs. */
int lt_gpu_open(struct lt *);
void lt_gpu_close(struct lt *);

/* Goes through the functions of the program, step and the others that are asked
 * for, on a device that enqueues nothing; the rank's moves rehearse (comm.h). */
void lt_gpu_rehearse(struct lt *, bool eval, bool logits);

/* A step of the program, which has begun (lt_gpu_begin): enqueued, or as a
 * graph; on CPUs, too. */
void lt_gpu_run_step(struct lt *);
/* What step_return has left: rt->loss, gnorm, skipped. */
void lt_gpu_fetch(struct lt *);

/* Before step, eval and logits: uploads what kernels read of *rt. */
void lt_gpu_begin(struct lt *);

/* The kernel of that name for this architecture; it has to be there. */
int lt_gpu_kernel(struct lt *, const char *name);
/* -1: it is not. */
int lt_gpu_find(struct lt *, const char *name);
/* Launch by name on a stream; x, y, z: blocks. */
void lt_gpu_run(struct lt *, enum lt_stream, const char *name, uint64_t x,
    uint64_t y, uint64_t z, const void *args);

/* The stream of a lane of the program's moves; whether there is a stream. */
static inline enum lt_stream
lt_stream_of(unsigned lane)
{
	return (enum lt_stream)(LT_LANE + lane);
}
static inline bool
lt_gpu_has(const struct lt_gpu *g, int stream)
{
	return g->streams >> stream & 1;
}

/* Where sums on a stream keep their sources, rt->ranks at most; NULL: all sums
 * have LK_SOURCES_MAX at most. */
lk_source *lt_gpu_sources(struct lt *, enum lt_stream);

/* Ends the run because of this rank's device. */
_Noreturn void lt_gpu_fail(struct lt *, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
