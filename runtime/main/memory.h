/*
 * The memory of a rank: one allocation per arena, of exactly the planned
 * size, and nothing else that grows with the model.
 */
#ifndef LT_RUNTIME_MAIN_MEMORY_H
#define LT_RUNTIME_MAIN_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct lt;
struct lt_program;

/* Bytes of each arena with so many threads, and their sum. */
uint64_t lt_memory_plan(const struct lt_program *, int threads,
    uint64_t size[]);

/* Bytes of the machine, or of our part of it; 0: unknown. */
uint64_t lt_memory_installed(void);

/* LT_OK if the machine, or our part of it, is large enough for so many ranks
 * of so many threads; else LT_EXIT_CONFIG after a message. */
int lt_memory_check(const struct lt_program *, int threads, int ranks);

/* Allocates the arenas, zeroed; *bytes is what was allocated.  LT_OK, or
 * LT_EXIT_CONFIG after a message. */
int lt_memory_alloc(struct lt *rt, int threads, uint64_t *bytes);
void lt_memory_free(struct lt *rt);

/* What the process has used at most, as the kernel counts it; 0: unknown. */
uint64_t lt_memory_peak(void);

const char *lt_memory_name(int arena);

/* "12.5 MiB" in buf. */
const char *lt_memory_text(uint64_t bytes, char buf[32]);

#endif
