/*
 * The learning rate of a step, as the recipe says.
 *
 *	warmup     linear from lr / warmup to lr in steps 1..warmup
 *	constant   lr
 *	cosine     half a cosine from lr to lr_min, which the last step has
 *	wsd        lr, then lr_min + (lr - lr_min) (1 - sqrt x) over the last
 *	           decay_fraction of the steps, x from 0 to 1 (Hagele et al.
 *	           2024, "Scaling laws and compute-optimal training beyond
 *	           fixed training durations")
 */
#ifndef LT_RUNTIME_MAIN_SCHEDULE_H
#define LT_RUNTIME_MAIN_SCHEDULE_H

#include <stdint.h>

struct lt_recipe;

/* step from 1; beyond `steps` the last value stays. */
double lt_schedule_lr(const struct lt_recipe *, int64_t steps, int64_t step);

const char *lt_schedule_name(const struct lt_recipe *);

#endif
