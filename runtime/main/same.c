/* What every rank says of itself. */
#include "config.h"

#include "runtime/main/same.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/comm/world.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"
#include "runtime/state/hash.h"

struct text {
	char s[500];
};

/* The file that this process runs, or what cannot be told. */
static struct lt_digest
executable(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct lt_hasher *h = lt_hasher_new();
	struct lt_digest d = {"unknown"};
	char block[16384];
	ssize_t n = -1;

	while (fd >= 0 && h && (n = read(fd, block, sizeof block)) > 0)
		lt_hasher_add(h, block, (size_t)n);
	if (n == 0)
		d = lt_hasher_end(h);
	lt_hasher_free(h);
	if (fd >= 0)
		close(fd);
	return d;
}

static struct text
build(const struct lt_program *p)
{
	struct text t;

	snprintf(t.s, sizeof t.s, "loongc %.60s, executable %s", p->version,
	    executable().hex);
	return t;
}

static struct text
model(const struct lt_program *p)
{
	struct text t;

	snprintf(t.s, sizeof t.s, "%.80s, program %016" PRIx64 ", %" PRIu64
	    " parameters in %d tensors", p->name, p->hash, p->parameters,
	    p->ntensor);
	return t;
}

static const char *
given(bool flag)
{
	return flag ? "given" : "not given";
}

/* Those that decide what is done together, and when. */
static struct text
options(const struct lt_options *o)
{
	const char *prompt = o->prompt ? o->prompt : "";
	struct text t;

	snprintf(t.s, sizeof t.s, "--steps %" PRId64 "\n--seed %" PRId64
	    "\n--eval-every %" PRId64 "\n--save-every %" PRId64
	    "\n--out %s\n--resume %s\n--resume-valid %s\n--comm %s"
	    "\n--serial-comm %s\n--trace %s\n--trace-steps %s\n--sample %" PRId64 "\n--prompt %s"
	    "\n--temperature %g\n--top-k %" PRId64, o->steps, o->seed,
	    o->eval_every, o->save_every, given(o->out != NULL),
	    given(o->resume), given(o->resume_valid), given(o->comm),
	    given(o->serial_comm), given(o->trace != NULL), o->trace_steps ?
	    o->trace_steps : "", o->sample,
	    lt_hash(prompt, strlen(prompt)).hex, o->temperature, o->top_k);
	return t;
}

static struct text
data(const struct lt_data *d)
{
	struct text t;

	snprintf(t.s, sizeof t.s, "%s; %" PRIu64 " tokens held out",
	    *d->id ? d->id : "none", d->val.count);
	return t;
}

int
lt_fail_all(struct lt *rt, const struct lt_error *e)
{
	if (rt->rank == 0)
		(void)lt_fail(e->code, "%s", e->text);
	/* a rank that ends may end the others before they have spoken */
	lt_world_barrier(rt);
	return e->code;
}

static int
compare(struct lt *rt, const struct lt_fact *f, int n)
{
	struct lt_error error = {.code = LT_OK};

	return lt_facts_agree(rt, f, n, &error) ? LT_OK :
	    lt_fail_all(rt, &error);
}

static const char *
or_nothing(const char *s)
{
	return s && *s ? s : "nothing";
}

int
lt_same_check(struct lt *rt)
{
	const struct lt_program *p = rt->prog;
	struct text text[4];
	const struct lt_fact fact[] = {{"build", text[0].s},
	    {"model", text[1].s}, {"recipe", or_nothing(p->recipe_text)},
	    {"plan", or_nothing(p->plan_text)},
	    {"the command line", text[2].s}, {"data", text[3].s}};

	if (rt->ranks == 1)
		return LT_OK;
	text[0] = build(p);
	text[1] = model(p);
	text[2] = options(&rt->run->opt);
	text[3] = data(&rt->run->data);
	return compare(rt, fact, 6);
}

int
lt_same_state(struct lt *rt)
{
	const struct lt_point *at = &rt->run->point;
	struct lt_error error = {.code = LT_OK};
	struct text text;
	const struct lt_fact fact = {"checkpoint", text.s};
	int rc;

	if (rt->ranks == 1)
		return LT_OK;
	snprintf(text.s, sizeof text.s, "step %" PRId64 ", %" PRIu64
	    " sequences read, %" PRIu64 " steps skipped", at->step,
	    at->sample, at->skipped);
	rc = compare(rt, &fact, 1);
	if (rc)
		return rc;
	return lt_state_agree(rt, &error) ? LT_OK : lt_fail_all(rt, &error);
}
