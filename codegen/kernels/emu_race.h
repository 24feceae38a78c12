/*
 * The race detector: are two accesses to a word of shared memory, one of them
 * a write, ordered by synchronisation?  Not: did they happen to go well.
 *
 * Vector clocks (Lamport; Fidge; Mattern).  Agents are the warps, 0..31, and
 * the mbarriers, 32.., which stand for the copies that complete there.  An
 * agent counts its releases (arrivals at barriers); clock[w].c[x] is the last
 * release of agent x that warp w knows of.  A word remembers who wrote it
 * last and at which count, and at which count each warp read it last: warp w
 * may touch it if it knows of these.
 *
 * Lanes of one warp share a clock; between them a word written by one lane and
 * touched by another is a race unless a lk_syncwarp() or a barrier came
 * between (`sync` counts these).
 *
 * wgmma and bulk copies read shared memory by another path (the async proxy):
 * a thread that wrote must fence (lk_fence_proxy) before it releases.
 */
#pragma once

namespace emu {

enum { AGENTS = 64, NOBODY = 255, ALL_LANES = 32 };

struct Clock {
	u32 c[AGENTS] = {};

	void join(const Clock &o)
	{
		for (int i = 0; i < AGENTS; i++)
			if (o.c[i] > c[i])
				c[i] = o.c[i];
	}
};

/* How a word is touched. */
enum Access {
	READ,
	WRITE,
	READ_ASYNC, /* by wgmma or a bulk copy */
	WRITE_COPY  /* by a TMA or bulk copy; agent: its mbarrier's */
};

struct Word {
	u32 epoch = 0;           /* of another block: as if never touched */
	u32 written = 0;         /* count of the writer, 0: never */
	u32 wrote_sync = 0, read_sync = 0;
	unsigned char writer = 0, lane = 0, reader = NOBODY, reader_lane = 0;
	bool generic = false;    /* written by a thread, not by a copy */
	u32 read[WARPS_MAX] = {};
};

struct MbarrierClocks {
	u32 address;
	Clock pending, done;
};

struct Races {
	Clock clock[WARPS_MAX], barrier[BARRIERS];
	u32 fenced[WARPS_MAX], sync[WARPS_MAX];
	std::vector<MbarrierClocks> mbarrier;
	std::vector<Word> word;
	u32 epoch = 0;
};

inline void
races_begin()
{
	if (!options.race)
		return;
	if (!block->races)
		block->races = new Races;
	Races &r = *block->races;
	r.epoch++;
	if (r.word.size() < block->shared_size / 4 + 1)
		r.word.resize(block->shared_size / 4 + 1);
	for (int w = 0; w < WARPS_MAX; w++) {
		r.clock[w] = Clock();
		r.clock[w].c[w] = 1;
		r.fenced[w] = r.sync[w] = 0;
	}
	for (Clock &c : r.barrier)
		c = Clock();
	r.mbarrier.clear();
}

/* The clocks of a mbarrier, and its agent's number. */
inline int
mbarrier_agent(u32 address)
{
	std::vector<MbarrierClocks> &m = block->races->mbarrier;
	size_t i = 0;

	while (i < m.size() && m[i].address != address)
		i++;
	if (i == m.size())
		m.push_back({address, {}, {}});
	if (i >= AGENTS - WARPS_MAX)
		die("the race detector knows no more than 32 mbarriers");
	return WARPS_MAX + (int)i;
}

inline MbarrierClocks &
mbarrier_clocks(u32 address)
{
	return block->races->mbarrier[(size_t)(mbarrier_agent(address) -
	    WARPS_MAX)];
}

/* What this warp did so far is before whatever acquires `into`. */
inline void
release(Clock &into)
{
	Clock &mine = block->races->clock[self->warp];

	into.join(mine);
	mine.c[self->warp]++;
}

inline void
acquire(const Clock &from)
{
	block->races->clock[self->warp].join(from);
	block->races->sync[self->warp]++;
}

[[noreturn]] inline void
report_race(const char *what, u32 s, int warp, const char *other, int agent,
    int line)
{
	char text[200];

	snprintf(text, sizeof text,
	    "%s by warp %d at shared offset %u not ordered after %s by %s %d",
	    what, warp, s, other, agent < WARPS_MAX ? "warp" : "bulk copy",
	    agent < WARPS_MAX ? agent : agent - WARPS_MAX);
	die("RACE:", text, line);
}

struct Toucher {
	Access how;
	int warp, lane, agent, line;

	bool writes() const { return how == WRITE || how == WRITE_COPY; }
	const char *verb() const { return writes() ? "write" : "read"; }
};

inline void
check_other_warps(const Word &x, const Toucher &t, u32 s)
{
	const Races &r = *block->races;
	const Clock &known = r.clock[t.warp];

	if (x.written && x.writer != t.warp && x.written > known.c[x.writer])
		report_race(t.verb(), s, t.warp, "a write", x.writer, t.line);
	if (t.how == READ_ASYNC && x.generic && x.written > r.fenced[x.writer])
		report_race("read by wgmma or a bulk copy", s, t.warp,
		    "lk_fence_proxy() after a write", x.writer, t.line);
	for (int w = 0; t.writes() && w < WARPS_MAX; w++)
		if (w != t.warp && x.read[w] > known.c[w])
			report_race("write", s, t.warp, "a read", w, t.line);
}

inline void
check_other_lanes(const Word &x, const Toucher &t, u32 s)
{
	u32 sync = block->races->sync[t.warp];

	if (t.lane == ALL_LANES)
		return;
	if (x.written && x.writer == t.warp && x.wrote_sync == sync &&
	    x.lane != t.lane && x.lane != ALL_LANES)
		report_race(t.verb(), s, t.warp, "a write of another lane",
		    t.warp, t.line);
	if (t.writes() && x.reader == t.warp && x.read_sync == sync &&
	    x.reader_lane != t.lane)
		report_race("write", s, t.warp, "a read of another lane",
		    t.warp, t.line);
}

inline void
note(Word &x, const Toucher &t)
{
	Races &r = *block->races;

	if (t.writes()) {
		x.writer = (unsigned char)
		    (t.how == WRITE ? t.warp : t.agent);
		x.written = t.how == WRITE ? r.clock[t.warp].c[t.warp] :
		    r.mbarrier[(size_t)(t.agent - WARPS_MAX)]
		    .pending.c[t.agent] + 1;
		x.generic = t.how == WRITE;
		x.lane = (unsigned char)t.lane;
		x.wrote_sync = r.sync[t.warp];
		return;
	}
	x.read[t.warp] = r.clock[t.warp].c[t.warp];
	if (t.lane == ALL_LANES)
		return;
	bool again = x.reader == t.warp && x.read_sync == r.sync[t.warp];

	if (!again)
		x.reader_lane = (unsigned char)t.lane;
	else if (x.reader_lane != t.lane)
		x.reader_lane = ALL_LANES;
	x.reader = (unsigned char)t.warp;
	x.read_sync = r.sync[t.warp];
}

/* n bytes at shared address s are touched. */
inline void
touch_as(u32 s, u32 n, Toucher t)
{
	u32 from = (s - SHARED_BASE) / 4, to = (s - SHARED_BASE + n + 3) / 4;

	for (u32 i = from; i < to; i++) {
		Word &x = block->races->word[i];

		if (x.epoch != block->races->epoch) {
			x = Word();
			x.epoch = block->races->epoch;
		}
		check_other_warps(x, t, i * 4);
		check_other_lanes(x, t, i * 4);
		note(x, t);
	}
}

/* By the thread that runs. */
inline void
touch(u32 s, u32 n, Access how, int line)
{
	if (options.race)
		touch_as(s, n, {how, self->warp,
		    how == READ_ASYNC ? ALL_LANES : self->lane, 0, line});
}

} // namespace emu
