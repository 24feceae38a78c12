/* The kernels of a program for GPUs, and how the host launches them. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/cuda.h"
#include "codegen/host.h"
#include "codegen/kernel_cuda.h"

enum { THREADS = 256 };
static const uint64_t BLOCKS_MAX = 1 << 20;

int
emit_cuda_entry(struct emit *e, const char *name, unsigned threads,
    unsigned smem, const char *args, const struct op *at)
{
	if (e->nentry == e->entrycap) {
		struct cuda_kernel *old = e->entry;

		e->entrycap = e->entrycap ? 2 * e->entrycap : 64;
		e->entry = NEW_N(e->m->mem, struct cuda_kernel,
		    (size_t)e->entrycap);
		if (e->nentry)
			memcpy(e->entry, old, sizeof *old * (size_t)e->nentry);
	}
	e->entry[e->nentry] = (struct cuda_kernel){.name = name,
	    .threads = threads, .smem = smem, .args = args,
	    .where = at ? emit_where(e, at) : NULL};
	return e->nentry++;
}

void
emit_cuda_launch(struct emit *e, int kernel, uint64_t blocks)
{
	const struct cuda_kernel *k = &e->entry[kernel];

	emit_line(e, "lt_gpu_launch(rt, K_%s, (const unsigned[]){%" PRIu64
	    ", 1, 1}, &(%s){", k->name, blocks, k->args);
}

void
emit_cuda_elements(struct emit *e, const char *name, uint64_t n)
{
	e->elements = n;
	fprintf(e->device, "LK_KERNEL(%s, %d, 1, struct %s_args)\n{\n"
	    "\tfor (long i = (long)lk_index(); i < %" PRIu64 "l; "
	    "i += (long)lk_stride()) {\n", name, THREADS, name, n);
}

void
emit_cuda_launch_elements(struct emit *e, const char *name,
    const struct op *at)
{
	uint64_t blocks = (e->elements + THREADS - 1) / THREADS;
	int id = emit_cuda_entry(e, name, THREADS, 0, arena_printf(e->m->mem,
	    "struct %s_args", name), at);

	emit_cuda_launch(e, id, blocks < BLOCKS_MAX ? blocks : BLOCKS_MAX);
}
