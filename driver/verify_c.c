/*
 * The emitted program against the interpreter: loss, gradient norm, gradients,
 * moments and parameters after two steps, then evaluation and logits.
 *
 * The second step of the interpreter starts from the program's state after the
 * first, so errors do not add up.  AdamW's eps is 1 here: with a small one an
 * update is the sign of a gradient, and tells nothing of those near zero.
 *
 * Tolerance.  The interpreter runs twice, exactly and with every value rounded
 * to its type; both results and the program's are as far from the truth as the
 * type makes them, whatever is rounded where.  So a tensor of the program may
 * be some times as far (Euclidean norm) from the rounded one as that is from
 * the exact one.  Sums are exact in the interpreter but for their last
 * rounding; in the program those of n terms round n times in f32, which adds
 * up to sqrt(n) roundings, n <= 4096 here: 64 times in f32.  In bf16 that is
 * nothing, and 8 times are for rounding at other places.  Added is what single
 * numbers can agree by chance: 2^-18 = 64 * 2^-24; 2^-6 = 4 * 2^-8 in bf16.
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "driver/probe.h"
#include "driver/verify_state.h"

enum { F32_TIMES = 64, BF16_TIMES = 8, SEED = 5 };
static const double F32_FLOOR = 0x1p-18, BF16_FLOOR = 0x1p-6;
static const double LEARNING_RATE = 0.125;
static const struct span nowhere = {0, 0};

struct check {
	struct verify *v;
	struct probe p;
	struct interp *exact, *rounded;
	double times; /* the rounded interpreter's distance */
	double floor; /* relative, of activations */
	double worst; /* distance as a part of what is accepted */
	uint64_t tensors, elements;
};

static double
distance(const double *x, const double *y, uint64_t n)
{
	double sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += (x[i] - (y ? y[i] : 0)) * (x[i] - (y ? y[i] : 0));
	return sqrt(sum);
}

static void
check(struct check *c, struct span at, const char *what, const double *got,
    const double *rounded, const double *exact, uint64_t n, double floor)
{
	double far = distance(got, rounded, n);
	double may = c->times * distance(rounded, exact, n) +
		     floor * distance(rounded, NULL, n) + 1e-12;

	c->tensors++;
	c->elements += n;
	if (far <= may) {
		c->worst = fmax(c->worst, far / may);
		return;
	}
	if (!c->v->failed)
		diag_error(c->v->m->diag, at,
		    "verify: the "
		    "emitted C gives another %s: distance %.3g, at most %.3g "
		    "is rounding; first element %.9g, interpreter %.9g",
		    what, far, may, n ? got[0] : 0, n ? rounded[0] : 0);
	c->v->failed = true;
}

static void
get(struct interp *in, const struct probe_tensor *t, double *x)
{
	if (!interp_get(in, t->b, t->field, x))
		x[0] = NAN;
}

static void
check_tensor(struct check *c, int step, const struct probe_tensor *t)
{
	static const char *const role[] = {
	    "parameter", "gradient", "first moment", "second moment"};
	struct arena *mem = c->v->m->mem;
	double *exact = NEW_N(mem, double, t->n + 1);
	double *rounded = NEW_N(mem, double, t->n + 1);

	get(c->exact, t, exact);
	get(c->rounded, t, rounded);
	check(c, t->b->field[t->field].at,
	    arena_printf(mem, "%s %s after step %d", role[t->b->role],
		verify_field(c->v, t->b, t->field), step + 1),
	    t->x, rounded, exact, t->n,
	    t->b->role == ROLE_PARAM ? F32_FLOOR : c->floor);
}

/* Gradients and moments before what is made of them. */
static void
check_tensors(struct check *c, int step, bool parameters)
{
	const struct probe_step *s = &c->p.step[step];

	for (int i = 0; i < s->ntensor && !c->v->failed; i++)
		if ((s->tensor[i].b->role == ROLE_PARAM) == parameters)
			check_tensor(c, step, &s->tensor[i]);
}

static bool
call(struct check *c, struct interp *in, const char *func, double *a, double *b)
{
	struct module *m = c->v->m;
	const struct func *f = module_func(m, func);
	double *result[] = {a, b};

	if (interp_run(in, func, 0, batch_args(&c->v->batch, m, f), result))
		return true;
	c->v->failed = true;
	return false;
}

static void
call_both(struct check *c, const char *func, double exact[2], double rounded[2])
{
	call(c, c->exact, func, &exact[0], &exact[1]);
	call(c, c->rounded, func, &rounded[0], &rounded[1]);
}

/* The interpreters go on from where the program is. */
static void
take_over(struct check *c, const struct probe_step *s)
{
	for (int i = 0; i < s->ntensor; i++) {
		interp_set(c->exact, s->tensor[i].b, s->tensor[i].field,
		    s->tensor[i].x);
		interp_set(c->rounded, s->tensor[i].b, s->tensor[i].field,
		    s->tensor[i].x);
	}
	interp_refresh(c->exact);
	interp_refresh(c->rounded);
}

static void
check_step(struct check *c, int step)
{
	const struct probe_step *s = &c->p.step[step];
	double exact[2], rounded[2];

	interp_set_step(c->exact, step + 1, LEARNING_RATE);
	interp_set_step(c->rounded, step + 1, LEARNING_RATE);
	call_both(c, "step", exact, rounded);
	check(
	    c, nowhere, "loss", &s->loss, &rounded[0], &exact[0], 1, c->floor);
	check_tensors(c, step, false);
	check_tensors(c, step, true);
	check(c, nowhere, "gradient norm", &s->gnorm, &rounded[1], &exact[1], 1,
	    c->floor);
	take_over(c, s);
}

static void
check_logits(struct check *c)
{
	struct arena *mem = c->v->m->mem;
	double *exact = NEW_N(mem, double, c->p.nlogits + 1);
	double *rounded = NEW_N(mem, double, c->p.nlogits + 1);

	if (call(c, c->exact, "logits", exact, NULL) &&
	    call(c, c->rounded, "logits", rounded, NULL))
		check(c, nowhere, "result of logits", c->p.logits, rounded,
		    exact, c->p.nlogits, c->floor);
}

static struct interp *
interpreter(struct verify *v, bool training, bool round)
{
	struct interp_options o = {
	    .seed = SEED, .step = 1, .round = round, .training = training};
	struct interp *in = interp_new(v->m, &o);

	if (in)
		batch_set_parameters(v->m, in);
	else
		v->failed = true;
	return in;
}

static bool
start(struct check *c, bool training)
{
	interp_free(c->exact);
	interp_free(c->rounded);
	c->exact = interpreter(c->v, training, false);
	c->rounded = interpreter(c->v, training, true);
	return c->exact && c->rounded;
}

/* Evaluation and logits, with the parameters after both steps. */
static void
check_forward(struct check *c)
{
	double exact[2], rounded[2];

	if (!start(c, false))
		return;
	take_over(c, &c->p.step[1]);
	call_both(c, "eval", exact, rounded);
	check(c, nowhere, "result of eval", &c->p.nll, &rounded[0], &exact[0],
	    1, c->floor);
	check(c, nowhere, "count of eval", &c->p.count, &rounded[1], &exact[1],
	    1, 0);
	if (c->p.logits)
		check_logits(c);
}

static bool
has_bf16(const struct module *m)
{
	for (int i = 0; i < m->nfunc; i++)
		for (int j = 0; j < m->func[i]->nvalue; j++) {
			const struct value *x = m->func[i]->value[j];

			if (x && x->type && x->type->dtype == DT_BF16)
				return true;
		}
	return false;
}

static bool
emit_and_run(struct check *c)
{
	const struct verify_options *o = c->v->o;
	struct module *m = c->v->m;
	bool ok;

	if (o->around_c)
		o->around_c(m);
	ok = probe_run(&c->p, m, &c->v->batch, SEED, LEARNING_RATE, o->verbose);
	if (o->around_c)
		o->around_c(m);
	return ok;
}

void
verify_c(struct verify *v)
{
	struct check c = {.v = v};
	bool bf16 = has_bf16(v->m);

	module_set_number(v->m, "recipe.eps", 1, (struct span){0});
	c.times = bf16 ? BF16_TIMES : F32_TIMES;
	c.floor = bf16 ? BF16_FLOOR : F32_FLOOR;
	if (!emit_and_run(&c) || !start(&c, true))
		v->failed = true;
	for (int i = 0; i < 2 && !v->failed; i++)
		check_step(&c, i);
	if (!v->failed)
		check_forward(&c);
	interp_free(c.exact);
	interp_free(c.rounded);
	if (!v->failed)
		fprintf(v->o->out,
		    "  %-12s %6" PRIu64 " tensors, %8" PRIu64
		    " elements of two steps, evaluation and logits agree in "
		    "%s (at worst %.2f of what is accepted)\n",
		    "C", c.tensors, c.elements, bf16 ? "bf16" : "f32", c.worst);
}
