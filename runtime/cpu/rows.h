/*
 * Small kernels the generated program calls by name: embeddings, sums over
 * rows, fills.  All bit-identical for any number of threads.
 */
#ifndef LT_RUNTIME_CPU_ROWS_H
#define LT_RUNTIME_CPU_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/dtype.h"

struct lt_pool;
struct lt_runs;

/* out[i] = table[index[i]], rows of `bytes` bytes. */
void lt_embed(struct lt_pool *, uint64_t n, uint64_t bytes, const void *table,
    const int32_t *index, void *out);

/* The same of rows of `width` floats, rounded to bf16. */
void lt_embed_round(struct lt_pool *, uint64_t n, uint64_t width,
    const float *table, const int32_t *index, uint16_t *out);

/* dtable[index[i]] += d[i] in the order of i; dtable f32 [rows, width]. */
void lt_embed_bwd(struct lt_pool *, uint64_t n, uint64_t rows, uint64_t width,
    enum lt_dtype type, const void *d, const int32_t *index, float *dtable);

/* out[c] = sum over blocks of part[block * stride + c], c < cols; `add`: that
 * is added to out[c]. */
void lt_colsum(struct lt_pool *, const float *part, uint64_t blocks,
    uint64_t stride, uint64_t cols, float *out, bool add);

/* y = x, or y += x; y f32, x f32 or bf16. */
void lt_accum(struct lt_pool *, uint64_t n, enum lt_dtype type, const void *x,
    float *y, bool add);

void lt_set(struct lt_pool *, float *x, float value, uint64_t n);
void lt_iota(int32_t *x, const struct lt_runs *); /* x[i] = position i */
float lt_count(uint64_t n, const int32_t *labels, int64_t ignore);

/* *out = the largest magnitude of n bf16; a NaN is larger than all others. */
void lt_amax(struct lt_pool *, uint64_t n, const uint16_t *x, float *out);

/* Cosines then sines of position * base^(-2j/d), j < d/2, per position of the
 * runs: [positions][2][d/2], from double precision angles. */
void lt_rope_table(float *table, const struct lt_runs *, uint64_t d,
    double base);

/* w16 = bf16(w), round to nearest even. */
void lt_round(struct lt_pool *, uint64_t n, const float *w, uint16_t *w16);

#endif
