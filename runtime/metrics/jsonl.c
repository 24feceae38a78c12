/* The JSON log. */
#include "config.h"

#include "runtime/metrics/jsonl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "runtime/clock.h"
#include "runtime/data/data.h"
#include "runtime/loong_rt.h"
#include "runtime/main/memory.h"
#include "runtime/metrics/metrics.h"

enum { SCHEMA = 1 };

void
lt_jsonl_text(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 32 || c > 126)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

/* Nine digits carry a float over unchanged. */
static void
number(FILE *f, const char *key, double v)
{
	if (isfinite(v))
		fprintf(f, ",\"%s\":%.9g", key, v);
	else
		fprintf(f, ",\"%s\":null", key);
}

static void
begin(FILE *f, const char *event, int64_t step)
{
	fprintf(f, "{\"event\":\"%s\",\"step\":%" PRId64, event, step);
}

void
lt_jsonl_start(FILE *f, const struct lt_metrics *m)
{
	const struct lt_program *p = m->prog;

	begin(f, "start", m->first);
	fprintf(f, ",\"schema\":%d,\"time\":%lld,\"model\":", SCHEMA,
	    (long long)time(NULL));
	lt_jsonl_text(f, p->name);
	fputs(",\"loongc\":", f);
	lt_jsonl_text(f, p->version);
	fputs(",\"data\":", f);
	lt_jsonl_text(f, m->data);
	fprintf(f, ",\"program\":\"%016" PRIx64 "\",\"steps\":%" PRId64
	    ",\"tokens_per_step\":%" PRId64 ",\"parameters\":%" PRIu64
	    ",\"seed\":%" PRIu64 ",\"ranks\":%d,\"planned_bytes\":%" PRIu64,
	    p->hash,
	    m->steps, lt_data_step(p), p->parameters,
	    p->recipe.seed, m->ranks, m->planned);
	number(f, "flops_per_step", p->flops_step);
	number(f, "peak_flops", m->peak);
	fputs("}\n", f);
}

void
lt_jsonl_step(FILE *f, const struct lt_metrics *m, const struct lt *rt,
    double seconds)
{
	const struct lt_program *p = m->prog;
	double per_s = seconds > 0 ? 1 / seconds : 0;

	begin(f, "step", rt->step);
	number(f, "loss", (double)rt->loss);
	number(f, "grad_norm", (double)rt->gnorm);
	number(f, "lr", rt->lr);
	number(f, "ms", 1e3 * seconds);
	number(f, "tokens_per_second",
	    (double)(lt_data_step(p)) * per_s);
	if (m->peak > 0) {
		number(f, "mfu", p->flops_step * per_s / m->peak);
		number(f, "hfu", p->flops_hardware * per_s / m->peak);
	}
	fprintf(f, ",\"peak_bytes\":%" PRIu64 "%s}\n", lt_memory_peak(),
	    rt->skipped ? ",\"skipped\":true" : "");
}

void
lt_jsonl_eval(FILE *f, int64_t step, double nats, double tokens)
{
	begin(f, "eval", step);
	number(f, "loss", nats);
	number(f, "tokens", tokens);
	fputs("}\n", f);
}

void
lt_jsonl_save(FILE *f, int64_t step, const char *error)
{
	begin(f, "save", step);
	if (error) {
		fputs(",\"error\":", f);
		lt_jsonl_text(f, error);
	}
	fputs("}\n", f);
}

static void
traffic(FILE *f, const struct lt_traffic *t)
{
	fputs(",\"comm\":[", f);
	for (int i = 0; i < t->n; i++)
		fprintf(f, "%s{\"op\":\"%s\",\"axes\":\"%s\",\"calls\":%" PRIu64
		    ",\"bytes\":%" PRIu64 "}", i ? "," : "", t->row[i].kind,
		    t->row[i].axes, t->row[i].calls, t->row[i].bytes);
	fputc(']', f);
}

void
lt_jsonl_end(FILE *f, const struct lt_metrics *m, int64_t step, int code)
{
	begin(f, "end", step);
	fprintf(f, ",\"exit\":%d,\"skipped_steps\":%" PRId64
	    ",\"peak_bytes\":%" PRIu64, code, m->skipped, lt_memory_peak());
	number(f, "seconds", lt_now() - m->began);
	if (m->traffic.n)
		traffic(f, &m->traffic);
	fputs("}\n", f);
}
