/* A plan as it stands: slots, fields, groups.  See replay.h. */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "ir/group.h"
#include "ir/matrix.h"
#include "ir/replay.h"

static bool PRINTF_LIKE(3, 4)
bad(struct module *m, struct span at, const char *fmt, ...)
{
	char why[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	diag_error(m->diag, at, "memory plan: %s", why);
	return false;
}

/* ---- slots ---- */

static bool
end_of(const struct slot *s, uint64_t *end)
{
	uint64_t span;

	return s->count > 0 &&
	    !__builtin_mul_overflow(s->stride, s->count - 1, &span) &&
	    !__builtin_add_overflow(span, s->size, &span) &&
	    !__builtin_add_overflow(span, s->offset, end);
}

static bool
slot_fits(struct module *m, const struct slot *s)
{
	struct span nowhere = {0, 0};
	uint64_t end;

	if (!end_of(s, &end) || end > m->arena_size[s->arena])
		return bad(m, nowhere, "slot %s reaches beyond arena %s of %"
		    PRIu64 " bytes", s->name, arena_name[s->arena],
		    m->arena_size[s->arena]);
	if (s->count > 1 && s->stride < s->size)
		return bad(m, nowhere, "elements of slot %s overlap", s->name);
	return true;
}

static int
by_offset(const void *a, const void *b)
{
	const struct slot *x = *(const struct slot *const *)a;
	const struct slot *y = *(const struct slot *const *)b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* State, keep and io hold all of their slots at the same time. */
static bool
disjoint(struct module *m, enum arena_id arena)
{
	const struct slot **s = NEW_N(m->mem, const struct slot *,
	    (size_t)m->nslot + 1);
	uint64_t end = 0, next;
	int n = 0;

	for (int i = 0; i < m->nslot; i++)
		if (m->slot[i].arena == arena && m->slot[i].size)
			s[n++] = &m->slot[i];
	qsort(s, (size_t)n, sizeof *s, by_offset);
	for (int i = 0; i < n; i++) {
		if (i && s[i]->offset < end)
			return bad(m, (struct span){0, 0}, "slots %s and %s "
			    "share bytes of arena %s", s[i - 1]->name,
			    s[i]->name, arena_name[arena]);
		if (end_of(s[i], &next))
			end = next;
	}
	return true;
}

static bool
field_placed(struct module *m, const struct bundle *b, int i,
    const char *suffix, enum dtype dt)
{
	const struct field *f = &b->field[i];
	const struct slot *s = bundle_slot(m, b, i, suffix);
	uint64_t layers = b->stack ? module_dim(m, b->stack)->size : 1;
	uint64_t bytes = type_local_count(m, f->type) * dtype_size[dt];
	bool turns = s && s->count == 1 &&
	    (b->role == ROLE_GRAD || dt != (enum dtype)b->dtype);

	if (!s || s->arena != ARENA_STATE ||
	    (s->count != layers && !turns) || s->size != bytes || s->stride != bytes)
		return bad(m, f->at, "@%s.%s%s needs a slot of state with %"
		    PRIu64 " elements of %" PRIu64 " bytes, one after "
		    "another", b->name, f->name, suffix, layers, bytes);
	return true;
}

/* The blocks of all layers, one after the other. */
static bool
image_placed(struct module *m, const struct bundle *b)
{
	const struct slot *s = bundle_image_slot(m, b);
	uint64_t layers = b->stack ? module_dim(m, b->stack)->size : 1;
	uint64_t bytes = bundle_block(m, b, &b->flat) * dtype_size[b->dtype];

	if (!s || s->arena != ARENA_STATE || s->count != layers ||
	    s->size != bytes || s->stride != bytes)
		return bad(m, (struct span){0, 0}, "@%s needs a slot of state "
		    "with %" PRIu64 " elements of %" PRIu64 " bytes, one after "
		    "another", b->name, layers, bytes);
	return true;
}

static bool
bundle_placed(struct module *m, const struct bundle *b)
{
	if (bundle_is_image(m, b))
		return image_placed(m, b);
	for (int i = 0; i < b->nfield; i++)
		if (!field_placed(m, b, i, "", (enum dtype)b->dtype))
			return false;
	return true;
}

/* ---- ops ---- */

struct walk {
	struct module *m;
	bool ok;
};

static bool
state_slot(struct module *m, const char *name, uint64_t bytes)
{
	const struct slot *s = module_slot(m, name);

	return s && s->arena == ARENA_STATE && s->size >= bytes;
}

static void
check_op(struct op *op, void *arg)
{
	struct walk *w = arg;
	struct bundle *b;
	const struct type *t;
	int over;

	for (int i = 0; i < op->nin && w->ok; i++)
		if (arg_is_master(w->m, &op->in[i]) && (module_setting(w->m, "target.gpu") ||
		    !master_readable(w->m, op, i)))
			w->ok = bad(w->m, op->at, "%s reads %s.%s, which has "
			    "no copy in %s", op_info[op->code].name,
			    op->in[i].v->bundle->name, op->in[i].v->bundle->
			    field[op->in[i].field].name,
			    dtype_name[op->in[i].v->dtype]);
	if (!w->ok)
		return;
	if (op->code == OP_PARAMS) {
		b = op->in[0].b;
		for (int i = 0; i < b->nfield && w->ok; i++)
			if (op->out[0]->dtype != b->dtype &&
			    bundle_slot(w->m, b, i, ".cast"))
				w->ok = field_placed(w->m, b, i, ".cast",
				    (enum dtype)op->out[0]->dtype);
	} else if (op->code == OP_ROPE || op->code == OP_ROPE_BWD) {
		t = group_space(op);
		over = type_find(t, op_dim(op, ATTR_OVER));
		if (!state_slot(w->m, group_rope_slot(w->m, op), sizeof(float) *
		    dim_local_size(w->m, &t->d[group_position(op)]) *
		    dim_local_size(w->m, &t->d[over])))
			w->ok = bad(w->m, op->at, "no table of angles %s",
			    group_rope_slot(w->m, op));
	}
}

static int
group_size(const struct region *r, int group)
{
	int n = 0;

	for (int i = 0; i < r->n; i++)
		n += r->op[i]->group == group;
	return n;
}

static bool
group_is_kernel(struct module *m, const struct region *r, int at)
{
	const struct op *op = r->op[at];
	struct op_list g;

	if (!group_fusable(m, op))
		return bad(m, op->at, "%s is in a group, but no kernel",
		    op_info[op->code].name);
	if (group_size(r, op->group) > GROUP_MAX)
		return bad(m, op->at, "group %d has more than %d ops",
		    op->group, GROUP_MAX);
	group_collect(r, at, &g);
	for (int i = 1; i < g.n && g.op[i - 1] != op; i++)
		if (g.op[i] == op && !group_fits(m, g.op, i, op))
			return bad(m, op->at, "%s does not fit into group %d",
			    op_info[op->code].name, op->group);
	return true;
}

static bool
region_groups(struct module *m, const struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		if (r->op[i]->group >= 0 && !group_is_kernel(m, r, i))
			return false;
		if (r->op[i]->code == OP_FOR &&
		    !region_groups(m, &r->op[i]->body))
			return false;
	}
	return true;
}

/* The host's memory is for what is sent there, and nothing else. */
static bool
hosts(struct module *m, const struct func *f)
{
	for (int i = 0; i < f->nvalue; i++) {
		const struct value *v = f->value[i];
		const struct slot *s = v && v->slot ?
		    module_slot(m, v->slot) : NULL;

		if (v && !s && value_on_host(v))
			return bad(m, v->at, "%s has no place on the host",
			    v->name);
		if (s && (s->arena == ARENA_HOST) != value_on_host(v))
			return bad(m, v->at, s->arena == ARENA_HOST ?
			    "%s lies on the host, and was not sent there" :
			    "%s is sent to the host, but lies on the device",
			    v->name);
	}
	return true;
}

bool
replay_layout(struct module *m)
{
	struct walk w = {m, true};

	for (int i = 0; i < m->nslot && w.ok; i++)
		w.ok = slot_fits(m, &m->slot[i]);
	w.ok = w.ok && disjoint(m, ARENA_STATE) && disjoint(m, ARENA_KEEP) &&
	    disjoint(m, ARENA_IO) && disjoint(m, ARENA_HOST);
	for (int i = 0; i < m->nbundle && w.ok; i++)
		w.ok = bundle_placed(m, m->bundle[i]);
	for (int i = 0; i < m->nfunc && w.ok; i++) {
		region_walk(&m->func[i]->body, check_op, &w);
		w.ok = w.ok && region_groups(m, &m->func[i]->body) &&
		    hosts(m, m->func[i]);
	}
	return w.ok;
}
