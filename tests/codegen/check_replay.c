/*
 * Plans broken on purpose: the replay finds every one, and nothing in plans as
 * the compiler makes them.
 *
 * Each class of bug is certain to be one:
 *
 *	operand   a result is put where an operand of its op lies
 *	field     an operand lies where a field of an image is written
 *	between   a result is put where a value lies that is read later
 *	beyond    a slot is moved past the end of its arena
 *	frame     a value that lives across a call is put into the frame
 *	          of the function called
 *	index     what is loaded, or a loop leaves, is one element off
 *	scratch   the slot an op works in is too small
 *	fixed     two slots of an arena of fixed layout share bytes
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/replay.h"
#include "tests/codegen/program.h"

static const struct variant variants[] = {
	{"golden/llama.lt", "f32", 0, "none", "1"},
	{"golden/gpt2.lt", "bf16", 0, "full", NULL},
	{"golden/qwen3.lt", "bf16", 0, "none", NULL},
	{"golden/docs.lt", "f32", 0, "save(x, attention)", "1"},
	{"golden/mix.lt", "f32", 0, "none", "2"},
	{"codegen/rows.lir", "f32", 0, NULL, NULL},
	{"codegen/dots.lir", "bf16", 0, NULL, NULL},
	{"codegen/flow.lir", "f32", 0, NULL, NULL},
	{"codegen/flight.lir", "f32", 0, NULL, NULL},
	{"codegen/shares.lir", "f32", 0, NULL, NULL},
	{"codegen/shares-micro.lir", "f32", 0, NULL, NULL},
	{"codegen/ring.lir", "f32", 0, NULL, NULL},
	{"codegen/mesh.lir", "bf16", 0, NULL, NULL},
};

static FILE *nowhere;

struct tally {
	int made, missed;
};

static bool
finds(struct module *m)
{
	struct diag *d = m->diag, fresh = {.src = d->src, .out = nowhere};
	bool found;

	m->diag = &fresh;
	found = replay_check(m) != 0;
	m->diag = d;
	return found;
}

static void
count(struct tally *t, struct module *m, const char *class, const char *what)
{
	t->made++;
	if (finds(m))
		return;
	t->missed++;
	fprintf(stderr, "not found: %s %s\n", class, what);
}

/* ---- helpers ---- */

static struct slot *
act_slot(const struct module *m, const struct value *v)
{
	struct slot *s = v->slot && !v->slot_indexed ?
	    module_slot(m, v->slot) : NULL;

	return s && s->arena == ARENA_ACT ? s : NULL;
}

static void
move_onto(struct tally *t, struct module *m, const char *class,
    const struct value *v, const struct value *other)
{
	struct slot *s = act_slot(m, v), *o = other ? act_slot(m, other) : s;
	uint64_t offset;

	if (!s || !o || (other && s == o))
		return;
	offset = s->offset;
	s->offset = other ? o->offset : 0;
	count(t, m, class, arena_printf(m->mem, "%s onto %s", s->name, o->name));
	s->offset = offset;
}

/* Where op really runs: a group runs where its first op stands. */
static int
position(const struct region *r, const struct op *op)
{
	for (int i = 0; i < r->n; i++)
		if (r->op[i] == op ||
		    (op->group >= 0 && r->op[i]->group == op->group))
			return i;
	return -1;
}

static int
last_read(const struct region *r, const struct value *v)
{
	int last = -1;

	for (int i = 0; i < r->n; i++)
		for (int j = 0; j < r->op[i]->nin; j++)
			if (r->op[i]->in[j].kind == ARG_VALUE &&
			    r->op[i]->in[j].v == v &&
			    r->op[i]->code != OP_TAKE &&
			    position(r, r->op[i]) > last)
				last = position(r, r->op[i]);
	return last;
}

typedef void region_fn(struct tally *t, struct module *m, struct region *r);

static void
each_region(struct tally *t, struct module *m, struct region *r,
    region_fn *fn)
{
	fn(t, m, r);
	for (int i = 0; i < r->n; i++)
		if (r->op[i]->code == OP_FOR)
			each_region(t, m, &r->op[i]->body, fn);
}

static void
each_func(struct tally *t, struct module *m, region_fn *fn)
{
	for (int i = 0; i < m->nfunc; i++)
		if (strcmp(m->func[i]->name, "model") != 0)
			each_region(t, m, &m->func[i]->body, fn);
}

/* ---- classes ---- */

static void
on_operands(struct tally *t, struct module *m, struct region *r)
{
	for (int i = 0; i < r->n; i++)
		for (int j = 0; j < r->op[i]->nin; j++)
			if (r->op[i]->nout && !r->op[i]->into &&
			    r->op[i]->code != OP_FOR &&
			    r->op[i]->code != OP_TAKE &&
			    r->op[i]->in[j].kind == ARG_VALUE)
				move_onto(t, m, "operand", r->op[i]->out[0],
				    r->op[i]->in[j].v);
}

/* v lies where field `field` of an image begins. */
static void
move_into(struct tally *t, struct module *m, const struct value *v,
    const struct arg *image)
{
	struct slot *s = act_slot(m, v), *o = act_slot(m, image->v);
	uint64_t offset;

	if (!s || !o || s == o)
		return;
	offset = s->offset;
	s->offset = o->offset + sizeof(float) *
	    bundle_image_at(m, image->v->bundle, image->field);
	count(t, m, "field", arena_printf(m->mem, "%s onto %s", s->name,
	    o->name));
	s->offset = offset;
}

static void
on_fields(struct tally *t, struct module *m, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];

		for (int j = 0; j < op->nin && op->has_target; j++)
			if (op->target.kind == ARG_FIELD &&
			    op->in[j].kind == ARG_VALUE)
				move_into(t, m, op->in[j].v, &op->target);
	}
}

/* Fields of an image come one by one: what is between may lie there. */
static bool
comes_whole(const struct op *op)
{
	return op->nout && op->code != OP_FOR && op->code != OP_LOCAL;
}

static void
in_between(struct tally *t, struct module *m, struct region *r)
{
	for (int i = 0; i < r->n; i++)
		for (int j = 0; j < r->n; j++) {
			const struct op *a = r->op[i], *b = r->op[j];

			if (!comes_whole(a) || !comes_whole(b) || b->into ||
			    b->code == OP_TAKE ||
			    position(r, a) >= position(r, b) ||
			    last_read(r, a->out[0]) <= position(r, b))
				continue;
			move_onto(t, m, "between", b->out[0], a->out[0]);
		}
}

static bool
works(const struct module *m, const struct func *f)
{
	const struct slot *s = module_slot(m, module_namez(
	    (struct module *)m, arena_printf(m->mem, "%s.frame", f->name)));

	return s && s->size > 0;
}

static void
in_frames(struct tally *t, struct module *m, struct region *r)
{
	for (int i = 0; i < r->n; i++)
		for (int j = 0; j < r->n; j++)
			if (r->op[i]->nout && r->op[j]->code == OP_CALL &&
			    works(m, r->op[j]->callee) &&
			    position(r, r->op[i]) < j &&
			    last_read(r, r->op[i]->out[0]) > j)
				move_onto(t, m, "frame", r->op[i]->out[0],
				    NULL);
}

static void
off_by_one(struct tally *t, struct module *m, struct value *v)
{
	struct affine index = v->slot_index;

	if (!v->slot_indexed)
		return;
	v->slot_index.k = index.mod ? (index.k + 1) % index.mod : index.k + 1;
	count(t, m, "index", v->slot);
	v->slot_index = index;
}

/* A carry that only passes is the same in both elements. */
static bool
passes(const struct op *loop, int i)
{
	return loop->code == OP_FOR &&
	    region_last(&loop->body)->in[i].v == loop->carry[i];
}

static void
off_index(struct tally *t, struct module *m, struct region *r)
{
	for (int i = 0; i < r->n; i++)
		for (int j = 0; j < r->op[i]->nout; j++)
			if ((r->op[i]->code == OP_LOAD ||
			    r->op[i]->code == OP_FOR) &&
			    !passes(r->op[i], j) && last_read(r, r->op[i]->out[j]) >= 0)
				off_by_one(t, m, r->op[i]->out[j]);
}

static void
small_scratch(struct tally *t, struct module *m, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		struct slot *s = r->op[i]->scratch ?
		    module_slot(m, r->op[i]->scratch) : NULL;
		uint64_t size = s ? s->size : 0;

		if (!s)
			continue;
		s->size = 4;
		count(t, m, "scratch", s->name);
		s->size = size;
	}
}

static void
beyond(struct tally *t, struct module *m)
{
	for (int i = 0; i < m->nslot; i++) {
		struct slot *s = &m->slot[i];
		uint64_t offset = s->offset;

		if (!s->size)
			continue;
		s->offset = m->arena_size[s->arena] - s->size + 1;
		count(t, m, "beyond", s->name);
		s->offset = UINT64_MAX - s->size / 2;
		count(t, m, "beyond", s->name);
		s->offset = offset;
	}
}

static void
shared(struct tally *t, struct module *m)
{
	for (int i = 0; i < m->nslot; i++)
		for (int j = 0; j < i; j += 3) {
			struct slot *s = &m->slot[i], *o = &m->slot[j];
			uint64_t offset = s->offset;

			if (s->arena != o->arena || s->arena == ARENA_ACT)
				continue;
			s->offset = o->offset;
			count(t, m, "fixed", s->name);
			s->offset = offset;
		}
}

START_TEST(finds_every_bug)
{
	struct program *p = program_load(&variants[_i]);
	struct tally t = {0, 0};

	ck_assert_int_eq(replay_check(p->gen), 0);
	each_func(&t, p->gen, on_operands);
	each_func(&t, p->gen, on_fields);
	each_func(&t, p->gen, in_between);
	each_func(&t, p->gen, in_frames);
	each_func(&t, p->gen, off_index);
	each_func(&t, p->gen, small_scratch);
	beyond(&t, p->gen);
	shared(&t, p->gen);
	ck_assert_msg(t.missed == 0 && t.made > 60, "%s: %d of %d bugs not "
	    "found", variants[_i].file, t.missed, t.made);
	program_free(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("replay");
	TCase *t = tcase_create("plans");
	SRunner *r;
	int failed;

	nowhere = fopen("/dev/null", "w");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, finds_every_bug, 0, COUNT_OF(variants));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
