/* A module from a file of either kind. */
#ifndef LOONG_DRIVER_LOAD_H
#define LOONG_DRIVER_LOAD_H

#include "driver/options.h"
#include "ir/ir.h"

enum file_kind { FILE_LT, FILE_LIR, FILE_OTHER };
enum file_kind file_kind(const char *path); /* by its suffix */

/* Reads d->src, as o->file's kind says; NULL after errors, reported to d. */
struct module *load_module(
    struct arena *mem, struct diag *d, const struct options *o);

#endif
