/*
 * The eight tile registers of AMX: 16 rows of 64 bytes each.  A file that
 * defines LT_TILE_EMU before this gets the same operations in plain C, so
 * that code on tiles can be tested on a CPU without them.
 *
 *	T_LOAD(t, p, stride)   16 rows of 64 bytes, `stride` bytes apart
 *	T_PASS(t, p, stride)   the same of what the first cache need not keep
 *	T_STORE(t, p, stride)
 *	T_ZERO(t)
 *	T_DOT(c, a, b)         c[16][16] += a[16][32] b, f32 += bf16 bf16
 *
 * b holds pairs of k: row p is { b[2p][0], b[2p+1][0], b[2p][1], ... }.  Tile
 * numbers are literals.  T_BEGIN before the first operation of a thread and
 * T_END after its last.
 */
#ifndef LT_RUNTIME_CPU_TILE_H
#define LT_RUNTIME_CPU_TILE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef LT_TILE_EMU

static _Thread_local _Alignas(64) float lt_tile[8][16][16];

static inline void
lt_tile_load(int t, const void *p, size_t stride)
{
	for (int i = 0; i < 16; i++)
		memcpy(lt_tile[t][i], (const char *)p + i * stride, 64);
}

static inline void
lt_tile_store(int t, void *p, size_t stride)
{
	for (int i = 0; i < 16; i++)
		memcpy((char *)p + i * stride, lt_tile[t][i], 64);
}

static inline float
lt_tile_half(uint32_t pair, int which)
{
	uint32_t u = which ? pair & 0xffff0000u : pair << 16;
	float f;

	memcpy(&f, &u, 4);
	return f;
}

static inline void
lt_tile_dot(int c, int a, int b)
{
	uint32_t x[16][16], y[16][16];

	memcpy(x, lt_tile[a], sizeof(x));
	memcpy(y, lt_tile[b], sizeof(y));
	for (int p = 0; p < 16; p++)
		for (int i = 0; i < 16; i++)
			for (int j = 0; j < 16; j++) {
				float *s = &lt_tile[c][i][j];

				*s += lt_tile_half(x[i][p], 0) *
				    lt_tile_half(y[p][j], 0);
				*s += lt_tile_half(x[i][p], 1) *
				    lt_tile_half(y[p][j], 1);
			}
}

#define T_LOAD(t, p, stride) lt_tile_load(t, p, stride)
#define T_PASS(t, p, stride) lt_tile_load(t, p, stride)
#define T_STORE(t, p, stride) lt_tile_store(t, p, stride)
#define T_ZERO(t) memset(lt_tile[t], 0, sizeof(lt_tile[t]))
#define T_DOT(c, a, b) lt_tile_dot(c, a, b)
#define T_BEGIN() ((void)0)
#define T_END() ((void)0)

#elif defined(__x86_64__)

struct lt_tile_config {
	uint8_t palette, start_row, zero[14];
	uint16_t bytes[16];
	uint8_t rows[16];
};

static inline void
lt_tile_begin(void)
{
	struct lt_tile_config c = { .palette = 1 };

	for (int i = 0; i < 8; i++) {
		c.bytes[i] = 64;
		c.rows[i] = 16;
	}
	__asm__ volatile("ldtilecfg %0" : : "m"(c));
}

#define T_LOAD(t, p, stride)                                                \
	__asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t                    \
	    : : "r"(p), "r"((size_t)(stride)) : "memory")
#define T_PASS(t, p, stride)                                                \
	__asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm" #t                  \
	    : : "r"(p), "r"((size_t)(stride)) : "memory")
#define T_STORE(t, p, stride)                                               \
	__asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)"                \
	    : : "r"(p), "r"((size_t)(stride)) : "memory")
#define T_ZERO(t) __asm__ volatile("tilezero %tmm" #t)
#define T_DOT(c, a, b)                                                      \
	__asm__ volatile("tdpbf16ps %tmm" #b ", %tmm" #a ", %tmm" #c)
#define T_BEGIN() lt_tile_begin()
#define T_END() __asm__ volatile("tilerelease" : : : "memory")

#endif
#endif
