/* From a file to what --emit asks for. */
#ifndef LOONG_DRIVER_COMPILE_H
#define LOONG_DRIVER_COMPILE_H

#include "driver/options.h"

/* Returns the exit code; all errors are reported. */
int driver_compile(const struct options *o);

#endif
