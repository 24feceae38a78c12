/*
 * Loops of a ring.  Here one axis, keys of type K(ci) = [.., s/(ci), ..]:
 *
 *   before   o, z = attn q, k, v on ci
 *   after    o0 = zeros
 *            z0 = neginf
 *            oe, z, .. = for i=0..ci (oi,zi = o0,z0; ki,vi = k,v : K(ci-i)) {
 *              kr, vr = shift ki, vi by ci+1 when i+1<ci : K(ci-i-1)
 *              ob, zb = attn.step q, ki, vi into !oi, !zi
 *              yield ob, zb, kr, vr
 *            }
 *            o = cast oe
 *
 * Backward, gradients of what travels must not hold up the next step, so a
 * step starts them from zeros, those of the steps before are on their way
 * meanwhile, and both are added at the end of the step.  The first step has
 * none to wait for and stands before the loop:
 *
 *            dqb, dkb, dvb = attn.step.bwd do, q, k, v, z, D into ..
 *            dqe, dke, .. = for i=1..ci (dki = dkb : K(ci-i+1); ki = .. ) {
 *              kr = shift ki by ci+1 when i+1<ci     : K(ci-i-1)
 *              dks = shift dki by ci+1               : K(ci-i)
 *              dqb, dkb, .. = attn.step.bwd .. into !dqi, zeros
 *              dkn = add dks, dkb                    : K(ci-i)
 *              yield dqb, dkn, kr
 *            }
 *            dk = shift dke by ci+1                  : K(ci+1-1)
 *
 * Two axes: the same once more around it, with a whole window (the loop over
 * ci) in the place of the step.  Keys for the next window leave from where
 * they are at its start, not turned, so that no window has to be aligned; the
 * gradients are back from a window after |ci|-1 hops, one hop over ci beside
 * their keys, and stay there: |co| hops over co and one over ci bring them
 * home, the last of them along both axes at once.
 */
#include "config.h"

#include "passes/ring_build.h"

#include <string.h>

#include "passes/rewrite.h"

static const char *const operand_name[RING_IN] = {
	"do", "q", "k", "v", "z", "D", "qd", "kd"
};
static const char *const acc_name[2][RING_ACC] = {
	{"o", "z", ""}, {"dq", "dk", "dv"}
};


/* The name of an accumulator, at home or on its way. */
static const char *
acc_base(const struct ring *r, int acc)
{
	return acc_name[r->backward][acc];
}

static bool
travels(const struct ring *r, int operand)
{
	return r->travels >> operand & 1;
}

static bool
acc_travels(const struct ring *r, int acc)
{
	return r->acc_travels >> acc & 1;
}

/* -------------------------------------------------------------------- step */

/* Accumulators that there are none of yet start here. */
static void
start(struct ring *r, struct ring_state *s)
{
	for (int i = 0; i < r->nacc; i++) {
		bool lse = !r->backward && i == 1;

		if (s->acc[i])
			continue;
		s->acc[i] = ring_fill(r, lse ? OP_NEGINF : OP_ZEROS,
		    ring_named(r, acc_base(r, i), "0"), acc_travels(r, i)
		    ? ring_place(r, r->acc[i], 0, 0) : r->acc[i]);
	}
}

static void
step(struct ring *r, struct ring_state *s)
{
	struct arg in[RING_IN + RING_ACC];
	struct op *op;
	int n = 0;

	start(r, s);
	for (int i = 0; i < RING_IN; i++)
		if (s->in[i])
			in[n++] = arg_value(s->in[i]);
	for (int i = 0; i < r->nacc; i++) {
		in[n] = arg_value(s->acc[i]);
		in[n++].consume = true;
	}
	op = ring_put(r, r->backward ? OP_ATTN_STEP_BWD : OP_ATTN_STEP, in, n,
	    r->nacc);
	op->into = (uint8_t)r->nacc;
	op->nattr = r->op->nattr;
	op->attr = r->op->attr;
	for (int i = 0; i < r->nacc; i++)
		s->acc[i] = op_result(r->m, r->f, op, i,
		    ring_named(r, acc_base(r, i), "b"), s->acc[i]->type);
}

/* ------------------------------------------------------------------- rings */

/* The operands that go round leave for the next place: where they arrive. */
static struct ring_state
send(struct ring *r, const struct ring_state *s, int level, bool in_loop)
{
	const struct bound until = ring_bound_of(r, level);
	struct ring_state next = *s;
	struct flock f = {.n = 0};

	for (int i = 0; i < RING_IN; i++)
		if (travels(r, i))
			ring_flock_add(&f, &next.in[i], ring_named(r, operand_name[i],
			    level == OUTER ? "n" : "r"));
	ring_shift(r, &f, level, -r->dir, in_loop ? &until : NULL, r->var[level]);
	return next;
}

/* So do the gradients that they have collected so far. */
static struct ring_state
send_gradients(struct ring *r, const struct ring_state *s, int level)
{
	struct ring_state next = *s;
	struct flock f = {.n = 0};

	for (int i = 0; i < r->nacc; i++)
		if (acc_travels(r, i))
			ring_flock_add(&f, &next.acc[i],
			    ring_named(r, acc_base(r, i), "s"));
	ring_shift(r, &f, level, -r->dir, NULL, NULL);
	return next;
}

static void
take_operands(struct ring_state *s, const struct ring_state *from)
{
	memcpy(s->in, from->in, sizeof s->in);
}

/* Hops along the inner ring between gradients that a window has left and home:
 * one less than it has steps. */
static int64_t
left_at(const struct ring *r, int level)
{
	return r->dir * (r->steps[level] - 1);
}

static void
carry_all(struct ring *r, struct ring_state *s, struct loop *l)
{
	int64_t back = -r->dir, outer = l->level == OUTER;

	for (int i = 0; i < r->nacc; i++)
		ring_loop_carry(r, l, &s->acc[i], acc_base(r, i),
		    !acc_travels(r, i) ? r->acc[i] : outer
		    ? ring_place(r, r->acc[i], back, left_at(r, INNER))
		    : ring_place(r, r->acc[i], 0, back));
	for (int i = 0; i < RING_IN; i++)
		if (travels(r, i) && s->in[i])
			ring_loop_carry(r, l, &s->in[i], operand_name[i],
			    ring_place(r, s->in[i]->type, 0, 0));
}

static void turn(struct ring *r, struct ring_state *s, int level);

/* No gradients travel: every place is alike. */
static void
turn_plain(struct ring *r, struct ring_state *s, int level)
{
	struct ring_state next;
	struct loop l;

	start(r, s);
	ring_loop_begin(r, &l, level, 0);
	carry_all(r, s, &l);
	next = send(r, s, level, true);
	turn(r, s, level + 1);
	take_operands(s, &next);
	ring_loop_end(r, &l);
}

/* Adds what arrived to what this place found. */
static void
collect(struct ring *r, struct ring_state *s, const struct ring_state *arrived)
{
	for (int i = 0; i < r->nacc; i++)
		if (acc_travels(r, i))
			s->acc[i] = ring_add(r, ring_named(r, acc_base(r, i), "n"),
			    arrived->acc[i], s->acc[i]);
}

static void
forget_gradients(struct ring *r, struct ring_state *s)
{
	for (int i = 0; i < r->nacc; i++)
		if (acc_travels(r, i))
			s->acc[i] = NULL;
}

/* One more place, while gradients arrive from the one before. */
static void
turn_next(struct ring *r, struct ring_state *s, int level)
{
	struct ring_state arrived = send_gradients(r, s, level);

	forget_gradients(r, s);
	turn(r, s, level + 1);
	collect(r, s, &arrived);
}

static void
turn_collecting(struct ring *r, struct ring_state *s, int level)
{
	struct ring_state next = send(r, s, level, false);
	struct loop l;

	turn(r, s, level + 1);
	take_operands(s, &next);
	if (r->steps[level] == 2) { /* no loop of one trip */
		r->first[level]++;
		turn_next(r, s, level);
		r->first[level]--;
		return;
	}
	ring_loop_begin(r, &l, level, 1);
	carry_all(r, s, &l);
	next = send(r, s, level, true);
	turn_next(r, s, level);
	take_operands(s, &next);
	ring_loop_end(r, &l);
}

static void
turn(struct ring *r, struct ring_state *s, int level)
{
	if (level == RING_LEVELS)
		step(r, s);
	else if (r->steps[level] == 1)
		turn(r, s, level + 1);
	else if (r->acc_travels)
		turn_collecting(r, s, level);
	else
		turn_plain(r, s, level);
}

/* ------------------------------------------------------------------- halos */

/* Keys at the end of a piece of v, which begins after `before` others. */
static struct value *
part(struct ring *r, struct value *v, const char *base, uint64_t before)
{
	struct arg in = arg_value(v);
	struct op *op = ring_put(r, OP_PART, &in, 1, 1);
	struct type t = *v->type;
	const char *over = ring_dim(r->op, &t)->name;
	struct dim *cut = &t.d[type_find(&t, over)];
	uint64_t to = before + r->piece, from = to - r->reach;

	op_set_dim(r->m, op, ATTR_OVER, over);
	op_set_int(r->m, op, ATTR_FROM, (int64_t)from);
	op_set_int(r->m, op, ATTR_TO, (int64_t)to);
	cut->s[cut->n++] = (struct shard){.kind = SHARD_PART,
	    .from = (uint32_t)from, .to = (uint32_t)to};
	return op_result(r->m, r->f, op, 0, ring_named(r, base, "p"),
	    type_intern(r->m, &t));
}

static void
part_add(struct ring *r, struct value **whole, struct value *p,
    const char *base)
{
	struct arg in[2] = {arg_value(p), arg_value(*whole)};
	struct op *op = ring_put(r, OP_PART_ADD, in, 2, 1);

	op->in[1].consume = true;
	op->into = 1;
	*whole = op_result(r->m, r->f, op, 0, ring_named(r, base, "n"),
	    (*whole)->type);
}

/*
 * What comes before my first piece ends the first piece of the rank before;
 * before the second piece of a zigzag, the second of the rank after.
 */
static struct ring_state
send_part(struct ring *r, const struct ring_state *s, int piece)
{
	struct ring_state ends = *s;

	for (int i = 0; i < RING_IN; i++)
		if (travels(r, i) && ends.in[i])
			ends.in[i] = part(r, ends.in[i], operand_name[i],
			    (uint64_t)piece * r->piece);
	r->dir = piece ? 1 : -1;
	return send(r, &ends, INNER, false);
}

/* Gradients of a part start from zeros. */
static void
start_part(struct ring *r, struct ring_state *s)
{
	for (int i = 0; i < r->nacc; i++) {
		struct type t;

		if (!acc_travels(r, i))
			continue;
		t = *s->in[RING_K]->type;
		t.dtype = DT_F32;
		t.pend = r->acc[i]->pend;
		s->acc[i] = ring_fill(r, OP_ZEROS,
		    ring_named(r, acc_base(r, i), "0"), type_intern(r->m, &t));
	}
}

/* A step on keys of another rank; their gradients go back and are added. */
static void
visit_part(struct ring *r, struct ring_state *s, struct ring_state *ends,
    int piece)
{
	struct ring_state back;

	for (int i = 0; i < r->nacc; i++)
		ends->acc[i] = s->acc[i];
	start_part(r, ends);
	step(r, ends);
	r->dir = piece ? -1 : 1;
	back = send_gradients(r, ends, INNER);
	for (int i = 0; i < r->nacc; i++)
		if (acc_travels(r, i))
			part_add(r, &s->acc[i], back.acc[i], acc_base(r, i));
		else
			s->acc[i] = ends->acc[i];
}

static void
turn_halo(struct ring *r, struct ring_state *s)
{
	struct ring_state ends[2];

	for (int i = 0; i < r->pieces; i++)
		ends[i] = send_part(r, s, i);
	step(r, s);
	for (int i = 0; i < r->pieces; i++)
		visit_part(r, s, &ends[i], i);
}

/* ---------------------------------------------------------------- the whole */

/* The shorter way back: -n/2 < hops <= n/2. */
static int64_t
shortest(const struct ring *r, int level)
{
	int64_t by = left_at(r, level) + r->dir * r->first[level], n;

	if (by == 0)
		return 0;
	n = r->m->axis[r->axis[level]].size;
	by = (by % n + n) % n;
	return by > n / 2 ? by - n : by;
}

static void
send_home(struct ring *r, struct ring_state *s)
{
	int64_t by[RING_LEVELS] = {shortest(r, OUTER), shortest(r, INNER)};
	struct flock f = {.n = 0};

	for (int i = 0; i < r->nacc; i++)
		if (acc_travels(r, i))
			ring_flock_add(&f, &s->acc[i],
			    ring_named(r, acc_base(r, i), "h"));
	if (by[OUTER] || by[INNER])
		ring_shift_by(r, &f, by, NULL, NULL);
}

/* x becomes the old result: same value object, name and readers. */
static void
become(struct value *x, struct value *out)
{
	for (int i = 0; i < x->def->nout; i++)
		if (x->def->out[i] == x)
			x->def->out[i] = out;
	out->def = x->def;
}

static void
result(struct ring *r, struct value *x, struct value *out)
{
	struct arg in = arg_value(x);
	struct op *cast;

	if (x->type == out->type) {
		become(x, out);
		return;
	}
	cast = ring_put(r, OP_CAST, &in, 1, 1);
	cast->out[0] = out;
	out->def = cast;
}

/* attn: q, k, v [, doc]; attn.bwd: do, q, k, v, z, D [, doc]. */
static void
operands(const struct ring *r, struct ring_state *s)
{
	int first = r->backward ? RING_DO : RING_Q, doc = r->backward ? 6 : 3;

	memset(s, 0, sizeof *s);
	for (int i = 0; i < doc; i++)
		s->in[first + i] = r->op->in[i].v;
	if (r->op->nin > doc)
		s->in[RING_QDOC] = s->in[RING_KDOC] = r->op->in[doc].v;
}

/* A name for a loop variable that nothing around has. */
static const char *
loop_name(const struct ring *r, const char *base)
{
	const char *name = func_fresh(r->m, r->f, base);

	return r->f->index && strcmp(name, r->f->index) == 0
	    ? func_fresh(r->m, r->f, ring_named(r, base, base)) : name;
}

/* The blocks on the other side, from the nearest on. */
static void
turn_back(struct ring *r, struct ring_state *s)
{
	int level = r->axis[OUTER] >= 0 ? OUTER : INNER;
	struct ring_state far;

	operands(r, &far);
	for (int i = 0; i < r->nacc; i++)
		far.acc[i] = acc_travels(r, i) ? NULL : s->acc[i];
	r->dir = -r->dir;
	r->steps[level] = r->back;
	far = send(r, &far, level, false);
	r->first[level] = 1;
	turn(r, &far, OUTER);
	send_home(r, &far);
	for (int i = 0; i < r->nacc; i++)
		s->acc[i] = !acc_travels(r, i) ? far.acc[i] : ring_add(r,
		    ring_named(r, acc_base(r, i), "n"), s->acc[i], far.acc[i]);
}

void
ring_emit(struct ring *r, struct region *out)
{
	struct ring_state s;

	r->out = out;
	r->level[OUTER] = r->level[INNER] = -1;
	r->var[OUTER] = loop_name(r, "j");
	r->var[INNER] = loop_name(r, "i");
	operands(r, &s);
	if (r->halo) {
		turn_halo(r, &s);
	} else {
		turn(r, &s, OUTER);
		send_home(r, &s);
		if (r->back)
			turn_back(r, &s);
	}
	for (int i = 0; i < r->nacc; i++)
		result(r, s.acc[i], r->op->out[i]);
}
