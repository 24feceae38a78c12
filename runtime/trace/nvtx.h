/*
 * Ranges for NVIDIA's profilers, by what NVTX 3 agrees on between a program and
 * a tool.  NVTX itself is only headers: the tool puts the path of a library of
 * its own into NVTX_INJECTION64_PATH, and that library fills in the functions
 * of a table that it is shown.  Without such a path nothing happens.
 */
#ifndef LT_RUNTIME_TRACE_NVTX_H
#define LT_RUNTIME_TRACE_NVTX_H

#include <stdint.h>

/* Ranges of one thread nest. */
struct lt_nvtx {
	int (*push)(const char *name);
	int (*pop)(void);
	void (*name_thread)(uint32_t id, const char *name);
};

/* The tool, started once in a process; NULL: there is none.  Functions that it
 * has not are there and do nothing. */
const struct lt_nvtx *lt_nvtx_open(void);

#endif
