/*
 * zero { }: which mesh axes share parameters, gradients and optimizer state.
 *
 * `stage` over `shard` is short for three lists: 1 shares the optimizer, 2
 * gradients too, 3 parameters too.  `params`, `grads` and `optimizer` replace
 * one list each; matrices { } and rest { } do it for their part alone.
 */
#include "config.h"

#include <string.h>

#include "frontend/setting.h"

enum what { PARAMS, GRADS, OPTIMIZER, NWHAT };
static const char *const what_name[NWHAT] = {"params", "grads", "optimizer"};
static const char *const part_name[] = {"matrices", "rest"};
static const int common_id[NWHAT] = {SET_plan_params, SET_plan_grads,
	SET_plan_optimizer};
static const int part_id[][NWHAT] = {
	{SET_plan_matrices_params, SET_plan_matrices_grads,
	    SET_plan_matrices_optimizer},
	{SET_plan_rest_params, SET_plan_rest_grads, SET_plan_rest_optimizer},
};

/* "over(cp, hp)" as words in order; each letter is one of d, c, h. */
struct names {
	char of[8];
	const struct chosen *c; /* who says it, or NULL */
};

static bool
has(const struct names *n, char axis)
{
	return strchr(n->of, axis) != NULL;
}

static void
add(struct names *n, char axis)
{
	size_t len = strlen(n->of);

	if (len < sizeof n->of - 1 && !has(n, axis))
		n->of[len] = axis;
}

static struct names
names_of(const struct chosen *c)
{
	struct names n = {.c = c};

	for (const char *s = strchr(c->text, '(') + 1; *s && *s != ')';) {
		add(&n, *s);
		s += strcspn(s, ",)");
		s += strspn(s, ", ");
	}
	return n;
}

/* What `stage` and `shard` say, or nothing. */
static struct names
by_stage(const struct choices *c, enum what w)
{
	static const struct chosen all = {.text = "over(dp, cp, hp)"};
	const struct chosen *shard = &c->c[SET_plan_shard];
	const struct chosen *stage = &c->c[SET_plan_stage];
	int n = stage->set ? (int)stage->num : 3;

	if ((!shard->set && !stage->set) || n < NWHAT - (int)w)
		return (struct names){.c = NULL};
	return names_of(shard->set ? shard : &all);
}

static struct names
names_for(const struct choices *c, int part, enum what w)
{
	const struct chosen *own = &c->c[part_id[part][w]];
	const struct chosen *common = &c->c[common_id[w]];

	return own->set ? names_of(own) : common->set ? names_of(common) :
	    by_stage(c, w);
}

static const char *const full_name[] = {"dp", "cp", "hp"};

static const char *
axis_word(char letter)
{
	for (size_t i = 0; i < COUNT_OF(full_name); i++)
		if (full_name[i][0] == letter)
			return full_name[i];
	return "";
}

static const char *
list_text(struct unit *u, const struct names *n)
{
	const char *s = "";

	for (const char *p = n->of; *p; p++)
		s = arena_printf(u->mem, "%s%s%s", s, *s ? ", " : "",
		    axis_word(*p));
	return arena_printf(u->mem, "over(%s)", s);
}

/* Lists w and w + 1 of a part: the second has all axes of the first. */
static bool
check_nested(struct unit *u, const struct choices *c, int part, enum what w)
{
	struct names a = names_for(c, part, w), b = names_for(c, part, w + 1);
	struct names want = b;
	const struct chosen *at = b.c ? b.c : a.c;

	for (const char *p = a.of; *p; p++)
		add(&want, *p);
	if (strlen(want.of) == strlen(b.of))
		return true;
	choice_error(u, at, DIAG_ZERO, "%s of %s are shared %s, but %s %s: %s; "
	    "nearest: %s = %s", what_name[w], part_name[part],
	    list_text(u, &a), what_name[w + 1], *b.of ? list_text(u, &b) :
	    "over no axis", w == PARAMS ?
	    "a rank that has a block of the parameters needs the gradient of "
	    "this block or of a piece of it" :
	    "a rank updates a block with its gradient, so each block of the "
	    "optimizer is one of the gradients or a piece of it",
	    what_name[w + 1], list_text(u, &want));
	return false;
}

void
zero_check(struct unit *u, const struct choices *c)
{
	for (int part = 0; part < 2; part++)
		for (int w = PARAMS; w < OPTIMIZER; w++)
			if (!check_nested(u, c, part, (enum what)w))
				return;
}

/* ----------------------------------------------------------------- export */

/* The axes of the module that a word of the plan stands for. */
static bool
stands_for(char letter, const char *axis)
{
	static const char *const of[][4] = {{"dp"}, {"cp", "co", "ci"},
		{"hp", "hk", "hr"}};
	const char *const *list = of[letter == 'd' ? 0 : letter == 'c' ? 1 : 2];
	size_t n = strcspn(axis, "_");

	for (int i = 0; i < 4 && list[i]; i++)
		if (strlen(list[i]) == n && strncmp(list[i], axis, n) == 0)
			return true;
	return false;
}

static void
print_axes(const struct module *m, const struct names *n, struct buf *b)
{
	const char *sep = "";

	for (const char *p = n->of; *p; p++)
		for (int i = 0; i < m->naxis; i++) {
			if (!stands_for(*p, m->axis[i].name))
				continue;
			buf_printf(b, "%s%s", sep, m->axis[i].name);
			sep = ",";
		}
}

/* Each list begins with the one before it. */
static void
export_part(struct unit *u, const struct choices *c, int part)
{
	struct names n = {.c = NULL};
	struct span none = {0, 0};
	struct buf b = {0};

	for (int w = 0; w < NWHAT; w++) {
		struct names more = names_for(c, part, (enum what)w);

		for (const char *p = more.of; *p; p++)
			add(&n, *p);
		buf_printf(&b, "%s%s(", w ? " " : "", what_name[w]);
		print_axes(u->m, &n, &b);
		buf_puts(&b, ")");
	}
	module_set_text(u->m, arena_printf(u->mem, "plan.zero.%s",
	    part_name[part]), arena_strndup(u->mem, buf_text(&b), b.len),
	    none);
	buf_free(&b);
}

void
zero_export(struct unit *u, const struct choices *c)
{
	bool any = false;

	for (int part = 0; part < 2; part++)
		any |= *names_for(c, part, OPTIMIZER).of != 0;
	for (int part = 0; part < 2 && any && u->m->naxis > 0; part++)
		export_part(u, c, part);
}
