/* Kernels and their code, as tables of the host program. */
#include "config.h"

#include "codegen/cuda.h"

#include "codegen/emit.h"

/* Bytes as a string literal: compilers read those fastest. */
static void
print_bytes(const unsigned char *x, size_t n, FILE *out)
{
	enum { LINE = 64 };

	for (size_t i = 0; i < n; i += LINE) {
		fputs("\n\t\"", out);
		for (size_t j = i; j < n && j < i + LINE; j++)
			emit_quoted_char(out, x[j]);
		fputc('"', out);
	}
}

static void
print_code(const struct cuda_code *c, int i, FILE *out)
{
	fprintf(out, "static const char code%d[] =", i);
	print_bytes(c->data, c->size, out);
	fputs(";\n", out);
}

static void
print_codes(const struct cuda_program *p, const struct cuda_code *code, int n,
    FILE *out)
{
	for (int i = 0; i < n; i++)
		print_code(&code[i], i, out);
	for (int u = 0; u < p->nunit; u++) {
		fprintf(out, "static const struct lt_cubin cubins%d[] = {\n",
		    u);
		for (int i = 0; i < n; i++)
			if (code[i].unit == u)
				fprintf(out, "\t{\"%s\", code%d, %zu},\n",
				    code[i].arch, i, code[i].size);
		fputs("\t{NULL, NULL, 0}\n};\n", out);
	}
}

static int
count(const struct cuda_code *code, int n, int unit)
{
	int found = 0;

	for (int i = 0; i < n; i++)
		found += code[i].unit == unit;
	return found;
}

static void
print_unit(const struct cuda_unit *u, int i, int ncubin, bool emulated,
    FILE *out)
{
	fprintf(out, "\t{\"%s\", ", u->name);
	if (emulated)
		fputs("NULL", out);
	else
		emit_quoted(out, u->source);
	fprintf(out, ", %d, %d, cubins%d, %d},\n", u->arch_min, u->arch_max,
	    i, ncubin);
}

static void
print_kernel(const struct cuda_kernel *k, bool emulated, FILE *out)
{
	fprintf(out, "\t{\"%s\", %d, %u, %u, sizeof(%s), ", k->name, k->unit,
	    k->threads, k->smem, k->args);
	emit_quoted(out, k->where);
	fprintf(out, ", %s},\n", emulated ? k->name : "NULL");
}

void
codegen_cuda_tables(const struct cuda_program *p,
    const struct cuda_code *code, int ncode, bool emulated, FILE *out)
{
	fputs("\n/* ---- kernels ---- */\n\n", out);
	for (int i = 0; emulated && i < p->nkernel; i++)
		fprintf(out, "void %s(const void *args, const unsigned "
		    "grid[3], unsigned threads,\n    unsigned smem);\n",
		    p->kernel[i].name);
	print_codes(p, code, ncode, out);
	fprintf(out, "static const struct lt_unit units[%d] = {\n",
	    p->nunit ? p->nunit : 1);
	for (int i = 0; i < p->nunit; i++)
		print_unit(&p->unit[i], i, count(code, ncode, i), emulated,
		    out);
	fprintf(out, "};\nstatic const struct lt_kernel kernels[%d] = {\n",
	    p->nkernel ? p->nkernel : 1);
	for (int i = 0; i < p->nkernel; i++)
		print_kernel(&p->kernel[i], emulated, out);
	fputs("};\n", out);
}
