/*
 * --emit=launch: what starts a trainer where it shall run, with the nodes,
 * ranks and devices of its plan.
 */
#ifndef LOONG_DRIVER_LAUNCH_H
#define LOONG_DRIVER_LAUNCH_H

#include <stdbool.h>
#include <stdio.h>

#include "ir/ir.h"

enum launcher { LAUNCHER_SLURM, LAUNCHER_JOBSET };

/* A batch script, or a manifest for Kubernetes; `gpus`: a device for each
 * rank.  False after a message. */
bool launch_print(const struct module *m, enum launcher launcher, bool gpus,
    FILE *out);

#endif
