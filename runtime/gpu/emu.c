/*
 * The emulator as a device: kernels are functions of the program, streams do
 * at once what is enqueued, memory is that of the host.
 *
 * Between calls the host cannot touch that memory: a block of it is only
 * accessible while somebody uses it.  What a rank computes uses its own
 * blocks; what it exchanges uses those of all ranks, which are threads.
 * LOONG_EMU_GUARD=0 in the environment leaves it open, which is faster;
 * LOONG_EMU_ARCH=80 chooses the kernels for another architecture.
 */
#define _GNU_SOURCE
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/gpu/device.h"
#include "runtime/metrics/metrics.h"

enum { ARCH = 90, PROCESSORS = 4 };

struct block {
	struct block *next;
	struct lt_gpu *owner;
	char *at;
	size_t bytes;
	int users;
};

/* All ranks' memory. */
static struct {
	pthread_mutex_t lock;
	struct block *list;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct emu {
	bool guard;
};

/* ---- who uses what ---- */

static bool
guarded(const struct lt_gpu *g)
{
	return ((const struct emu *)g->self)->guard;
}

static void
use(struct lt_gpu *g, enum lt_stream s, int by)
{
	if (!guarded(g))
		return;
	pthread_mutex_lock(&memory.lock);
	for (struct block *b = memory.list; b; b = b->next) {
		bool was = b->users > 0;

		if (s == LT_COMPUTE && b->owner != g)
			continue;
		b->users += by;
		if (was != (b->users > 0) && mprotect(b->at, b->bytes,
		    b->users > 0 ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
			abort();
	}
	pthread_mutex_unlock(&memory.lock);
}

/* ---- memory ---- */

static int
emu_open(struct lt_gpu *g)
{
	const char *guard = getenv("LOONG_EMU_GUARD");
	const char *arch = getenv("LOONG_EMU_ARCH");
	struct emu *e = calloc(1, sizeof *e);

	if (!e)
		return LT_EXIT_FAIL;
	e->guard = !guard || strcmp(guard, "0") != 0;
	g->self = e;
	g->arch = arch && atoi(arch) > 0 ? atoi(arch) : ARCH;
	g->processors = PROCESSORS;
	g->devices = 1;
	return LT_OK;
}

static void
emu_close(struct lt_gpu *g)
{
	free(g->self);
	g->self = NULL;
}

static int
emu_alloc(struct lt_gpu *g, uint64_t bytes, void **p)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t n = ((size_t)bytes + page - 1) / page * page;
	struct block *b = calloc(1, sizeof *b);
	void *at = b ? mmap(NULL, n, guarded(g) ? PROT_NONE :
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) :
	    MAP_FAILED;

	if (at == MAP_FAILED) {
		free(b);
		return LT_EXIT_CONFIG;
	}
	*b = (struct block){.owner = g, .at = at, .bytes = n};
	pthread_mutex_lock(&memory.lock);
	b->next = memory.list;
	memory.list = b;
	pthread_mutex_unlock(&memory.lock);
	*p = at;
	return LT_OK;
}

static void
emu_free(struct lt_gpu *g, void *p)
{
	(void)g;
	pthread_mutex_lock(&memory.lock);
	for (struct block **x = &memory.list; *x; x = &(*x)->next) {
		struct block *b = *x;

		if (b->at != p)
			continue;
		*x = b->next;
		munmap(b->at, b->bytes);
		free(b);
		break;
	}
	pthread_mutex_unlock(&memory.lock);
}

static uint64_t
emu_available(struct lt_gpu *g)
{
	(void)g;
	return UINT64_MAX;
}

static void
transfer(struct lt_gpu *g, void *to, const void *from, uint64_t bytes)
{
	use(g, LT_COMPUTE, 1);
	memcpy(to, from, bytes);
	use(g, LT_COMPUTE, -1);
}

static void
emu_copy(struct lt_gpu *g, enum lt_stream s, void *dst, const void *src,
    uint64_t bytes)
{
	use(g, s, 1);
	memmove(dst, src, bytes);
	use(g, s, -1);
}

static void
emu_zero(struct lt_gpu *g, enum lt_stream s, void *x, uint64_t bytes)
{
	use(g, s, 1);
	memset(x, 0, bytes);
	use(g, s, -1);
}

/* ---- streams ---- */

static void
emu_launch(struct lt_gpu *g, enum lt_stream s, int kernel,
    const unsigned grid[3], const void *args)
{
	const struct lt_kernel *k = &g->rt->prog->kernel[kernel];

	use(g, s, 1);
	k->emulated(args, grid, k->threads, k->smem);
	use(g, s, -1);
}

/* What is enqueued has happened, so events have, too; some remember when. */
struct lt_event {
	double when;
};

static struct lt_event *
emu_event(struct lt_gpu *g)
{
	struct lt_event *e = calloc(1, sizeof *e);

	if (!e)
		lt_gpu_fail(g->rt, LT_EXIT_FAIL, "out of memory");
	return e;
}

static void
emu_event_free(struct lt_gpu *g, struct lt_event *e)
{
	(void)g;
	free(e);
}

static void
emu_record(struct lt_gpu *g, struct lt_event *e, enum lt_stream s)
{
	(void)g;
	(void)s;
	e->when = lt_now();
}

static double
emu_elapsed(struct lt_gpu *g, const struct lt_event *from,
    const struct lt_event *to)
{
	(void)g;
	return to->when - from->when;
}

static void
emu_wait(struct lt_gpu *g, enum lt_stream s, struct lt_event *e)
{
	(void)g;
	(void)s;
	(void)e;
}

static void
emu_synchronize(struct lt_gpu *g)
{
	(void)g;
}

static void
emu_tensor_map(struct lt_gpu *g, lk_tmap *to, const void *base, int rank,
    const uint64_t size[], const uint64_t stride[], const uint32_t box[],
    bool swizzle)
{
	lk_emu_tmap map = {.base = base, .rank = rank, .swizzle = swizzle};

	(void)g;
	for (int i = 0; i < rank; i++) {
		map.size[i] = (int)size[i];
		map.box[i] = (int)box[i];
		map.stride[i] = i ? (long long)stride[i - 1] : 1;
	}
	_Static_assert(sizeof map <= sizeof *to, "fits a tensor map");
	memset(to, 0, sizeof *to);
	memcpy(to, &map, sizeof map);
}

const struct lt_device lt_device_emu = {
	.name = "emulator",
	.open = emu_open, .close = emu_close,
	.alloc = emu_alloc, .free = emu_free, .available = emu_available,
	.upload = transfer, .download = transfer,
	.copy = emu_copy, .zero = emu_zero, .launch = emu_launch,
	.event = emu_event, .event_free = emu_event_free,
	.record = emu_record, .wait = emu_wait,
	.timer = emu_event, .elapsed = emu_elapsed,
	.synchronize = emu_synchronize, .tensor_map = emu_tensor_map,
};
