/* From a module in stage e to a trainer, or to a part of it. */
#ifndef LOONG_DRIVER_TRAINER_H
#define LOONG_DRIVER_TRAINER_H

#include <stdio.h>

#include "driver/options.h"
#include "driver/output.h"
#include "driver/times.h"
#include "ir/ir.h"

/* The program itself, at w->temp. */
bool trainer_link(struct module *m, const struct options *o,
    struct times *times, struct output *w);

/* Is a source or kernels what --emit asks for?  Writes it. */
bool trainer_emits(const struct options *o);
bool trainer_print(struct module *m, const struct options *o,
    struct times *times, FILE *out);

#endif
