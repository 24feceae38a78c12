/*
 * The driver of fake_cuda.c as CUDA at captures: nothing happens before a
 * launch, all of it in each, in the order that events make; what is forbidden
 * fails, and so does then the capture.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/gpu/cuda_api.h"

enum { UNSUPPORTED = 900, INVALIDATED = 901, UNJOINED = 904, ISOLATION = 905,
	CAPTURED = 907 };

static struct lt_cu cu;
static lt_cu_stream a, b;
static lt_cu_event e, f;
static lt_cu_ptr x;
static int failed;

#define IS(call, want)                                                        \
	do {                                                                  \
		int got = (call);                                             \
		if (got != (want)) {                                          \
			fprintf(stderr, "%d: %s is %d, not %d\n", __LINE__,   \
			    #call, got, (want));                              \
			failed = 1;                                           \
		}                                                             \
	} while (0)

static void
begin(void)
{
	IS(cu.capture(a, LT_CU_CAPTURE_THREAD), 0);
}

static void
ends(int want)
{
	lt_cu_graph g;

	IS(cu.capture_end(a, &g), want);
	IS(g == NULL, want != 0);
}

static unsigned char
first(void)
{
	unsigned char y = 0;

	IS(cu.download(&y, x, 1, a), 0);
	IS(cu.stream_sync(a), 0);
	return y;
}

/* Two branches: b's fill is after a's first and before its second. */
static void
graphs_happen_when_launched(void)
{
	lt_cu_graph g;
	lt_cu_exec exec;

	IS(cu.fill(x, 1, 8, a), 0);
	begin();
	IS(cu.fill(x, 2, 8, a), 0);
	IS(cu.event_record(e, a), 0);
	IS(cu.stream_wait(b, e, 0), 0);
	IS(cu.fill(x, 3, 1, b), 0);
	IS(cu.event_record(f, b), 0);
	IS(cu.event_query(f), CAPTURED);
	ends(INVALIDATED);
	IS(first(), 1);
	begin();
	IS(cu.fill(x, 2, 8, a), 0);
	IS(cu.event_record(e, a), 0);
	IS(cu.stream_wait(b, e, 0), 0);
	IS(cu.fill(x, 3, 1, b), 0);
	IS(cu.event_record(f, b), 0);
	IS(cu.stream_wait(a, f, 0), 0);
	IS(cu.copy(x + 4, x, 1, a), 0);
	IS(cu.capture_end(a, &g), 0);
	IS(cu.graph_make(&exec, g, 0), 0);
	IS(cu.graph_free(g), 0);
	IS(first(), 1);
	for (int i = 0; i < 2; i++) {
		unsigned char y[8];

		IS(cu.fill(x, 9, 8, a), 0);
		IS(cu.graph_launch(exec, a), 0);
		IS(cu.download(y, x, 8, a), 0);
		IS(cu.stream_sync(a), 0);
		IS(memcmp(y, "\3\2\2\2\3\2\2\2", 8), 0);
	}
	IS(cu.exec_free(exec), 0);
}

static void
what_is_forbidden_spoils(void)
{
	unsigned char y = 7;
	lt_cu_ptr more;
	void *host;

	begin();
	IS(cu.stream_sync(a), UNSUPPORTED);
	IS(cu.fill(x, 2, 8, a), INVALIDATED);
	ends(INVALIDATED);
	begin();
	IS(cu.stream_query(a), UNSUPPORTED);
	ends(INVALIDATED);
	begin();
	IS(cu.mem_alloc(&more, 64), UNSUPPORTED);
	ends(INVALIDATED);
	begin();
	IS(cu.upload(x, &y, 1, a), UNSUPPORTED);
	ends(INVALIDATED);
	IS(cu.host_alloc(&host, 64, 0), 0);
	begin();
	IS(cu.upload(x, host, 1, a), 0);
	ends(0);
	IS(cu.event_record(e, b), 0);
	begin();
	IS(cu.stream_wait(a, e, 0), ISOLATION);
	ends(INVALIDATED);
	begin();
	IS(cu.event_record(e, a), 0);
	IS(cu.stream_wait(b, e, 0), 0);
	IS(cu.fill(x, 3, 1, b), 0);
	ends(UNJOINED);
	IS(cu.host_free(host), 0);
}

int
main(void)
{
	void *p;

	cu.lib = dlopen("tests/gpu/libs/libcuda.so.1", RTLD_NOW);
	if (!cu.lib)
		return 1;
#define F(name, symbol, args)                                                 \
	p = dlsym(cu.lib, symbol);                                            \
	memcpy(&cu.name, &p, sizeof p);
	LT_CU_FUNCTIONS(F)
#undef F
	IS(cu.stream_new(&a, 0) + cu.stream_new(&b, 0), 0);
	IS(cu.event_new(&e, 0) + cu.event_new(&f, 0), 0);
	IS(cu.mem_alloc(&x, 8), 0);
	graphs_happen_when_launched();
	what_is_forbidden_spoils();
	return failed;
}
