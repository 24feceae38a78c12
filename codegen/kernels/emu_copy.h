/*
 * Copies that do not wait, and mbarriers.
 *
 * A copy is issued, poisons its destination with NaNs, and happens later: at
 * once if EAGER, as emu_block.h says otherwise.
 */
#pragma once

/* ---- cp.async: of a thread, in groups ---- */

namespace emu {

inline void
copy_now(const AsyncCopy &c, int line)
{
	char *to = shared_at(c.to, 16, 16, line);

	touch(c.to, 16, WRITE, line);
	if (c.from)
		memcpy(to, c.from, 16);
	else
		memset(to, 0, 16);
}

} // namespace emu

static inline void
lk_cpasync16(u32 s, const void *g, bool ok, LK_AT)
{
	emu::AsyncCopy c = {s, ok ? g : nullptr};

	emu::check_global(g, line);
	if (emu::options.mode == emu::EAGER) {
		emu::copy_now(c, line);
		return;
	}
	emu::touch(s, 16, emu::WRITE, line);
	memset(emu::shared_at(s, 16, 16, line), 0xff, 16);
	emu::self->copies.add(c);
}

static inline void
lk_cpasync_commit()
{
	emu::self->copies.commit();
}

template <int N> static inline void
lk_cpasync_wait(LK_AT)
{
	emu::self->copies.wait(N, [=](const emu::AsyncCopy &c) {
		emu::copy_now(c, line);
	});
}

/* ---- mbarriers: 8 bytes of shared memory, here with fields of our own ---- */

namespace emu {

struct Mbarrier {
	u64 phase : 1, pending : 20, count : 20; /* arrivals: to come, of all */
	i64 bytes : 23;                          /* to come, of copies */
};
static_assert(sizeof(Mbarrier) == 8, "a mbarrier is 8 bytes");

inline Mbarrier *
mbarrier_at(u32 s, int line)
{
	return (Mbarrier *)shared_at(s, 8, 8, line);
}

/* For this thread, which must know that it has been initialised. */
inline Mbarrier *
mbarrier_used(u32 s, int line)
{
	touch(s, 8, READ, line);
	return mbarrier_at(s, line);
}

inline void
mbarrier_complete(Mbarrier *m, u32 s)
{
	if (m->pending || m->bytes)
		return;
	m->phase ^= 1;
	m->pending = m->count;
	if (options.race) {
		MbarrierClocks &c = mbarrier_clocks(s);

		c.done.join(c.pending);
	}
}

/* So many bytes of a copy have landed. */
inline void
mbarrier_landed(u32 s, int bytes, int line)
{
	Mbarrier *m = mbarrier_at(s, line);

	m->bytes -= bytes;
	if (options.race)
		mbarrier_clocks(s).pending.c[mbarrier_agent(s)]++;
	mbarrier_complete(m, s);
}

inline void
mbarrier_arrive(u32 s, int bytes, int line)
{
	Mbarrier *m = mbarrier_used(s, line);

	if (!m->pending)
		die("mbarrier: more arrivals than its count", "", line);
	m->bytes += bytes;
	m->pending--;
	if (options.race)
		release(mbarrier_clocks(s).pending);
	mbarrier_complete(m, s);
}

inline bool
mbarrier_passed(Thread &t)
{
	return mbarrier_at(t.mbarrier, t.line)->phase != t.parity;
}

} // namespace emu

static inline void
lk_mbar_init(u32 bar, int count, LK_AT)
{
	emu::Mbarrier *m = emu::mbarrier_at(bar, line);

	emu::touch(bar, 8, emu::WRITE, line);
	m->phase = 0;
	m->pending = m->count = (unsigned)count & 0xfffff;
	m->bytes = 0;
}

static inline void
lk_mbar_fence_init()
{
}

static inline void
lk_mbar_expect(u32 bar, int bytes, LK_AT)
{
	emu::mbarrier_arrive(bar, bytes, line);
}

static inline void
lk_mbar_arrive(u32 bar, LK_AT)
{
	emu::mbarrier_arrive(bar, 0, line);
}

static inline void
lk_mbar_wait(u32 bar, u32 parity, LK_AT)
{
	if (emu::mbarrier_used(bar, line)->phase == parity) {
		emu::self->mbarrier = bar;
		emu::self->parity = parity;
		emu::wait_as(emu::AT_MBARRIER, "lk_mbar_wait", line);
	}
	if (emu::options.race)
		emu::acquire(emu::mbarrier_clocks(bar).done);
}

static inline void
lk_fence_proxy()
{
	if (emu::options.race) {
		int w = emu::self->warp;

		emu::block->races->fenced[w] =
		    emu::block->races->clock[w].c[w]++;
	}
}

/* ---- copies in bulk to shared memory ---- */

namespace emu {

/* copy() writes n bytes at s, then they count at the mbarrier. */
inline void
bulk_issue(u32 s, u32 n, u32 align, u32 bar, std::function<void()> copy,
    int line)
{
	char *to = shared_at(s, n, align, line);

	if (options.race)
		touch_as(s, n, {WRITE_COPY, self->warp, ALL_LANES,
		    mbarrier_agent(bar), line});
	memset(to, 0xff, n);
	auto land = [=] {
		copy();
		mbarrier_landed(bar, (int)n, line);
	};
	if (options.mode == EAGER ||
	    (options.mode == RANDOM && random_number() % 3 == 0))
		land();
	else
		block->later.push_back(land);
}

/* A 128-byte swizzle exchanges 16-byte chunks of a row of 128 bytes. */
inline u32
swizzle(u32 s)
{
	return s ^ (s >> 7 & 7) << 4;
}

/* Element (c + i) of the tensor, bf16; outside it is zero. */
inline u16
tensor_at(const lk_emu_tmap &m, const int c[5], const int i[5])
{
	long long at = 0;

	for (int d = 0; d < m.rank; d++) {
		int x = c[d] + i[d];

		if (x < 0 || x >= m.size[d])
			return 0;
		at += x * m.stride[d];
	}
	return ((const u16 *)m.base)[at];
}

inline void
tensor_copy(const lk_emu_tmap &m, const int c[5], u32 s, u32 bytes, int line)
{
	int i[5] = {};

	for (u32 o = 0; o < bytes; o += 2) {
		u32 to = m.swizzle ? swizzle(s + o) : s + o;
		u16 v = tensor_at(m, c, i);

		memcpy(shared_at(to, 2, 2, line), &v, 2);
		for (int d = 0; d < m.rank && ++i[d] == m.box[d]; d++)
			i[d] = 0;
	}
}

} // namespace emu

static inline void
lk_tma_ld4(u32 s, const lk_tmap *map, u32 bar, int c0, int c1, int c2, int c3,
    LK_AT)
{
	struct { int c[5]; } at = {{c0, c1, c2, c3, 0}};
	lk_emu_tmap m;
	u32 bytes = 2;

	memcpy(&m, map, sizeof m);
	if (m.rank != 4)
		emu::die("lk_tma_ld4 of a tensor of another rank", "", line);
	for (int d = 0; d < m.rank; d++)
		bytes *= (u32)m.box[d];
	emu::bulk_issue(s, bytes, m.swizzle ? 1024 : 128, bar, [=] {
		emu::tensor_copy(m, at.c, s, bytes, line);
	}, line);
}

static inline void
lk_bulk_ld(u32 s, const void *g, int bytes, u32 bar, LK_AT)
{
	emu::check_global(g, line);
	if (bytes & 15)
		emu::die("bulk copy not of multiples of 16 bytes", "", line);
	emu::bulk_issue(s, (u32)bytes, 16, bar, [=] {
		memcpy(emu::shared_at(s, (u32)bytes, 16, line), g,
		    (size_t)bytes);
	}, line);
}

/* ---- from shared to global memory, in groups of the thread ---- */

namespace emu {

inline void
bulk_out_now(const BulkOut &o, int line)
{
	const char *from = shared_at(o.from, (u32)o.bytes, 16, line);

	touch(o.from, (u32)o.bytes, READ_ASYNC, line);
	if (!o.add) {
		memcpy(o.to, from, (size_t)o.bytes);
		return;
	}
	for (int i = 0; i < o.bytes / 4; i++)
		((float *)o.to)[i] += ((const float *)from)[i];
}

inline void
bulk_out(const BulkOut &o, int line)
{
	check_global(o.to, line);
	if (o.bytes & 15)
		die("bulk copy not of multiples of 16 bytes", "", line);
	if (options.mode == EAGER) {
		bulk_out_now(o, line);
		return;
	}
	shared_at(o.from, (u32)o.bytes, 16, line);
	touch(o.from, (u32)o.bytes, READ_ASYNC, line);
	self->out.add(o);
}

} // namespace emu

static inline void
lk_bulk_red_add(float *g, u32 s, int bytes, LK_AT)
{
	emu::bulk_out({g, s, bytes, true}, line);
}

static inline void
lk_bulk_st(void *g, u32 s, int bytes, LK_AT)
{
	emu::bulk_out({g, s, bytes, false}, line);
}

static inline void
lk_bulk_commit()
{
	emu::self->out.commit();
}

template <int N> static inline void
lk_bulk_wait_read(LK_AT)
{
	emu::self->out.wait(N, [=](const emu::BulkOut &o) {
		emu::bulk_out_now(o, line);
	});
}

template <int N> static inline void
lk_bulk_wait(LK_AT)
{
	lk_bulk_wait_read<N>(line);
}
