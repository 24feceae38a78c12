/*
 * The timeline as JSON, in the format "Trace Event" that Perfetto and
 * chrome://tracing read: https://docs.google.com/document/d/
 * 1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.  A rank is a process there, a
 * track a thread.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/comm/world.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"
#include "runtime/metrics/jsonl.h"
#include "runtime/trace/trace.h"

/* Whole lines travel to rank 0 in pieces of so many bytes. */
enum { PIECE = 1 << 16 };

/* ---- a rank's lines ---- */

static int64_t
ns(double seconds)
{
	return seconds > 0 ? (int64_t)(seconds * 1e9 + 0.5) : 0;
}

static void
put_us(FILE *f, const char *key, int64_t t)
{
	fprintf(f, ",\"%s\":%" PRId64 ".%03" PRId64, key, t / 1000, t % 1000);
}

static int
by_track(const void *a, const void *b)
{
	const struct lt_span *x = a, *y = b;

	if (x->track != y->track)
		return x->track < y->track ? -1 : 1;
	if (ns(x->from) != ns(y->from))
		return ns(x->from) < ns(y->from) ? -1 : 1;
	return ns(x->to) > ns(y->to) ? -1 : ns(x->to) < ns(y->to);
}

static void
put_name(FILE *f, const struct lt_span *s)
{
	char index[24] = "", text[256];

	if (s->index >= 0)
		snprintf(index, sizeof index, " %" PRId64, s->index);
	snprintf(text, sizeof text, "%s%s", s->name, index);
	lt_jsonl_text(f, text);
}

static void
put_span(FILE *f, int rank, const struct lt_span *s, int64_t from, int64_t to)
{
	fputs("{\"name\":", f);
	put_name(f, s);
	fprintf(f, ",\"ph\":\"X\",\"pid\":%d,\"tid\":%" PRIu32, rank,
	    s->track + 1);
	put_us(f, "ts", from);
	put_us(f, "dur", to - from);
	fprintf(f, ",\"args\":{\"step\":%" PRId32, s->step);
	if (s->source && s->source != s->name) {
		fputs(",\"source\":", f);
		lt_jsonl_text(f, s->source);
	}
	if (s->bytes)
		fprintf(f, ",\"bytes\":%" PRIu64, s->bytes);
	if (*s->detail)
		fprintf(f, ",\"size\":\"%s\"", s->detail);
	fputs("}},\n", f);
}

/* {"name":"thread_name",...,"args":{"name":"lane ki"}} */
static void
put_about(FILE *f, const char *what, int rank, uint32_t track,
    const char *key, const char *value)
{
	fprintf(f, "{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%d,\"tid\":%" PRIu32
	    ",\"args\":{\"%s\":", what, rank, track + 1, key);
	if (value)
		lt_jsonl_text(f, value);
	else
		fprintf(f, "%" PRIu32, track);
	fputs("}},\n", f);
}

static void
put_track(FILE *f, const struct lt *rt, uint32_t track)
{
	static const char *const names[LT_TRACK_LANES] = {"steps", "source",
		"compute", "lane ho", "lane hi"};
	static const char *const of_lane[LT_TRACKS_OF_LANE] = {"lane",
		"exchange"};
	int i = (int)track - LT_TRACK_LANES, lane = i / LT_TRACKS_OF_LANE;
	char text[64];

	if (i < 0)
		snprintf(text, sizeof text, "%s", names[track]);
	else if (lane < rt->prog->nlane)
		snprintf(text, sizeof text, "%s %s",
		    of_lane[i % LT_TRACKS_OF_LANE], rt->prog->lane[lane]);
	else
		snprintf(text, sizeof text, "%s %d",
		    of_lane[i % LT_TRACKS_OF_LANE], lane);
	put_about(f, "thread_name", rt->rank, track, "name", text);
	put_about(f, "thread_sort_index", rt->rank, track, "sort_index",
	    NULL);
}

static void
put_rank(FILE *f, const struct lt *rt)
{
	const struct lt_program *p = rt->prog;
	char text[256];
	size_t at;

	at = (size_t)snprintf(text, sizeof text, "rank %d", rt->rank);
	for (int i = 0; i < p->naxis && at < sizeof text; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s=%d",
		    i ? " " : ": ", p->axis[i], rt->coord[i]);
	put_about(f, "process_name", rt->rank, 0, "name", text);
	fprintf(f, "{\"name\":\"process_sort_index\",\"ph\":\"M\",\"pid\":%d,"
	    "\"args\":{\"sort_index\":%d}},\n", rt->rank, rt->rank);
}

/* What begins before the one before it on its track ends begins there. */
static void
put_spans(FILE *f, const struct lt *rt, struct lt_trace *t)
{
	uint32_t track = UINT32_MAX;
	int64_t before = 0;

	qsort(t->span, t->n, sizeof *t->span, by_track);
	for (size_t i = 0; i < t->n; i++) {
		const struct lt_span *s = &t->span[i];
		int64_t from = ns(s->from), to = ns(s->to);

		if (s->open)
			continue;
		if (s->track != track) {
			put_track(f, rt, s->track);
			before = 0;
		}
		track = s->track;
		if (track != LT_TRACK_STEPS && from < before)
			from = before;
		if (to < from)
			to = from;
		put_span(f, rt->rank, s, from, to);
		before = to;
	}
}

static char *
lines_of(const struct lt *rt, struct lt_trace *t)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	put_rank(f, rt);
	put_spans(f, rt, t);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- all ranks ---- */

/* Bytes of the whole lines at s that are fewer than PIECE. */
static size_t
piece_of(const char *s)
{
	size_t n = strlen(s);

	for (n = n < PIECE ? n : PIECE - 1; n > 0 && s[n - 1] != '\n'; n--)
		continue;
	return n;
}

static void
put_head(FILE *f, const struct lt *rt, const struct lt_trace *t)
{
	fputs("{\"displayTimeUnit\":\"ms\",\"otherData\":{\"model\":", f);
	lt_jsonl_text(f, rt->prog->name);
	fputs(",\"loongc\":", f);
	lt_jsonl_text(f, rt->prog->version);
	fprintf(f, ",\"ranks\":%d,\"first_step\":%" PRId64 ",\"last_step\":%"
	    PRId64 "},\n\"traceEvents\":[\n", rt->ranks, t->first, t->last);
}

/* The last element has no comma. */
static void
put_tail(FILE *f)
{
	fputs("{\"name\":\"end\",\"ph\":\"M\",\"pid\":0,\"args\":{}}\n]}\n",
	    f);
}

/* Other ranks may never answer: what is written so far is whole, and the next
 * events take the tail's place.  A pipe has its tail at the end alone. */
static void
settle(FILE *f)
{
	long at = ftell(f);

	if (at < 0)
		return;
	put_tail(f);
	(void)fflush(f);
	(void)fseek(f, at, SEEK_SET);
}

void
lt_trace_head(const struct lt *rt, struct lt_trace *t)
{
	put_head(t->file, rt, t);
	settle(t->file);
}

/* One piece of each rank; false: nobody has any left. */
static bool
gather(struct lt *rt, struct lt_trace *t, const char **rest, char *mine,
    char *all)
{
	size_t n = piece_of(*rest);

	if (!lt_world_agree(rt, n > 0))
		return false;
	memset(mine, 0, PIECE);
	memcpy(mine, *rest, n);
	*rest += n;
	if (rt->ranks == 1)
		fputs(mine, t->file);
	else
		lt_world_gather(rt, mine, PIECE, all);
	for (int r = 0; rt->ranks > 1 && all && r < rt->ranks; r++)
		fputs(all + (size_t)r * PIECE, t->file);
	if (t->file)
		settle(t->file);
	return true;
}

static void
close_file(struct lt_trace *t, const char *path)
{
	bool bad = ferror(t->file) != 0;

	bad |= fclose(t->file) != 0;
	t->file = NULL;
	if (bad)
		lt_warn("--trace %s: cannot be written: %s", path,
		    strerror(errno));
	else
		lt_note("trace      of steps %" PRId64 " to %" PRId64 " in %s",
		    t->first, t->last, path);
}

void
lt_trace_write(struct lt *rt, struct lt_trace *t)
{
	char *text = lines_of(rt, t), *mine = malloc(PIECE), *all = NULL;
	const char *rest = text ? text : "";
	bool bad;

	if (t->file)
		all = malloc((size_t)rt->ranks * PIECE);
	bad = lt_world_agree(rt, !mine || (t->file && !all)) != 0;
	if (bad || !text || t->lost)
		lt_warn("there was no memory for all of the trace");
	while (!bad && gather(rt, t, &rest, mine, all))
		continue;
	if (t->file) {
		put_tail(t->file);
		close_file(t, rt->run->opt.trace);
	}
	free(all);
	free(mine);
	free(text);
}
