/*
 * Gradients against differences of the loss.
 *
 * For a parameter tensor W and a direction D of +-1, with G = dloss/dW:
 *
 *   (loss(W + hD) - loss(W - hD)) / 2h  =  <G, D> + h^2/6 third derivative
 *
 * With h = 1e-5, two losses below 10 that are off by 10 * 2^-53 each leave
 * 1e-9 on the left side; the third derivative along D, for a tensor of n
 * elements about n^1.5 |G|, adds 1e-7 |G| at n = 400.  |G| (the Euclidean norm)
 * is what a wrong gradient is wrong by; accepted are 1e-5 |G| + 1e-8.  A norm
 * over one or two elements can bend more than that; a step of h/16 tells.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "driver/verify_state.h"
#include "support/rng.h"

static const double H = 1e-5, RELATIVE = 1e-5, ABSOLUTE = 1e-8;

static double
direction(uint64_t i)
{
	return lt_rng_u64(13, 1, i) & 1 ? 1 : -1;
}

static struct interp *
fresh(struct verify *v)
{
	struct interp_options o = {.seed = 5, .step = 1};
	struct interp *in = interp_new(v->m, &o);

	if (in)
		batch_set_parameters(v->m, in);
	return in;
}

/* The mean loss with field j of b moved by h along its direction. */
static double
loss_at(struct verify *v, const struct bundle *b, int j, double h)
{
	struct interp *in = fresh(v);
	const struct func *f = module_func(v->m, "step");
	double loss = NAN, gn, *result[] = {&loss, &gn}, *x;
	uint64_t n;

	if (!in)
		return NAN;
	n = interp_count(in, b, j);
	x = calloc(n + 1, sizeof *x);
	if (!x)
		abort();
	interp_get(in, b, j, x);
	for (uint64_t i = 0; i < n; i++)
		x[i] += h * direction(i);
	interp_set(in, b, j, x);
	interp_refresh(in);
	if (!interp_run(in, "step", 0, batch_args(&v->batch, v->m, f), result))
		v->failed = true;
	free(x);
	interp_free(in);
	return loss;
}

static const struct bundle *
gradient_of(const struct module *m, const struct bundle *b)
{
	for (int i = 0; i < m->nbundle; i++)
		if (m->bundle[i]->of == b && m->bundle[i]->role == ROLE_GRAD)
			return m->bundle[i];
	return NULL;
}

static void
slope_of_gradient(struct interp *in, const struct bundle *g, int j,
    double *slope, double *norm)
{
	uint64_t n = interp_count(in, g, j);
	double *x = calloc(n + 1, sizeof *x);

	if (!x)
		abort();
	interp_get(in, g, j, x);
	*slope = *norm = 0;
	for (uint64_t i = 0; i < n; i++) {
		*slope += x[i] * direction(i);
		*norm += x[i] * x[i];
	}
	*norm = sqrt(*norm);
	free(x);
}

/* True if differences with a step of h say that the slope is right. */
static bool
agrees(struct verify *v, const struct bundle *b, int j, double h, double slope,
    double norm, double *found)
{
	*found = (loss_at(v, b, j, h) - loss_at(v, b, j, -h)) / (2 * h);
	return fabs(*found - slope) <= RELATIVE * norm + ABSOLUTE * (H / h);
}

static bool
check_field(struct verify *v, struct interp *in, const struct bundle *b, int j)
{
	double slope, norm, found;

	slope_of_gradient(in, gradient_of(v->m, b), j, &slope, &norm);
	if (agrees(v, b, j, H, slope, norm, &found) ||
	    agrees(v, b, j, H / 16, slope, norm, &found))
		return true;
	if (!v->failed)
		diag_error(v->m->diag, b->field[j].at,
		    "verify: the gradient of %s is wrong: along one direction "
		    "the loss rises by %.12g, by its gradient %.12g",
		    verify_field(v, b, j), found, slope);
	v->failed = true;
	return false;
}

void
verify_slopes(struct verify *v)
{
	struct interp *in = fresh(v);
	const struct func *f = module_func(v->m, "step");
	int n = 0;

	if (!in ||
	    !interp_run(in, "step", 0, batch_args(&v->batch, v->m, f), NULL)) {
		v->failed = true;
		interp_free(in);
		return;
	}
	for (int i = 0; i < v->m->nbundle; i++) {
		const struct bundle *b = v->m->bundle[i];

		if (b->role != ROLE_PARAM || !gradient_of(v->m, b))
			continue;
		for (int j = 0; j < b->nfield && !v->failed; j++)
			n += check_field(v, in, b, j);
	}
	interp_free(in);
	if (!v->failed)
		fprintf(v->o->out,
		    "  %-12s %6d gradients agree with "
		    "differences of the loss\n",
		    "slopes", n);
}
