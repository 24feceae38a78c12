/* The plan as JSON, for people, launchers and tests. */
#include "config.h"

#include <inttypes.h>

#include "codegen/codegen.h"
#include "codegen/emit.h"
#include "codegen/traffic.h"
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
print_mesh(const struct module *m, FILE *out)
{
	uint64_t ranks = 1;

	fputs("  \"mesh\": {", out);
	for (int i = 0; i < m->naxis; i++) {
		fprintf(out, "%s\"%s\": %u", i ? ", " : "", m->axis[i].name,
		    m->axis[i].size);
		ranks *= m->axis[i].size;
	}
	fprintf(out, "},\n  \"ranks\": %" PRIu64 ",\n", ranks);
}

/* Axes of an op, one string: "co,ci". */
static void
print_axes(const struct module *m, const struct op *op, FILE *out)
{
	for (int i = 0; i < op->nhop; i++)
		fprintf(out, "%s%s", i ? "," : "",
		    m->axis[op->hop[i].axis].name);
}

/* Bytes are what one rank sends in one call, calls those of a step. */
static void
print_communication(const struct module *m, FILE *out)
{
	int n;
	const struct traffic *t = traffic_of_step(m, &n);

	fputs("  \"communication\": [", out);
	for (int i = 0; i < n; i++) {
		const struct op *op = t[i].op;

		fprintf(out, "%s\n    {\"fn\": \"%s\", \"result\": \"%s\", "
		    "\"op\": \"%s\", \"axes\": \"", i ? "," : "",
		    t[i].f->name, op->has_target ? op->target.b->name :
		    op->out[0]->name, op_info[op->code].name);
		print_axes(m, op, out);
		fprintf(out, "\", \"lane\": \"%s\", \"bytes\": %" PRIu64
		    ", \"calls\": %" PRIu64 "}", lane_name[op->lane],
		    t[i].bytes, t[i].calls);
	}
	fputs(n ? "\n  ],\n" : "],\n", out);
}

static void
print_decisions(const struct module *m, FILE *out)
{
	const char *sep = "  \"decisions\": {";

	for (int i = 0; i < m->nset; i++) {
		if (!setting_is_decision(&m->set[i]))
			continue;
		fprintf(out, "%s\n    \"%s\": \"%s\"", sep, m->set[i].key,
		    m->set[i].text);
		sep = ",";
	}
	if (*sep == ',')
		fputs("\n  },\n", out);
}

/* Bytes of one call, to the host (lane ho) and from it (hi). */
static void
print_copies(const struct module *m, FILE *out)
{
	int n;
	const struct traffic *t = copies_of_step(m, &n);

	for (int i = 0; i < n; i++)
		fprintf(out, "%s\n    {\"fn\": \"%s\", \"result\": \"%s\", "
		    "\"op\": \"%s\", \"lane\": \"%s\", \"bytes\": %" PRIu64
		    ", \"calls\": %" PRIu64 "}", i ? "," : "  \"copies\": [",
		    t[i].f->name, t[i].op->out[0]->name,
		    op_info[t[i].op->code].name, lane_name[t[i].op->lane],
		    t[i].bytes, t[i].calls);
	fputs(n ? "\n  ],\n" : "", out);
}

/* Of one rank; the total is the device's. */
static void
print_arenas(const struct module *m, FILE *out)
{
	uint64_t sum = 0;

	fputs("  \"arenas\": {", out);
	for (int i = 0; i < ARENA_WORK; i++) {
		fprintf(out, "\"%s\": %" PRIu64 ", ", arena_name[i],
		    m->arena_size[i]);
		sum += i == ARENA_HOST ? 0 : m->arena_size[i];
	}
	fprintf(out, "\"total\": %" PRIu64 ", \"not_in_total\": \"%s%s: "
	    "the trainer sizes it by its threads\"},\n", sum,
	    m->arena_size[ARENA_HOST] ? "host; " : "", arena_name[ARENA_WORK]);
}

/* Bundles of which each rank has a block of every layer. */
static void
print_images(const struct module *m, FILE *out)
{
	const char *sep = "";

	for (int i = 0; i < m->nbundle; i++) {
		const struct bundle *b = m->bundle[i];

		if (!bundle_is_image(m, b))
			continue;
		fprintf(out, "%s\n    {\"name\": \"%s\", \"role\": \"%s\", "
		    "\"image\": %" PRIu64 ", \"block\": %" PRIu64
		    ", \"axes\": [", *sep ? sep : "  \"images\": [", b->name,
		    bundle_role_name[b->role], bundle_image(m, b),
		    bundle_block(m, b, &b->flat));
		for (int j = 0; j < b->flat.n; j++)
			fprintf(out, "%s\"%s\"", j ? ", " : "",
			    m->axis[b->flat.axis[j]].name);
		fputs("]}", out);
		sep = ",";
	}
	if (*sep)
		fputs("\n  ],\n", out);
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
	print_mesh(m, out);
	print_decisions(m, out);
	print_communication(m, out);
	print_copies(m, out);
	print_arenas(m, out);
	print_images(m, out);
	print_slots(m, out);
	fputs("}\n", out);
	return 0;
}
