/*
 * libcuda.so.1 for machines without a GPU: memory is the host's, and a kernel
 * is the function of that name that the program exports, as the emulator has
 * them.
 *
 * fake_stream.h says when things happen.
 *
 * A module is a text, "FAKE\n" and then lines of a kernel's name and the bytes
 * of its argument; other modules can be loaded, their kernels do nothing.
 *
 *	FAKE_CUDA_LOG      file that gets a line per call of interest
 *	FAKE_CUDA_FAIL     "cuLaunchKernel:3:700": its third call fails;
 *	                   "adamw:3:700": the third time that kernel runs, it
 *	                   does, and nothing happens any more
 *	FAKE_CUDA_SLOW     "adamw:100": that kernel takes 100 ms each time
 *	FAKE_CUDA_PRIVATE  set: who asks for a GPU sees another one each time
 *	FAKE_CUDA_VERSION, _COUNT, _ARCH, _MEMORY (bytes)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/gpu/fake_stream.h"

enum { CONTEXT = 64 };

struct module {
	struct function *function;
	bool elf;
};

/* Memory of the host that copies reach by themselves. */
struct locked {
	struct locked *next;
	const char *at;
	size_t n;
};

static _Atomic size_t used;
static struct locked *locked;
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

/* ms that a kernel takes */
static long
slowness(const char *kernel)
{
	const char *s = getenv("FAKE_CUDA_SLOW");
	size_t n = strlen(kernel);

	return s && strncmp(s, kernel, n) == 0 && s[n] == ':' ?
	    strtol(s + n + 1, NULL, 10) : 0;
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

/* For a library that enqueues calls of its own: they hold the lock.  In a graph
 * each launch calls with what `again` makes of the argument. */
int fake_enqueue(void *stream, int (*call)(void *),
    void *(*again)(void *arg, void *stream), void *arg);
int fake_advance(void *stream);

int
fake_enqueue(void *stream, int (*call)(void *),
    void *(*again)(void *arg, void *stream), void *arg)
{
	int r;

	pthread_mutex_lock(&lock);
	r = enqueue(stream, (struct op){.kind = CALL, .call = call,
	    .again = again, .args = arg});
	pthread_mutex_unlock(&lock);
	return r;
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
cuDeviceGetUuid_v2(unsigned char x[16], int d)
{
	static _Atomic int asked_for;
	int id = getenv("FAKE_CUDA_PRIVATE") ? asked_for++ : d;

	memset(x, 0x5a, 16);
	memcpy(x, &id, sizeof id);
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
	int r = forbidden();

	r = r ? r : asked("cuMemAlloc");
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
	int r = forbidden();

	if (r)
		return r;
	say("free %zu", x[0]);
	used -= x[0];
	free(x);
	return 0;
}

int
cuMemHostAlloc(void **p, size_t n, unsigned flags)
{
	struct locked *x = malloc(sizeof *x);
	int r = forbidden();

	(void)flags;
	*p = r ? NULL : calloc(1, n);
	pthread_mutex_lock(&lock);
	*x = (struct locked){locked, *p, r ? 0 : n};
	locked = x;
	pthread_mutex_unlock(&lock);
	return r;
}

int
cuMemFreeHost(void *p)
{
	pthread_mutex_lock(&lock);
	for (struct locked *x = locked; x; x = x->next)
		if (x->at == p)
			x->n = 0;
	pthread_mutex_unlock(&lock);
	free(p);
	return forbidden();
}

static bool
is_locked(const void *p, size_t n)
{
	const char *at = p;

	for (struct locked *x = locked; x; x = x->next)
		if (at >= x->at && at + n <= x->at + x->n)
			return true;
	return false;
}

int
cuMemHostGetDevicePointer_v2(uint64_t *d, void *p, unsigned flags)
{
	(void)flags;
	*d = (uint64_t)(uintptr_t)p;
	return 0;
}

static int
copy(const char *what, uint64_t dst, uint64_t src, size_t n, struct stream *s,
    const void *host)
{
	int r = asked(what);

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	say("%s %zu on %d", what, n, s->number);
	if (s->capture && host && !is_locked(host, n))
		r = spoil(s->capture, CAPTURE_UNSUPPORTED);
	else
		r = enqueue(s, (struct op){.kind = COPY,
		    .dst = (void *)(uintptr_t)dst,
		    .src = (void *)(uintptr_t)src, .n = n});
	pthread_mutex_unlock(&lock);
	return r;
}

int
cuMemcpyHtoDAsync_v2(uint64_t dst, const void *src, size_t n, void *s)
{
	return copy("upload", dst, (uint64_t)(uintptr_t)src, n, s, src);
}

int
cuMemcpyDtoHAsync_v2(void *dst, uint64_t src, size_t n, void *s)
{
	return copy("download", (uint64_t)(uintptr_t)dst, src, n, s, dst);
}

int
cuMemcpyDtoDAsync_v2(uint64_t dst, uint64_t src, size_t n, void *s)
{
	return copy("copy", dst, src, n, s, NULL);
}

int
cuMemsetD8Async(uint64_t x, unsigned char v, size_t n, void *stream)
{
	struct stream *s = stream;
	int r;

	pthread_mutex_lock(&lock);
	say("fill %zu on %d", n, s->number);
	r = enqueue(s, (struct op){.kind = FILL, .dst = (void *)(uintptr_t)x,
	    .value = v, .n = n});
	pthread_mutex_unlock(&lock);
	return r;
}

int
cuStreamCreate(void **p, unsigned flags)
{
	(void)flags;
	pthread_mutex_lock(&lock);
	say("stream %d", streams);
	*p = new_stream(streams++);
	pthread_mutex_unlock(&lock);
	return 0;
}

int
cuStreamQuery(void *stream)
{
	struct stream *s = stream;
	bool all;

	pthread_mutex_lock(&lock);
	if (s->capture) {
		int r = spoil(s->capture, CAPTURE_UNSUPPORTED);

		pthread_mutex_unlock(&lock);
		return r;
	}
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
	for (int i = 0; (r = cuStreamQuery(s)) == NOT_READY; i++) {
		if (i > 20000) {
			fprintf(stderr, "fake cuda: a stream waits for ever\n");
			abort();
		}
		usleep(1000);
	}
	return r;
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
	int r;

	(void)flags;
	pthread_mutex_lock(&lock);
	say("wait on %d for %d", s->number, e->last ?
	    e->last->stream->number : -1);
	r = wait_for(s, e);
	pthread_mutex_unlock(&lock);
	return r;
}

int
cuStreamWriteValue32_v2(void *s, uint64_t at, uint32_t v, unsigned flags)
{
	int r;

	(void)flags;
	pthread_mutex_lock(&lock);
	r = enqueue(s, (struct op){.kind = WRITE, .dst = (void *)(uintptr_t)at,
	    .value = v});
	pthread_mutex_unlock(&lock);
	return r;
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

	if (e->last && e->last->in)
		return e->last->in->ended ? CAPTURED_EVENT :
		    spoil(e->last->in, CAPTURED_EVENT);
	return !e->last || e->last->done ? 0 : NOT_READY;
}

int
cuEventElapsedTime(float *ms, void *from, void *to)
{
	const struct event *a = from, *b = to;

	if (!a->timing || !b->timing || !a->last || !b->last)
		return BAD_HANDLE;
	if (!a->last->done || !b->last->done)
		return NOT_READY;
	*ms = (float)(b->last->when - a->last->when);
	return 0;
}

int
cuEventRecord(void *event, void *stream)
{
	struct stream *s = stream;
	int r;

	pthread_mutex_lock(&lock);
	say("record on %d", s->number);
	r = record(s, event);
	pthread_mutex_unlock(&lock);
	return r;
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
	int r = forbidden();

	r = r ? r : asked("cuModuleLoadData");
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
	r = enqueue(s, (struct op){.kind = KERNEL, .function = f,
	    .grid = {gx, gy, gz}, .threads = bx, .smem = smem,
	    .args = copied});
	pthread_mutex_unlock(&lock);
	return r;
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

/* ---- graphs ---- */

int
cuStreamBeginCapture_v2(void *s, int mode)
{
	int r = asked("cuStreamBeginCapture");

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	r = begin_capture(s, mode);
	say("capture: %d", r);
	pthread_mutex_unlock(&lock);
	return r;
}

int
cuStreamEndCapture(void *s, void **g)
{
	struct capture *c;
	int r;

	pthread_mutex_lock(&lock);
	r = end_capture(s, &c);
	say("captured: %d, %d nodes", r, c ? c->nodes : 0);
	pthread_mutex_unlock(&lock);
	*g = c;
	return r;
}

/* Graphs are kept, and stand for what can be launched of them. */
int cuGraphDestroy(void *g) { return g ? 0 : INVALID; }
int cuGraphExecDestroy(void *g) { return g ? 0 : INVALID; }

int
cuGraphInstantiateWithFlags(void **x, void *g, unsigned long long flags)
{
	int r = asked("cuGraphInstantiate");

	*x = g;
	return r ? r : flags || !g ? INVALID : 0;
}

int
cuGraphLaunch(void *x, void *stream)
{
	struct stream *s = stream;
	int r = asked("cuGraphLaunch");

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	say("graph on %d", s->number);
	if (s->capture)
		r = spoil(s->capture, CAPTURE_UNSUPPORTED);
	else
		launch_graph(x, s);
	pthread_mutex_unlock(&lock);
	return r;
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
