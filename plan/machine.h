/*
 * What a plan is priced with: one device and the links between ranks.
 *
 * Figures come from settings of the plan (plan.flops, plan.bandwidth,
 * plan.intra, plan.inter, plan.host, plan.latency; plan.gpus says how many ranks share a
 * machine), or are those of an H100-class device: dense bf16 products at 400
 * TFLOP/s, memory 3 TB/s, 250 GB/s between devices of a machine, 45 GB/s per
 * device between machines, 25 GB/s each way between a device and its host, 10
 * us a transfer.  They decide the order of work
 * and what a timeline shows, never what is computed.
 */
#ifndef LOONG_PLAN_MACHINE_H
#define LOONG_PLAN_MACHINE_H

#include "ir/ir.h"

struct machine {
	double flops;     /* per second, of products and attention */
	double bandwidth; /* bytes per second, of the device's memory */
	double intra;     /* bytes per second and rank, within a machine */
	double inter;     /* and between machines */
	double host;      /* bytes per second each way, device and host */
	double latency;   /* seconds of a transfer of nothing */
	uint64_t gpus;    /* ranks of a machine, consecutive ones */
};

struct machine machine_of(const struct module *m);

/* True if a transfer over these axes goes between machines for some rank. */
bool machine_crosses(const struct module *m, const struct machine *x,
    const struct op *op);
bool machine_axis_crosses(const struct module *m, const struct machine *x,
    int axis);

#endif
