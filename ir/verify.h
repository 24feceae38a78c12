/* Inside of module_verify: what does not need a walk over functions. */
#ifndef LOONG_IR_VERIFY_H
#define LOONG_IR_VERIFY_H

#include "ir/rules.h"

/* Limits of everything we accept; more would not fit any machine. */
#define MAX_DIM_SIZE   ((uint64_t)1 << 40)
#define MAX_ELEMENTS   ((uint64_t)1 << 48)

/* Mesh, dimension sizes and bundles make sense. */
bool verify_header(struct module *m);

/* Known dims, each once; shards divide and use each mesh axis once. */
bool verify_type(struct module *m, const struct type *t, struct span at);

#endif
