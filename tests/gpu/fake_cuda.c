/*
 * libcuda.so.1 for machines without a GPU: memory is the host's, and a kernel
 * is the function of that name that the program exports, as the emulator has
 * them.
 *
 * Everything happens as late as it may: what is enqueued on a stream waits
 * until somebody synchronises with it, or with something that waits for it by
 * an event.  So what the caller has not ordered happens in the wrong order.
 *
 * A module is a text, "FAKE\n" and then lines of a kernel's name and the bytes
 * of its argument; other modules can be loaded, their kernels do nothing.
 *
 *	FAKE_CUDA_LOG      file that gets a line per call of interest
 *	FAKE_CUDA_FAIL     "cuLaunchKernel:3:700": its third call fails;
 *	                   "adamw:3:700": the third time that kernel runs, it
 *	                   does, and nothing happens any more
 *	FAKE_CUDA_VERSION, _COUNT, _ARCH, _MEMORY (bytes)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CONTEXT = 64, NO_MEMORY = 2, INVALID = 1, NO_DEVICE = 100,
	NOT_READY = 600 };

typedef void emulated(const void *, const unsigned[3], unsigned, unsigned);

struct instance { /* of an event: one record */
	struct stream *stream;
	bool done;
	double when; /* ms */
};

struct op {
	struct op *next;
	enum { KERNEL, COPY, FILL, WRITE, RECORD, WAIT, CALL } kind;
	int (*call)(void *);   /* CALL: 0 for not yet */
	struct function *function;
	unsigned grid[3], threads, smem;
	char *args;
	void *dst;
	const void *src;
	size_t n;
	uint32_t value;
	struct instance *at;
};

struct stream {
	struct op *head, **tail;
	int number;
	bool running;
};

struct event {
	struct instance *last;
	bool timing;
};

struct function {
	struct function *next;
	char name[96];
	size_t args;
	emulated *run;
};

struct module {
	struct function *function;
	bool elf;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic size_t used;
static int streams, broken;
static FILE *out;

static long
setting(const char *name, long dflt)
{
	const char *s = getenv(name);

	return s && *s ? strtol(s, NULL, 10) : dflt;
}

static void
say(const char *fmt, ...)
{
	const char *path = getenv("FAKE_CUDA_LOG");
	va_list ap;

	if (!path)
		return;
	if (!out)
		out = fopen(path, "a");
	if (!out)
		abort();
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fputc('\n', out);
	fflush(out);
}

/* The code of a failure that is asked for. */
static int
asked(const char *call)
{
	static int calls;
	const char *s = getenv("FAKE_CUDA_FAIL");
	int nth = 0, code = 0;
	char name[64];

	if (!s || sscanf(s, "%63[^:]:%d:%d", name, &nth, &code) != 3 ||
	    strcmp(name, call) != 0)
		return 0;
	return ++calls >= nth ? code : 0;
}

/* ---- doing it, late ---- */

static bool drain(struct stream *s, const struct instance *until);

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* False: it has to wait for what is not enqueued yet. */
static bool
perform(struct op *o)
{
	switch (o->kind) {
	case CALL:
		return o->call(o->args);
	case KERNEL:
		broken = asked(o->function->name);
		if (o->function->run && !broken)
			o->function->run(o->args, o->grid, o->threads,
			    o->smem);
		break;
	case COPY:
		memmove(o->dst, o->src, o->n);
		break;
	case FILL:
		memset(o->dst, (int)o->value, o->n);
		break;
	case WRITE:
		memcpy(o->dst, &o->value, sizeof o->value);
		break;
	case RECORD:
		o->at->done = true;
		o->at->when = now_ms();
		break;
	case WAIT:
		if (!o->at->done)
			drain(o->at->stream, o->at);
		return o->at->done || broken;
	}
	return true;
}

/* All of a stream, or what is before a place in it; false: not all of that. */
static bool
drain(struct stream *s, const struct instance *until)
{
	if (s->running)
		return false;
	s->running = true;
	while (s->head && !(until && until->done) && !broken) {
		struct op *o = s->head;

		if (!perform(o))
			break;
		s->head = o->next;
		if (!s->head)
			s->tail = &s->head;
		if (o->kind != CALL)
			free(o->args);
		free(o);
	}
	s->running = false;
	return broken || (until ? until->done : !s->head);
}

/* For a library that enqueues calls of its own: they hold the lock. */
int fake_enqueue(void *stream, int (*call)(void *), void *arg);
int fake_advance(void *stream);

static int
enqueue(struct stream *s, struct op o)
{
	struct op *x = malloc(sizeof *x);

	*x = o;
	x->next = NULL;
	*s->tail = x;
	s->tail = &x->next;
	return 0;
}

int
fake_enqueue(void *stream, int (*call)(void *), void *arg)
{
	pthread_mutex_lock(&lock);
	enqueue(stream, (struct op){.kind = CALL, .call = call, .args = arg});
	pthread_mutex_unlock(&lock);
	return 0;
}

/* By a call that waits for what another stream does. */
int
fake_advance(void *stream)
{
	return drain(stream, NULL);
}

/* ---- the driver ---- */

int cuInit(unsigned flags) { (void)flags; return asked("cuInit"); }

int
cuDriverGetVersion(int *v)
{
	*v = (int)setting("FAKE_CUDA_VERSION", 13000);
	return 0;
}

int
cuDeviceGetCount(int *n)
{
	*n = (int)setting("FAKE_CUDA_COUNT", 1);
	return *n ? 0 : NO_DEVICE;
}

int cuDeviceGet(int *d, int i) { *d = i; return 0; }

int
cuDeviceGetName(char *s, int n, int d)
{
	snprintf(s, (size_t)n, "Fake %d", d);
	return 0;
}

int
cuDeviceGetAttribute(int *x, int what, int d)
{
	int arch = (int)setting("FAKE_CUDA_ARCH", 90);

	(void)d;
	*x = what == 75 ? arch / 10 : what == 76 ? arch % 10 : 4;
	return 0;
}

int
cuDevicePrimaryCtxRetain(void **c, int d)
{
	*c = (char *)CONTEXT + d;
	return asked("cuDevicePrimaryCtxRetain");
}

int cuDevicePrimaryCtxRelease_v2(int d) { (void)d; return 0; }
int cuCtxSetCurrent(void *c) { return c ? 0 : INVALID; }

int
cuMemGetInfo_v2(size_t *left, size_t *all)
{
	*all = (size_t)setting("FAKE_CUDA_MEMORY", 1l << 32);
	*left = *all - used;
	return 0;
}

int
cuMemAlloc_v2(uint64_t *p, size_t n)
{
	size_t *x;
	int r = asked("cuMemAlloc");

	if (r)
		return r;
	if (used + n > (size_t)setting("FAKE_CUDA_MEMORY", 1l << 32))
		return NO_MEMORY;
	x = aligned_alloc(256, (n + 511) / 256 * 256);
	x[0] = n;
	used += n;
	memset((char *)x + 256, 0x5a, n);
	*p = (uint64_t)(uintptr_t)((char *)x + 256);
	say("alloc %zu", n);
	return 0;
}

int
cuMemFree_v2(uint64_t p)
{
	size_t *x = (void *)((char *)(uintptr_t)p - 256);

	say("free %zu", x[0]);
	used -= x[0];
	free(x);
	return 0;
}

int
cuMemHostAlloc(void **p, size_t n, unsigned flags)
{
	(void)flags;
	*p = calloc(1, n);
	return 0;
}

int cuMemFreeHost(void *p) { free(p); return 0; }

int
cuMemHostGetDevicePointer_v2(uint64_t *d, void *p, unsigned flags)
{
	(void)flags;
	*d = (uint64_t)(uintptr_t)p;
	return 0;
}

static int
copy(const char *what, uint64_t dst, uint64_t src, size_t n, struct stream *s)
{
	int r = asked(what);

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	say("%s %zu on %d", what, n, s->number);
	enqueue(s, (struct op){.kind = COPY, .dst = (void *)(uintptr_t)dst,
	    .src = (void *)(uintptr_t)src, .n = n});
	pthread_mutex_unlock(&lock);
	return 0;
}

int
cuMemcpyHtoDAsync_v2(uint64_t dst, const void *src, size_t n, void *s)
{
	return copy("upload", dst, (uint64_t)(uintptr_t)src, n, s);
}

int
cuMemcpyDtoHAsync_v2(void *dst, uint64_t src, size_t n, void *s)
{
	return copy("download", (uint64_t)(uintptr_t)dst, src, n, s);
}

int
cuMemcpyDtoDAsync_v2(uint64_t dst, uint64_t src, size_t n, void *s)
{
	return copy("copy", dst, src, n, s);
}

int
cuMemsetD8Async(uint64_t x, unsigned char v, size_t n, void *stream)
{
	struct stream *s = stream;

	pthread_mutex_lock(&lock);
	say("fill %zu on %d", n, s->number);
	enqueue(s, (struct op){.kind = FILL, .dst = (void *)(uintptr_t)x,
	    .value = v, .n = n});
	pthread_mutex_unlock(&lock);
	return 0;
}

int
cuStreamCreate(void **p, unsigned flags)
{
	struct stream *s = calloc(1, sizeof *s);

	(void)flags;
	s->tail = &s->head;
	pthread_mutex_lock(&lock);
	s->number = streams++;
	pthread_mutex_unlock(&lock);
	*p = s;
	return 0;
}

int
cuStreamQuery(void *s)
{
	bool all;

	pthread_mutex_lock(&lock);
	all = drain(s, NULL);
	pthread_mutex_unlock(&lock);
	return broken ? broken : all ? 0 : NOT_READY;
}

int
cuStreamSynchronize(void *s)
{
	int r = asked("cuStreamSynchronize");

	if (r)
		return r;
	for (int i = 0; cuStreamQuery(s) == NOT_READY; i++) {
		if (i > 20000) {
			fprintf(stderr, "fake cuda: a stream waits for ever\n");
			abort();
		}
		usleep(1000);
	}
	return broken;
}

int
cuStreamDestroy_v2(void *s)
{
	(void)cuStreamSynchronize(s);
	free(s);
	return 0;
}

int
cuStreamWaitEvent(void *stream, void *event, unsigned flags)
{
	struct stream *s = stream;
	struct event *e = event;

	(void)flags;
	pthread_mutex_lock(&lock);
	if (e->last)
		enqueue(s, (struct op){.kind = WAIT, .at = e->last});
	say("wait on %d for %d", s->number, e->last ?
	    e->last->stream->number : -1);
	pthread_mutex_unlock(&lock);
	return 0;
}

int
cuStreamWriteValue32_v2(void *s, uint64_t at, uint32_t v, unsigned flags)
{
	(void)flags;
	pthread_mutex_lock(&lock);
	enqueue(s, (struct op){.kind = WRITE, .dst = (void *)(uintptr_t)at,
	    .value = v});
	pthread_mutex_unlock(&lock);
	return 0;
}

int
cuEventCreate(void **e, unsigned flags)
{
	struct event *x = calloc(1, sizeof *x);

	x->timing = !(flags & 2);
	*e = x;
	return 0;
}

int cuEventDestroy_v2(void *e) { free(e); return 0; }

int
cuEventQuery(void *event)
{
	const struct event *e = event;

	return !e->last || e->last->done ? 0 : NOT_READY;
}

int
cuEventElapsedTime(float *ms, void *from, void *to)
{
	const struct event *a = from, *b = to;

	if (!a->timing || !b->timing || !a->last || !b->last)
		return 400;
	if (!a->last->done || !b->last->done)
		return NOT_READY;
	*ms = (float)(b->last->when - a->last->when);
	return 0;
}

/* Instances are never freed: others may still wait for them. */
int
cuEventRecord(void *event, void *stream)
{
	struct event *e = event;
	struct instance *x = calloc(1, sizeof *x);

	x->stream = stream;
	pthread_mutex_lock(&lock);
	say("record on %d", x->stream->number);
	e->last = x;
	enqueue(stream, (struct op){.kind = RECORD, .at = x});
	pthread_mutex_unlock(&lock);
	return 0;
}

/* ---- code ---- */

static const char *
read_line(struct module *m, const char *s)
{
	struct function *f = calloc(1, sizeof *f);
	void *p;

	if (sscanf(s, "%95s %zu", f->name, &f->args) != 2)
		abort();
	p = dlsym(RTLD_DEFAULT, f->name);
	memcpy(&f->run, &p, sizeof p);
	f->next = m->function;
	m->function = f;
	return strchr(s, '\n') + 1;
}

int
cuModuleLoadData(void **p, const void *image)
{
	const char *s = image;
	struct module *m;
	int r = asked("cuModuleLoadData");

	if (r)
		return r;
	m = calloc(1, sizeof *m);
	m->elf = memcmp(s, "\177ELF", 4) == 0;
	say("module %s", m->elf ? "elf" : "fake");
	if (!m->elf && strncmp(s, "FAKE\n", 5) != 0)
		return 200;
	for (s += 5; !m->elf && *s;)
		s = read_line(m, s);
	*p = m;
	return 0;
}

int
cuModuleUnload(void *p)
{
	struct module *m = p;

	while (m->function) {
		struct function *f = m->function;

		m->function = f->next;
		free(f);
	}
	free(m);
	return 0;
}

int
cuModuleGetFunction(void **p, void *module, const char *name)
{
	struct module *m = module;
	struct function *f = m->function;

	while (f && strcmp(f->name, name) != 0)
		f = f->next;
	if (!f && m->elf) {
		f = calloc(1, sizeof *f);
		snprintf(f->name, sizeof f->name, "%s", name);
		f->next = m->function;
		m->function = f;
	}
	*p = f;
	return f ? 0 : 500;
}

int
cuFuncSetAttribute(void *p, int what, int value)
{
	struct function *f = p;

	say("attribute %d of %s: %d", what, f->name, value);
	return 0;
}

int
cuLaunchKernel(void *p, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
    unsigned by, unsigned bz, unsigned smem, void *stream, void **args,
    void **extra)
{
	struct function *f = p;
	struct stream *s = stream;
	char *copied;
	int r = asked("cuLaunchKernel");

	if (r || by != 1 || bz != 1 || extra)
		return r ? r : INVALID;
	copied = aligned_alloc(128, (f->args + 255) / 128 * 128);
	memcpy(copied, args[0], f->args);
	pthread_mutex_lock(&lock);
	say("launch %s %u %u %u of %u, %u bytes, on %d", f->name, gx, gy, gz,
	    bx, smem, s->number);
	enqueue(s, (struct op){.kind = KERNEL, .function = f,
	    .grid = {gx, gy, gz}, .threads = bx, .smem = smem,
	    .args = copied});
	pthread_mutex_unlock(&lock);
	return 0;
}

int
cuTensorMapEncodeTiled(void *to, int type, uint32_t rank, void *base,
    const uint64_t *size, const uint64_t *stride, const uint32_t *box,
    const uint32_t *step, int interleave, int swizzle, int l2, int fill)
{
	struct {
		const void *base;
		long long stride[5];
		int size[5], box[5], rank, swizzle;
	} m = {.base = base, .rank = (int)rank, .swizzle = swizzle == 3};

	if (type != 9 || interleave || l2 != 2 || fill || *step != 1 ||
	    (uintptr_t)base % 16 || (uintptr_t)to % 128)
		return INVALID;
	for (uint32_t i = 0; i < rank; i++) {
		if (i && stride[i - 1] % 16)
			return INVALID;
		m.stride[i] = i ? (long long)stride[i - 1] / 2 : 1;
		m.size[i] = (int)size[i];
		m.box[i] = (int)box[i];
	}
	memset(to, 0, 128);
	memcpy(to, &m, sizeof m);
	return 0;
}

/* ---- graphs: not here ---- */

int cuStreamBeginCapture_v2(void *s, int m) { (void)s; (void)m; return 801; }
int cuStreamEndCapture(void *s, void **g) { (void)s; (void)g; return 801; }
int cuGraphDestroy(void *g) { (void)g; return 0; }
int cuGraphExecDestroy(void *g) { (void)g; return 0; }
int cuGraphLaunch(void *g, void *s) { (void)g; (void)s; return 801; }

int
cuGraphInstantiateWithFlags(void **x, void *g, unsigned long long flags)
{
	(void)x;
	(void)g;
	(void)flags;
	return 801;
}

/* NVRTC asks for one when it finds a driver, and goes on without. */
int
cuGetExportTable(const void **table, const void *id)
{
	(void)id;
	*table = NULL;
	return INVALID;
}

int
cuGetErrorName(int r, const char **s)
{
	*s = r == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : r == 214 ?
	    "CUDA_ERROR_ECC_UNCORRECTABLE" : r == 700 ?
	    "CUDA_ERROR_ILLEGAL_ADDRESS" : r == 999 ? "CUDA_ERROR_UNKNOWN" :
	    "CUDA_ERROR";
	return 0;
}

int
cuGetErrorString(int r, const char **s)
{
	*s = r == 700 ? "an illegal memory access was encountered" : "fake";
	return 0;
}
