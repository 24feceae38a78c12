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

/* ---- attention ---- */

/* Heads that its kernels are made and tested for. */
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
add_attention(struct emit *e, int unit, int d)
{
	static const char *const names[] = {"fwd", "bwd_keys", "bwd_queries"};
	const unsigned smem[] = {ATTN80_FWD_SMEM((unsigned)d),
	    ATTN80_KEYS_SMEM((unsigned)d), ATTN80_QUERIES_SMEM((unsigned)d)};

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		int id = emit_cuda_entry(e, arena_printf(e->m->mem,
		    "attn_%s_sm80_d%d", names[i], d), ATTN80_THREADS, smem[i],
		    "struct attn_args", NULL);

		e->entry[id].unit = unit;
	}
}

static void
add_attentions(struct emit *e, int unit)
{
	int docs;

	for (size_t i = 0; i < COUNT_OF(heads); i++)
		if (e->heads & 1u << i)
			add_attention(e, unit, heads[i]);
	docs = emit_cuda_entry(e, "attn_docs", ATTN_DOCS_THREADS, 0,
	    "struct attn_docs_args", NULL);
	e->entry[docs].unit = unit;
}

/* ---- units ---- */

static int
add_unit(struct emit *e, const char *name)
{
	e->unit[e->nunit] = (struct cuda_unit){.name = name, .arch_min = FROM,
	    .arch_max = TO};
	return e->nunit++;
}

void
emit_library(struct emit *e)
{
	const char *file = "";
	int unit = 0;

	e->unit = NEW_N(e->m->mem, struct cuda_unit, COUNT_OF(entries) + 2);
	add_unit(e, "fused");
	for (size_t i = 0; i < COUNT_OF(entries); i++) {
		const struct entry *x = &entries[i];
		int id = emit_cuda_entry(e, x->name, x->threads, x->smem,
		    x->args, NULL);

		if (strcmp(x->file, file) != 0)
			unit = add_unit(e, x->file);
		file = x->file;
		e->entry[id].unit = unit;
	}
	if (e->heads)
		add_attentions(e, add_unit(e, "attn_sm80"));
}

/* ---- sources ---- */

static void
include_attention(struct emit *e, struct kernel_source *s)
{
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		if (!(e->heads & 1u << i))
			continue;
		buf_printf(&s->out, "#undef HEAD_DIM\n#define HEAD_DIM %d\n",
		    heads[i]);
		kernel_include(s, "attn_sm80.cuh");
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
		include_attention(e, &s);
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
