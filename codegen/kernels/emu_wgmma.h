/*
 * wgmma: products by the 128 threads of a warpgroup, which read shared memory
 * by descriptors and complete at a wait.  Layouts: lk_ptx90.h.
 */
#pragma once

namespace emu {

/* One m64nNk16. */
struct Wgmma {
	float *d[128];       /* each thread's part of D */
	const u32 *a[128];   /* A in registers, if so: read when it is used */
	u64 da, db;          /* descriptors */
	int n;
	bool ta, tb, add, registers;
};

struct Warpgroup {
	int here = 0;
	const char *op = nullptr;
	void *slot[128];
	std::vector<Thread *> waiting;
	Groups<Wgmma> products;
};

inline Block::Block() = default;
inline Block::~Block()
{
	delete races;
	free(shared);
	if (stacks)
		munmap(stacks, stacks_room);
}

inline void
groups_begin()
{
	block->group.resize(block->thread.size() / 128);
	for (Warpgroup &g : block->group)
		g.products.clear();
}

/* As meet() of emu_block.h, for a warpgroup. */
template <class F> inline void
meet_group(const char *op, void *slot, F act, int line)
{
	size_t number = (size_t)self->id / 128;

	if (number >= block->group.size())
		die("not in a whole warpgroup:", op, line);
	Warpgroup &g = block->group[number];
	if (!g.here)
		g.op = op;
	else if (g.op != op && strcmp(g.op, op))
		die("warpgroup divergence:", op, line);
	g.slot[self->id % 128] = slot;
	if (++g.here < 128) {
		g.waiting.push_back(self);
		wait_as(AT_BARRIER, op, line);
		return;
	}
	act(g);
	g.here = 0;
	for (Thread *t : g.waiting)
		t->state = RUNNING;
	g.waiting.clear();
}

/* The shared address of element (mn, k) of an operand: see lk_desc. */
inline u32
operand_at(u64 desc, int mn, int k, bool mn_major)
{
	u32 base = (u32)(desc & 0x3fff) << 4;
	u32 lbo = (u32)(desc >> 16 & 0x3fff) << 4;
	u32 sbo = (u32)(desc >> 32 & 0x3fff) << 4;
	u32 i = (u32)mn, j = (u32)k;

	return swizzle(mn_major ?
	    base + i / 64 * lbo + j / 8 * sbo + j % 8 * 128 + i % 64 * 2 :
	    base + i / 8 * sbo + i % 8 * 128 + j * 2);
}

inline float
operand(u64 desc, int mn, int k, bool mn_major, int line)
{
	u16 v;

	if (desc >> 62 != 1)
		die("only the 128-byte swizzle is emulated", "", line);
	memcpy(&v, shared_at(operand_at(desc, mn, k, mn_major), 2, 2, line), 2);
	return lk_bf(v);
}

/* Rows mn0.. of an operand are read by a warp. */
inline void
touch_operand(u64 desc, int mn0, int mn, bool mn_major, int warp, int line)
{
	Toucher t = {READ_ASYNC, warp, ALL_LANES, 0, line};

	if (mn_major)
		for (int k = 0; k < 16; k++)
			for (int i = 0; i < mn; i += 8)
				touch_as(operand_at(desc, mn0 + i, k, true),
				    16, t);
	else
		for (int i = 0; i < mn; i++)
			for (int k = 0; k < 16; k += 8)
				touch_as(operand_at(desc, mn0 + i, k, false),
				    16, t);
}

inline void
touch_operands(const Wgmma &p, int line)
{
	int first = self->id / 128 * 4;

	if (!options.race)
		return;
	for (int w = 0; w < 4; w++) {
		if (!p.registers)
			touch_operand(p.da, w * 16, 16, p.ta, first + w, line);
		touch_operand(p.db, 0, p.n, p.tb, first + w, line);
	}
}

/* A from the registers of the thread that has row i, column k. */
inline float
register_operand(const Wgmma &p, int i, int k)
{
	int thread = i / 16 * 32 + i % 8 * 4 + k % 8 / 2;
	u32 pair = p.a[thread][i / 8 % 2 + k / 8 * 2];

	return k % 2 ? lk_bfhi(pair) : lk_bflo(pair);
}

/* Where D[i][j] is. */
inline float &
result(const Wgmma &p, int i, int j)
{
	int thread = i / 16 * 32 + i % 8 * 4 + j % 8 / 2;

	return p.d[thread][j / 8 * 4 + i / 8 % 2 * 2 + j % 2];
}

inline void
wgmma_now(const Wgmma &p, int line)
{
	static thread_local float B[16][256];
	float row[256];

	touch_operands(p, line);
	for (int k = 0; k < 16; k++)
		for (int j = 0; j < p.n; j++)
			B[k][j] = operand(p.db, j, k, p.tb, line);
	for (int i = 0; i < 64; i++) {
		for (int j = 0; j < p.n; j++)
			row[j] = p.add ? result(p, i, j) : 0;
		for (int k = 0; k < 16; k++) {
			float x = p.registers ? register_operand(p, i, k) :
			    operand(p.da, i, k, p.ta, line);

			for (int j = 0; j < p.n; j++)
				row[j] += x * B[k][j];
		}
		for (int j = 0; j < p.n; j++)
			result(p, i, j) = row[j];
	}
}

struct WgmmaPart {
	float *d;
	const u32 *a;
};

/* A thread's call; p has all but the threads' parts. */
inline void
wgmma(float *d, const u32 *a, Wgmma p, int line)
{
	WgmmaPart part = {d, a};

	meet_group("wgmma", &part, [&](Warpgroup &g) {
		for (int i = 0; i < 128; i++) {
			WgmmaPart *t = (WgmmaPart *)g.slot[i];

			p.d[i] = t->d;
			p.a[i] = t->a;
		}
		if (options.mode == EAGER) {
			wgmma_now(p, line);
			return;
		}
		touch_operands(p, line);
		g.products.add(p);
	}, line);
}

} // namespace emu

static inline void
lk_wg_fence(LK_AT)
{
	emu::meet("wgmma.fence", nullptr, [](void **) {}, line);
}

static inline void
lk_wg_commit(LK_AT)
{
	emu::meet_group("wgmma.commit", nullptr,
	    [](emu::Warpgroup &g) { g.products.commit(); }, line);
}

template <int N> static inline void
lk_wg_wait(LK_AT)
{
	emu::meet_group("wgmma.wait", nullptr, [=](emu::Warpgroup &g) {
		g.products.wait(N, [=](const emu::Wgmma &p) {
			emu::wgmma_now(p, line);
		});
	}, line);
}

template <int TA, int TB, int M> static inline void
lk_wgmma_sst(float (&d)[M], u64 a, u64 b, int acc, LK_AT)
{
	emu::Wgmma p;

	p.da = a;
	p.db = b;
	p.n = 2 * M;
	p.ta = TA;
	p.tb = TB;
	p.add = acc != 0;
	p.registers = false;
	emu::wgmma(d, nullptr, p, line);
}

template <int TB, int M> static inline void
lk_wgmma_ss(float (&d)[M], u64 a, u64 b, int acc, LK_AT)
{
	lk_wgmma_sst<0, TB>(d, a, b, acc, line);
}

template <int TB, int M> static inline void
lk_wgmma_rs(float (&d)[M], const u32 (&a)[4], u64 b, int acc, LK_AT)
{
	emu::Wgmma p;

	p.da = 0;
	p.db = b;
	p.n = 2 * M;
	p.ta = false;
	p.tb = TB;
	p.add = acc != 0;
	p.registers = true;
	emu::wgmma(d, a, p, line);
}

/* Registers are not counted here. */
template <int N> static inline void
lk_reg_inc()
{
}

template <int N> static inline void
lk_reg_dec()
{
}
