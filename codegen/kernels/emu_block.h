/*
 * A block of threads on one OS thread: its state, its scheduler, the launch
 * of a grid.
 *
 * Every CUDA thread is a fiber that runs until it has to wait.  The blocks of
 * a grid run one after the other.  What is asynchronous on a GPU may happen
 * here as early as allowed, as late as allowed, or at random:
 *
 *	EAGER   copies and products when they are issued; blocks in order
 *	LAZY    cp.async and wgmma at the wait for them, TMA copies only when
 *	        nothing else can run; blocks in opposite order
 *	RANDOM  any time between, warps and blocks in random order (seed)
 *
 * Meanwhile the destination holds NaNs, so that a missing wait shows as a
 * wrong result.  With `race` the order of accesses to shared memory is
 * checked too (emu_race.h).  Always checked: bounds and alignment of shared
 * memory, divergence in warp-wide functions, arrivals at barriers, deadlock,
 * copies under way at the end.  What is found is printed and ends the process
 * with status 3.
 *
 * The environment sets LOONG_EMU_MODE (eager, the default, lazy, random),
 * LOONG_EMU_RACE (1) and LOONG_EMU_SEED; lk_emu_control does it from a test.
 *
 * Several OS threads may launch at once.  Each keeps its stacks and its shared
 * memory for the next launch.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <utility>
#include <vector>

typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef long long i64;

struct dim3 {
	unsigned x = 1, y = 1, z = 1;
};

/* Where a primitive was called: the last parameter of each, by default. */
#define LK_AT int line = __builtin_LINE()

namespace emu {

enum Mode { EAGER, LAZY, RANDOM };

struct Options {
	Mode mode = EAGER;
	bool race = false;
	u64 seed = 1;
};

inline Options
options_of_environment()
{
	Options o;
	const char *mode = getenv("LOONG_EMU_MODE");
	const char *race = getenv("LOONG_EMU_RACE");
	const char *seed = getenv("LOONG_EMU_SEED");

	if (mode && !strcmp(mode, "lazy"))
		o.mode = LAZY;
	else if (mode && !strcmp(mode, "random"))
		o.mode = RANDOM;
	o.race = race && *race == '1';
	if (seed)
		o.seed = strtoull(seed, nullptr, 10);
	return o;
}

inline Options options = options_of_environment();

/* ---- what a thread waits for ---- */

/* Operations of a thread or a warpgroup that are done in the order they were
 * issued, some at each wait: op i belongs to group op[i].group. */
template <class Op> class Groups
{
	struct Entry {
		Op op;
		u32 group;
	};
	std::vector<Entry> queue;
	size_t head = 0;
	u32 committed = 0;

public:
	void add(const Op &op) { queue.push_back({op, committed}); }
	void commit() { committed++; }
	bool empty() const { return head == queue.size(); }
	void clear() { queue.clear(); head = 0; committed = 0; }
	/* Does what is older than the last n groups. */
	template <class F> void wait(u32 n, F run)
	{
		while (head < queue.size() &&
		    queue[head].group + n < committed)
			run(queue[head++].op);
		if (empty()) {
			queue.clear();
			head = 0;
		}
	}
};

struct AsyncCopy { /* cp.async */
	u32 to;
	const void *from; /* 16 bytes; NULL: zeros */
};

struct BulkOut { /* shared to global memory, in bulk */
	void *to;
	u32 from;
	int bytes;
	bool add; /* f32 += */
};

enum State { RUNNING, IN_WARP, AT_BARRIER, AT_MBARRIER, DONE };

struct Thread {
	Context context;
	dim3 tid;
	int id, lane, warp;
	State state;
	const char *what;          /* it waits for, and where */
	int line;
	u32 mbarrier, parity;
	Groups<AsyncCopy> copies;
	Groups<BulkOut> out;
};

/* A meeting of the lanes of a warp. */
struct Meeting {
	const char *op;
	u32 here = 0;
	void *slot[32];
};

struct Warpgroup; /* emu_wgmma.h */
struct Races;     /* emu_race.h */

struct Barrier {
	int here = 0;
	std::vector<Thread *> waiting;
};

enum { BARRIERS = 16, WARPS_MAX = 32, THREADS_MAX = 1024 };
constexpr u32 SHARED_BASE = 1024; /* address 0 is never right */

struct Block {
	dim3 id, threads, grid;
	Context scheduler;
	std::vector<Thread> thread;
	std::vector<Meeting> warp;
	Barrier barrier[BARRIERS];
	std::vector<Warpgroup> group;
	/* TMA and bulk copies that have not happened yet. */
	std::vector<std::function<void()>> later;
	Races *races = nullptr;
	std::function<void()> body;
	size_t ended;              /* threads */
	u64 random;
	char *shared = nullptr, *stacks = nullptr;
	u32 shared_size = 0;
	size_t shared_room = 0, stacks_room = 0;

	Block();
	~Block();
};

#ifdef EMU_ASAN
constexpr size_t STACK = 256 << 10;
#else
constexpr size_t STACK = 64 << 10;
#endif

inline thread_local Block *block; /* of this OS thread; see launch */
inline thread_local Thread *self;

/* Not by stderr, whose buffer may be more than a fiber's stack has left. */
template <class... T> inline void
say(const char *format, T... values)
{
	static thread_local char text[400];
	int n = snprintf(text, sizeof text, format, values...);

	if (write(STDERR_FILENO, text, n < (int)sizeof text ? (size_t)n :
	    sizeof text - 1) < 0)
		return;
}

[[noreturn]] inline void
die(const char *what, const char *more = "", int line = 0)
{
	int shown = 0;

	fflush(stdout);
	say("emu: %s %s (line %d) block (%u, %u, %u) thread %d\n", what, more,
	    line, block->id.x, block->id.y, block->id.z, self ? self->id : -1);
	for (const Thread &t : block->thread)
		if (t.state != RUNNING && t.state != DONE && t.lane == 0 &&
		    shown++ < WARPS_MAX)
			say("emu: warp %d waits in %s line %d\n", t.warp,
			    t.what, t.line);
	_Exit(3);
}

inline u64
random_number() /* xorshift64 */
{
	u64 &x = block->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* A thread that waits has used its stack; below it lies another's.  Not
 * inlined: its frame is the end of what is used. */
__attribute__((noinline)) inline void
check_stack(int line)
{
	const char *low = block->stacks + (size_t)self->id * STACK;

	if ((const char *)__builtin_frame_address(0) < low + STACK / 8)
		die("a thread's variables do not fit its stack", "", line);
}

/*
 * This thread stops; the next one of its warp that can goes on, or else the
 * scheduler.  (To go by way of the scheduler every time would double the
 * number of switches, which is what the emulator spends most time with.)
 */
inline void
leave()
{
	Thread *from = self, *end = &block->thread[0] + block->thread.size();
	Thread *to = self + 1;

	while (to < end && to->lane != 0 && to->state != RUNNING)
		to++;
	if (to < end && to->lane != 0) {
		self = to;
		fiber_switch(from->context, to->context);
	} else {
		fiber_switch(from->context, block->scheduler);
	}
}

inline void
wait_as(State state, const char *what, int line)
{
	check_stack(line);
	self->state = state;
	self->what = what;
	self->line = line;
	leave();
}

/* n bytes of shared memory at an address that is a multiple of align. */
inline char *
shared_at(u32 s, u32 n, u32 align, int line)
{
	if (s < SHARED_BASE || s - SHARED_BASE + n > block->shared_size)
		die("shared memory access out of bounds", "", line);
	if (s % align)
		die("shared memory address not aligned", "", line);
	return block->shared + s - SHARED_BASE;
}

/*
 * The lanes of a warp meet: each deposits a pointer, the last to come runs
 * act(slots) for all.
 */
template <class F> inline void
meet(const char *op, void *slot, F act, int line)
{
	Meeting &m = block->warp[(size_t)self->warp];

	if (!m.here)
		m.op = op;
	else if (m.op != op && strcmp(m.op, op))
		die("warp divergence: lanes in different operations:", op, line);
	m.slot[self->lane] = slot;
	m.here |= 1u << self->lane;
	if (m.here != ~0u) {
		wait_as(IN_WARP, op, line);
		return;
	}
	act(m.slot);
	m.here = 0;
	for (Thread *t = self - self->lane, *end = t + 32; t < end; t++)
		if (t != self)
			t->state = RUNNING;
}

/* ---- the scheduler ---- */

bool mbarrier_passed(Thread &);                     /* emu_copy.h */
void races_begin();                                 /* emu_race.h */
void groups_begin();                                /* emu_wgmma.h */

inline void
thread_main()
{
	block->body();
	if (!self->out.empty())
		die("thread ended with a bulk copy not waited for");
	if (!self->copies.empty())
		die("thread ended with a cp.async not waited for");
	self->state = DONE;
	block->ended++;
	leave();
	abort();
}

inline bool
can_run(Thread &t)
{
	if (t.state == AT_MBARRIER && mbarrier_passed(t))
		t.state = RUNNING;
	return t.state == RUNNING;
}

inline void
threads_begin()
{
	for (Barrier &b : block->barrier)
		b.here = 0; /* a block may end with arrivals nobody awaits */
	for (size_t i = 0; i < block->thread.size(); i++) {
		Thread &t = block->thread[i];

		t.id = (int)i;
		t.lane = t.id % 32;
		t.warp = t.id / 32;
		t.tid = {(unsigned)i, 0, 0};
		t.state = RUNNING;
		t.copies.clear();
		t.out.clear();
		fiber_start(t.context, block->stacks + i * STACK, STACK,
		    thread_main);
	}
}

/* Runs the threads of a warp that can; some run one after the other before
 * they come back here. */
inline bool
run_warp(int w)
{
	size_t i = (size_t)w * 32, n = block->thread.size();
	size_t end = i + 32 < n ? i + 32 : n;
	bool progress = false;

	while (i < end) {
		Thread *t = &block->thread[i++];

		if (!can_run(*t))
			continue;
		self = t;
		fiber_switch(block->scheduler, t->context);
		i = (size_t)self->id + 1;
		progress = true;
	}
	self = nullptr;
	return progress;
}

/* One copy that is under way happens, if it is its time. */
inline bool
copy_later(bool idle)
{
	size_t i = 0;

	if (block->later.empty() ||
	    (!idle && (options.mode != RANDOM || random_number() % 2)))
		return false;
	if (options.mode == RANDOM)
		i = random_number() % block->later.size();
	auto copy = std::move(block->later[i]);
	block->later.erase(block->later.begin() + (long)i);
	copy();
	return true;
}

inline void
shuffle(std::vector<int> &order)
{
	for (size_t i = order.size(); i > 1; i--)
		std::swap(order[i - 1], order[random_number() % i]);
}

inline void
block_run()
{
	static thread_local std::vector<int> order;

	block->ended = 0;
	threads_begin();
	groups_begin();
	races_begin();
	memset(block->shared, 0xff, block->shared_size); /* NaNs */
	order.resize(block->warp.size());
	for (size_t i = 0; i < order.size(); i++)
		order[i] = (int)i;
	while (block->ended < block->thread.size()) {
		bool progress = false;

		if (options.mode == RANDOM)
			shuffle(order);
		for (int w : order)
			if (options.mode == RANDOM && random_number() % 4 == 0)
				progress = true; /* it will, later */
			else
				progress |= run_warp(w);
		progress |= copy_later(!progress);
		if (!progress && block->ended < block->thread.size())
			die("deadlock");
	}
	if (!block->later.empty())
		die("kernel ended with a bulk copy in flight");
}

/* ---- the launch ---- */

inline void
block_prepare(unsigned threads, u32 shared)
{
	if (threads == 0 || threads > THREADS_MAX)
		die("threads of a block: 1 to 1024");
	if (block->stacks_room < threads * STACK) {
		if (block->stacks)
			munmap(block->stacks, block->stacks_room);
		block->stacks_room = threads * STACK;
		block->stacks = (char *)mmap(nullptr, block->stacks_room,
		    PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (block->stacks == MAP_FAILED)
			die("no memory for the stacks");
	}
	fiber_clean(block->stacks, block->stacks_room);
	if (block->shared_room < shared + 1024u) {
		free(block->shared);
		block->shared_room = (shared + 2047u) & ~1023u;
		block->shared = (char *)aligned_alloc(1024, block->shared_room);
		if (!block->shared)
			die("no shared memory");
	}
	block->shared_size = shared;
	block->thread.resize(threads);
	block->warp.resize((threads + 31) / 32);
	block->threads = {threads, 1, 1};
}

/* The number of the i-th block to run. */
inline u64
block_number(u64 i, u64 blocks)
{
	/* odd and no factor in common: all numbers, in a mixed order */
	static const u64 prime[] = {2654435761u, 40503u};

	switch (options.mode) {
	case LAZY:
		return blocks - 1 - i;
	case RANDOM:
		for (u64 p : prime)
			if (blocks % p)
				return (i * p + options.seed) % blocks;
		return i;
	default:
		return i;
	}
}

inline void
launch(const unsigned grid[3], unsigned threads, unsigned shared,
    std::function<void()> body)
{
	static thread_local Block kept;
	u64 blocks = (u64)grid[0] * grid[1] * grid[2];

	block = &kept;
	block_prepare(threads, shared);
	block->grid = {grid[0], grid[1], grid[2]};
	block->body = std::move(body);
	for (u64 i = 0; i < blocks; i++) {
		u64 n = block_number(i, blocks);

		block->id = {(unsigned)(n % grid[0]),
		    (unsigned)(n / grid[0] % grid[1]),
		    (unsigned)(n / grid[0] / grid[1])};
		block->random =
		    options.seed * 0x9e3779b97f4a7c15u + n * 7919 + 1;
		block_run();
	}
}

} // namespace emu

/* For tests and runtimes written in C: 0 eager, 1 lazy, 2 random. */
extern "C" __attribute__((used)) inline void
lk_emu_control(int mode, int race, unsigned long long seed)
{
	emu::options.mode = (emu::Mode)mode;
	emu::options.race = race != 0;
	emu::options.seed = seed;
}
