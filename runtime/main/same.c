/* What every rank says of itself. */
#include "config.h"

#include "runtime/main/same.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/main/report.h"
#include "runtime/main/run.h"
#include "runtime/state/hash.h"

struct text {
	char s[400];
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

/* Lines of a compiled-in text as one, so that a message shows them. */
static struct text
lines(const char *text)
{
	struct text t = {""};
	size_t n = text ? strlen(text) : 0;

	snprintf(t.s, sizeof t.s, "%s ", lt_hash(text ? text : "", n).hex);
	for (size_t i = 0, k = strlen(t.s); i < n && k + 1 < sizeof t.s;
	    i++, k++)
		t.s[k] = text[i] == '\n' ? ' ' : text[i];
	return t;
}

/* Those that decide what is done together, and when. */
static struct text
options(const struct lt_options *o)
{
	struct text t;

	snprintf(t.s, sizeof t.s, "--steps %" PRId64 " --seed %" PRId64
	    " --eval-every %" PRId64 " --save-every %" PRId64
	    " --sample %" PRId64 "%s%s%s%s", o->steps, o->seed, o->eval_every,
	    o->save_every, o->sample, o->out ? " --out" : "",
	    o->resume ? " --resume" : "",
	    o->resume_valid ? " --resume-valid" : "",
	    o->comm ? " --comm" : "");
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

static int
compare(struct lt *rt, const struct lt_fact *f, int n)
{
	struct lt_error error = {.code = LT_OK};

	return lt_facts_agree(rt, f, n, &error) ? LT_OK :
	    lt_fail(error.code, "%s", error.text);
}

int
lt_same_check(struct lt *rt)
{
	const struct lt_program *p = rt->prog;
	struct text text[6];
	const struct lt_fact fact[] = {{"build", text[0].s},
	    {"model", text[1].s}, {"recipe", text[2].s}, {"plan", text[3].s},
	    {"the command line", text[4].s}, {"data", text[5].s}};

	if (rt->ranks == 1)
		return LT_OK;
	text[0] = build(p);
	text[1] = model(p);
	text[2] = lines(p->recipe_text);
	text[3] = lines(p->plan_text);
	text[4] = options(&rt->run->opt);
	text[5] = data(&rt->run->data);
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
	return lt_state_agree(rt, &error) ? LT_OK :
	    lt_fail(error.code, "%s", error.text);
}
