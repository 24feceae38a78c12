/* The arenas of a rank from the host. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/gpu/device.h"
#include "runtime/gpu/host.h"

void
lt_read(const struct lt *rt, void *to, const void *x, uint64_t bytes)
{
	if (!bytes)
		return;
	if (rt->gpu)
		rt->gpu->device->download(rt->gpu, to, x, bytes);
	else if (to != x)
		memcpy(to, x, bytes);
}

void
lt_write(const struct lt *rt, void *x, const void *from, uint64_t bytes)
{
	if (!bytes)
		return;
	if (rt->gpu)
		rt->gpu->device->upload(rt->gpu, x, from, bytes);
	else if (from != x)
		memcpy(x, from, bytes);
}

void
lt_clear(const struct lt *rt, void *x, uint64_t bytes)
{
	if (rt->gpu)
		rt->gpu->device->zero(rt->gpu, LT_COMPUTE, x, bytes);
	else
		memset(x, 0, bytes);
}

void *
lt_borrow(struct lt *rt, void *x, uint64_t bytes, enum lt_borrowed how)
{
	void *p;

	if (!rt->gpu || !bytes)
		return x;
	p = malloc(bytes);
	if (!p)
		lt_gpu_fail(rt, LT_EXIT_FAIL, "out of memory");
	if (how == LT_AS_IT_IS)
		lt_read(rt, p, x, bytes);
	return p;
}

void
lt_give_back(struct lt *rt, void *x, uint64_t bytes, void *borrowed)
{
	if (!rt->gpu || !bytes)
		return;
	lt_write(rt, x, borrowed, bytes);
	free(borrowed);
}

void
lt_forget(struct lt *rt, void *borrowed)
{
	if (rt->gpu)
		free(borrowed);
}
