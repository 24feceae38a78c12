/*
 * Warp-wide operations, barriers, and reads and writes of shared memory.
 * Each warp-wide operation is a meeting (emu_block.h) of structs: what a lane
 * brings and what it takes away.
 */
#pragma once

/* ---- barriers ---- */

namespace emu {

/* n threads come; those that wait go on when the last has arrived. */
inline void
arrive(int id, int n, bool wait, const char *what, int line)
{
	if (id < 0 || id >= BARRIERS)
		die("barriers are 0 to 15:", what, line);
	Barrier &b = block->barrier[id];

	b.here++;
	if (options.race)
		release(block->races->barrier[id]);
	if (b.here > n)
		die("more arrivals than the barrier counts", what, line);
	if (b.here < n) {
		if (!wait)
			return;
		b.waiting.push_back(self);
		wait_as(AT_BARRIER, what, line);
		return;
	}
	b.here = 0;
	Thread *last = self;
	if (wait)
		b.waiting.push_back(self);
	for (Thread *t : b.waiting) {
		t->state = RUNNING;
		self = t;
		if (options.race)
			acquire(block->races->barrier[id]);
	}
	self = last;
	b.waiting.clear();
	if (options.race)
		block->races->barrier[id] = Clock();
}

} // namespace emu

static inline void
lk_sync(LK_AT)
{
	emu::arrive(0, (int)emu::block->thread.size(), true, "lk_sync", line);
}

static inline void
lk_bar_sync(int id, int n, LK_AT)
{
	emu::arrive(id, n, true, "lk_bar_sync", line);
}

static inline void
lk_bar_arrive(int id, int n, LK_AT)
{
	emu::arrive(id, n, false, "lk_bar_arrive", line);
}

static inline void
lk_syncwarp(LK_AT)
{
	emu::meet("lk_syncwarp", nullptr, [](void **) {
		if (emu::options.race)
			emu::block->races->sync[emu::self->warp]++;
	}, line);
}

/* ---- exchange between lanes ---- */

namespace emu {

template <class T> struct Shuffle {
	T value, result;
	int with;
};

template <class T> inline T
shuffle_xor(T x, int mask, int line)
{
	Shuffle<T> s = {x, x, mask};

	meet("shfl.xor", &s, [](void **slot) {
		for (int i = 0; i < 32; i++) {
			Shuffle<T> *to = (Shuffle<T> *)slot[i];
			int from = (i ^ to->with) & 31;

			to->result = ((Shuffle<T> *)slot[from])->value;
		}
	}, line);
	return s.result;
}

template <class T> inline T
shuffle_from(T x, int lane, int line)
{
	Shuffle<T> s = {x, x, lane};

	meet("shfl.idx", &s, [](void **slot) {
		for (int i = 0; i < 32; i++) {
			Shuffle<T> *to = (Shuffle<T> *)slot[i];

			to->result = ((Shuffle<T> *)slot[to->with & 31])->value;
		}
	}, line);
	return s.result;
}

} // namespace emu

static inline float
lk_shfl_xor(float x, int mask, LK_AT)
{
	return emu::shuffle_xor(x, mask, line);
}

static inline int
lk_shfl_xor_i(int x, int mask, LK_AT)
{
	return emu::shuffle_xor(x, mask, line);
}

static inline float
lk_shfl(float x, int lane, LK_AT)
{
	return emu::shuffle_from(x, lane, line);
}

static inline int
lk_shfl_i(int x, int lane, LK_AT)
{
	return emu::shuffle_from(x, lane, line);
}

static inline u32
lk_ballot(bool x, LK_AT)
{
	emu::Shuffle<u32> s = {x, 0, 0};

	emu::meet("ballot", &s, [](void **slot) {
		u32 all = 0;

		for (int i = 0; i < 32; i++)
			all |= ((emu::Shuffle<u32> *)slot[i])->value << i;
		for (int i = 0; i < 32; i++)
			((emu::Shuffle<u32> *)slot[i])->result = all;
	}, line);
	return s.result;
}

/* ---- shared memory ---- */

static inline u32
lk_saddr(const void *p)
{
	return (u32)((const char *)p - emu::block->shared) + emu::SHARED_BASE;
}

template <class T> static inline T
lk_lds(u32 s, LK_AT)
{
	T v;

	memcpy(&v, emu::shared_at(s, sizeof v, sizeof v, line), sizeof v);
	emu::touch(s, sizeof v, emu::READ, line);
	return v;
}

template <class T> static inline void
lk_sts(u32 s, T v, LK_AT)
{
	emu::touch(s, sizeof v, emu::WRITE, line);
	memcpy(emu::shared_at(s, sizeof v, sizeof v, line), &v, sizeof v);
}

/* ---- global memory ---- */

namespace emu {

inline void
check_global(const void *p, int line)
{
	if ((uintptr_t)p & 15)
		die("global memory address is not a multiple of 16", "", line);
}

} // namespace emu

static inline uint4
lk_ldg16(const void *p, LK_AT)
{
	emu::check_global(p, line);
	return *(const uint4 *)p;
}

static inline float4
lk_ldg4(const float *p, LK_AT)
{
	emu::check_global(p, line);
	return *(const float4 *)p;
}

static inline void
lk_stg16(void *p, uint4 v, LK_AT)
{
	emu::check_global(p, line);
	*(uint4 *)p = v;
}

static inline void
lk_stg4(float *p, float4 v, LK_AT)
{
	emu::check_global(p, line);
	*(float4 *)p = v;
}

static inline void
lk_red_add(float *p, float v)
{
	*p += v; /* one block of a grid at a time */
}

static inline void
lk_red_add2(float *p, float x, float y)
{
	p[0] += x;
	p[1] += y;
}

/* ---- tensor cores, mma.sync ---- */

namespace emu {

struct LoadMatrix {
	u16 row[8];
	u32 r[4];
};

inline void
load_matrices(void **slot)
{
	for (int i = 0; i < 32; i++)
		for (int m = 0; m < 4; m++)
			memcpy(&((LoadMatrix *)slot[i])->r[m],
			    ((LoadMatrix *)slot[m * 8 + i / 4])->row +
			    i % 4 * 2, 4);
}

inline void
load_transposed(void **slot)
{
	for (int i = 0; i < 32; i++)
		for (int m = 0; m < 4; m++) {
			int at = m * 8 + i % 4 * 2;

			((LoadMatrix *)slot[i])->r[m] =
			    ((LoadMatrix *)slot[at])->row[i / 4] |
			    (u32)((LoadMatrix *)slot[at + 1])->row[i / 4] << 16;
		}
}

struct Product {
	float *c;
	const u32 *a;
	u32 b[2];
};

/* The fragments of m16n8k16, PTX ISA 9.7.14.5.8. */
inline void
multiply(void **slot)
{
	float A[16][16], B[16][8], C[16][8];

	for (int i = 0; i < 128; i++) { /* lane i / 4, register i % 4 */
		const Product *p = (const Product *)slot[i / 4];
		int r = i % 4, row = i / 16 + r % 2 * 8;
		int col = i / 4 % 4 * 2, k = col + r / 2 * 8;

		A[row][k] = lk_bflo(p->a[r]);
		A[row][k + 1] = lk_bfhi(p->a[r]);
		C[row][col + r / 2] = p->c[r % 2 * 2 + r / 2];
		B[k + r % 2][i / 16] = r % 2 ? lk_bfhi(p->b[r / 2]) :
		    lk_bflo(p->b[r / 2]);
	}
	for (int i = 0; i < 16; i++)
		for (int k = 0; k < 16; k++)
			for (int j = 0; j < 8; j++)
				C[i][j] += A[i][k] * B[k][j];
	for (int i = 0; i < 128; i++) {
		const Product *p = (const Product *)slot[i / 4];
		int r = i % 4;

		p->c[r] = C[i / 16 + r / 2 * 8][i / 4 % 4 * 2 + r % 2];
	}
}

} // namespace emu

static inline void
lk_ldsm4(u32 (&r)[4], u32 s, LK_AT)
{
	emu::LoadMatrix m;

	memcpy(m.row, emu::shared_at(s, 16, 16, line), 16);
	emu::touch(s, 16, emu::READ, line);
	emu::meet("ldmatrix", &m, emu::load_matrices, line);
	memcpy(r, m.r, sizeof m.r);
}

static inline void
lk_ldsm4t(u32 (&r)[4], u32 s, LK_AT)
{
	emu::LoadMatrix m;

	memcpy(m.row, emu::shared_at(s, 16, 16, line), 16);
	emu::touch(s, 16, emu::READ, line);
	emu::meet("ldmatrix.trans", &m, emu::load_transposed, line);
	memcpy(r, m.r, sizeof m.r);
}

static inline void
lk_mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1, LK_AT)
{
	emu::Product p = {c, a, {b0, b1}};

	emu::meet("mma", &p, emu::multiply, line);
}
