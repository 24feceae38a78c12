/* The machine a plan is for, and which ranks are neighbours on it. */
#include "config.h"

#include "plan/machine.h"

static uint64_t
ranks(const struct module *m)
{
	uint64_t n = 1;

	for (int i = 0; i < m->naxis; i++)
		n *= m->axis[i].size;
	return n;
}

struct machine
machine_of(const struct module *m)
{
	double gpus = module_number(m, "plan.gpus", 8);

	return (struct machine){
		.flops = module_number(m, "plan.flops", 400e12),
		.bandwidth = module_number(m, "plan.bandwidth", 3e12),
		.intra = module_number(m, "plan.intra", 250e9),
		.inter = module_number(m, "plan.inter", 45e9),
		.host = module_number(m, "plan.host", 25e9),
		.latency = module_number(m, "plan.latency", 10e-6),
		.gpus = gpus >= 1 ? (uint64_t)gpus : 1,
	};
}

/* Ranks between neighbours on an axis: the last axis is the minor one. */
static uint64_t
stride(const struct module *m, int axis)
{
	uint64_t n = 1;

	for (int i = axis + 1; i < m->naxis; i++)
		n *= m->axis[i].size;
	return n;
}

/*
 * Moving along an axis changes the machine unless all its ranks lie in one:
 * a run of size * stride consecutive ranks that starts at a multiple of itself.
 */
bool
machine_axis_crosses(const struct module *m, const struct machine *x,
    int axis)
{
	uint64_t run = stride(m, axis) * m->axis[axis].size;

	if (run <= x->gpus)
		return x->gpus % run != 0 && ranks(m) > x->gpus;
	return m->axis[axis].size > 1;
}

bool
machine_crosses(const struct module *m, const struct machine *x,
    const struct op *op)
{
	for (int i = 0; i < op->nhop; i++)
		if (machine_axis_crosses(m, x, op->hop[i].axis))
			return true;
	return false;
}
