/* Kernels that are files of codegen/kernels/, as units of a program. */
#include "config.h"

#include "codegen/library.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/cuda.h"
#include "codegen/kernel_cuda.h"
#include "codegen/target.h"
#include "codegen/texts.h"
#include "runtime/gpu/args.h"

enum { FROM = 80, TO = 1000 }; /* architectures of what is for all */

static const struct entry {
	const char *file, *name;
	unsigned threads, smem;
	const char *args;
} entries[] = {
#define LIBRARY(file, name, threads, smem, args)                               \
	{file, #name, threads, smem, "struct " #args},
#include "codegen/library.def"
#undef LIBRARY
};

static const struct call {
	const char *file, *text;
} calls[] = {
#define LIBRARY_CALL(file, text) {file, text},
#include "codegen/library_calls.def"
#undef LIBRARY_CALL
};

/* Whether a host program launches anything of a file. */
static bool
is_called(const char *file, const char *host)
{
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		if (strcmp(calls[i].file, file) == 0 &&
		    strstr(host, calls[i].text))
			return true;
	return false;
}

/* ---- attention ---- */

/* Heads that its kernels are made and tested for. */
enum { SM90_HEAD_MIN = 64 };
static const int heads[] = {16, 32, 64, 80, 96, 128, 256};

/* Its number, or -1. */
static int
head_index(uint64_t d)
{
	for (int i = 0; i < (int)COUNT_OF(heads); i++)
		if ((uint64_t)heads[i] == d)
			return i;
	return -1;
}

static const char *
list_heads(struct emit *e)
{
	const char *s = "";

	for (size_t i = 0; i < COUNT_OF(heads); i++)
		s = arena_printf(e->m->mem, "%s%s%d", s, i ? ", " : "",
		    heads[i]);
	return s;
}

void
library_attention(struct emit *e, const struct op *op, uint64_t d,
    enum dtype dt)
{
	if (!e->to->gpu || e->cuda->no_attention)
		return;
	if (dt != DT_BF16) {
		diag_report(e->m->diag, DIAG_GPU_ATTENTION, op->at,
		    "attention of f32 on a GPU: set compute = bf16");
		e->errors++;
	} else if (head_index(d) < 0) {
		diag_report(e->m->diag, DIAG_GPU_ATTENTION,
		    op->at, "heads of %" PRIu64 " on a "
		    "GPU: attention has kernels for %s", d, list_heads(e));
		e->errors++;
	} else {
		e->heads |= 1u << head_index(d);
	}
}

static void
add_entry(struct emit *e, int unit, const char *name, int d, unsigned threads,
    unsigned smem, const char *args)
{
	int id = emit_cuda_entry(e, d ? arena_printf(e->m->mem, "%s_d%d", name,
	    d) : name, threads, smem, args, NULL);

	e->entry[id].unit = unit;
}

static void
add_sm80(struct emit *e, int unit)
{
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		unsigned d = (unsigned)heads[i];

		if (!(e->heads & 1u << i))
			continue;
		add_entry(e, unit, "attn_fwd_sm80", heads[i], ATTN80_THREADS,
		    ATTN80_FWD_SMEM(d), "struct attn_args");
		add_entry(e, unit, "attn_bwd_keys_sm80", heads[i],
		    ATTN80_THREADS, ATTN80_KEYS_SMEM(d), "struct attn_args");
		add_entry(e, unit, "attn_bwd_queries_sm80", heads[i],
		    ATTN80_THREADS, ATTN80_QUERIES_SMEM(d),
		    "struct attn_args");
	}
	add_entry(e, unit, "attn_docs", 0, ATTN_DOCS_THREADS, 0,
	    "struct attn_docs_args");
}

/* For sm_90a alone: by its tensor memory accelerator and wgmma. */
static void
add_sm90(struct emit *e, int unit)
{
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		unsigned d = (unsigned)heads[i];

		if (!(e->heads & 1u << i) || heads[i] < SM90_HEAD_MIN)
			continue;
		add_entry(e, unit, "attn_fwd_sm90", heads[i], ATTN90_THREADS,
		    ATTN90_FWD_SMEM(d), "struct attn_tma_args");
		add_entry(e, unit, "attn_bwd_keys_sm90", heads[i],
		    ATTN90_THREADS, ATTN90_KEYS_SMEM(d),
		    "struct attn_tma_args");
		add_entry(e, unit, "attn_bwd_queries_sm90", heads[i],
		    ATTN90_THREADS, ATTN90_QUERIES_SMEM(d),
		    "struct attn_tma_args");
	}
}

static bool
has_sm90(const struct emit *e)
{
	for (size_t i = 0; i < COUNT_OF(heads); i++)
		if ((e->heads & 1u << i) && heads[i] >= SM90_HEAD_MIN)
			return true;
	return false;
}

/* ---- units ---- */

static int
add_unit(struct emit *e, const char *name, int from, int to)
{
	e->unit[e->nunit] = (struct cuda_unit){.name = name, .arch_min = from,
	    .arch_max = to};
	return e->nunit++;
}

void
emit_library(struct emit *e, const char *host)
{
	const char *file = "";
	bool called = false;
	int unit = 0;

	e->unit = NEW_N(e->m->mem, struct cuda_unit, COUNT_OF(entries) + 3);
	add_unit(e, "fused", FROM, TO);
	for (size_t i = 0; i < COUNT_OF(entries); i++) {
		const struct entry *x = &entries[i];
		bool first = strcmp(x->file, file) != 0;
		int id;

		file = x->file;
		called = first ? is_called(file, host) : called;
		if (!called)
			continue;
		if (first)
			unit = add_unit(e, file, FROM, TO);
		id = emit_cuda_entry(e, x->name, x->threads, x->smem,
		    x->args, NULL);
		e->entry[id].unit = unit;
	}
	if (e->heads)
		add_sm80(e, add_unit(e, "attn_sm80", FROM, TO));
	if (has_sm90(e))
		add_sm90(e, add_unit(e, "attn_sm90", 90, 90));
}

/* ---- sources ---- */

static void
include_attention(struct emit *e, struct kernel_source *s, const char *file,
    int least)
{
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		if (!(e->heads & 1u << i) || heads[i] < least)
			continue;
		buf_printf(&s->out, "#undef HEAD_DIM\n#define HEAD_DIM %d\n",
		    heads[i]);
		kernel_include(s, file);
	}
}

static const char *
source_of(struct emit *e, const char *unit, const char *fused, bool emulated)
{
	struct kernel_source s = {.emulated = emulated};
	const char *text;

	if (strcmp(unit, "fused") == 0) {
		kernel_include(&s, "fused.cuh");
		buf_puts(&s.out, "#line 1 \"fused\"\n");
		buf_puts(&s.out, fused);
	} else if (strcmp(unit, "attn_sm80") == 0) {
		include_attention(e, &s, "attn_sm80.cuh", 0);
	} else if (strcmp(unit, "attn_sm90") == 0) {
		include_attention(e, &s, "attn_sm90.cuh", SM90_HEAD_MIN);
	} else {
		kernel_include(&s, arena_printf(e->m->mem, "%s.cuh", unit));
	}
	text = arena_strndup(e->m->mem, buf_text(&s.out), s.out.len);
	kernel_source_free(&s);
	return text;
}

void
library_sources(struct emit *e, const char *fused)
{
	for (int i = 0; i < e->nunit; i++) {
		struct cuda_unit *u = &e->unit[i];

		u->source = source_of(e, u->name, fused, false);
		u->emulated = source_of(e, u->name, fused, true);
	}
}
