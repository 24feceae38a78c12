/* The plan as JSON, for people, launchers and tests. */
#include "config.h"

#include <inttypes.h>

#include "codegen/codegen.h"
#include "codegen/emit.h"
#include "ir/flops.h"

static void
print_dims(const struct module *m, FILE *out)
{
	fputs("  \"dims\": {", out);
	for (int i = 0; i < m->ndim; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i ? ", " : "",
		    m->dim[i].name, m->dim[i].size);
	fputs("},\n", out);
}

static void
print_arenas(const struct module *m, FILE *out)
{
	uint64_t sum = 0;

	fputs("  \"arenas\": {", out);
	for (int i = 0; i < ARENA_WORK; i++) {
		fprintf(out, "\"%s\": %" PRIu64 ", ", arena_name[i],
		    m->arena_size[i]);
		sum += m->arena_size[i];
	}
	fprintf(out, "\"total\": %" PRIu64 ", \"not_in_total\": \"%s: "
	    "the trainer sizes it by its threads\"},\n", sum,
	    arena_name[ARENA_WORK]);
}

static void
print_slots(const struct module *m, FILE *out)
{
	fputs("  \"slots\": [", out);
	for (int i = 0; i < m->nslot; i++) {
		const struct slot *s = &m->slot[i];

		fprintf(out, "%s\n    {\"name\": \"%s\", \"arena\": \"%s\", "
		    "\"offset\": %" PRIu64 ", \"size\": %" PRIu64
		    ", \"count\": %u, \"stride\": %" PRIu64 "}",
		    i ? "," : "", s->name, arena_name[s->arena], s->offset,
		    s->size, s->count, s->stride);
	}
	fputs("\n  ]\n", out);
}

int
codegen_plan(struct module *m, FILE *out)
{
	double model, hardware;

	flops_of_step(m, &model, &hardware);
	fprintf(out, "{\n  \"model\": \"%s\",\n  \"parameters\": %" PRIu64
	    ",\n  \"flops_step\": %.17g,\n  \"flops_hardware\": %.17g,\n",
	    m->name, codegen_parameters(m), model, hardware);
	print_dims(m, out);
	print_arenas(m, out);
	print_slots(m, out);
	fputs("}\n", out);
	return 0;
}
