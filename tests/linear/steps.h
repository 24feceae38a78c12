/* Basic blocks run by what is compiled with -fsanitize-coverage=trace-pc. */
#ifndef LOONG_TESTS_STEPS_H
#define LOONG_TESTS_STEPS_H

#include <stdint.h>

uint64_t steps(void); /* so far */

#endif
