/* The counter itself, compiled without: it would call itself. */
#include "config.h"

#include "tests/linear/steps.h"

static uint64_t taken;

void __sanitizer_cov_trace_pc(void);

void
__sanitizer_cov_trace_pc(void)
{
	taken++;
}

uint64_t
steps(void)
{
	return taken;
}
