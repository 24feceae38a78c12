/*
 * Element-by-element ops: one formula each.
 *
 * Operands are broadcast to the result's dims by name.  `d` is the gradient of
 * the result; a .bwd op gives the gradient of the named operand.
 */
#include "config.h"

#include "ir/interp/state.h"

#include <math.h>
#include <string.h>

#include "support/rng.h"

/* Operand i at every element of result 0. */
static const uint64_t *
at(struct step *s, int i)
{
	struct space a = space_of(s, s->yt[0]);

	return offsets(s, &a, s->xt[i]);
}

#define UNARY(code, formula)                                                   \
	void interp_##code(struct step *s)                                     \
	{                                                                      \
		uint64_t n = local_count(s, s->yt[0]);                         \
                                                                               \
		for (uint64_t i = 0; i < n; i++) {                             \
			double x = s->x[0][i];                                 \
                                                                               \
			s->y[0][i] = formula;                                  \
		}                                                              \
	}

#define BINARY(code, first, second, formula)                                   \
	void interp_##code(struct step *s)                                     \
	{                                                                      \
		uint64_t n = local_count(s, s->yt[0]);                         \
		const uint64_t *p = at(s, 0), *q = at(s, 1);                   \
                                                                               \
		for (uint64_t i = 0; i < n; i++) {                             \
			double first = s->x[0][p[i]];                          \
			double second = s->x[1][q[i]];                         \
                                                                               \
			s->y[0][i] = formula;                                  \
		}                                                              \
	}

static double
sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

/* d silu / dx */
static double
silu_slope(double x)
{
	double q = sigmoid(x);

	return q * (1 + x * (1 - q));
}

static double
gelu(double x)
{
	return x / 2 * (1 + erf(x * M_SQRT1_2));
}

/* Phi(x) + x phi(x) */
static double
gelu_slope(double x)
{
	return (1 + erf(x * M_SQRT1_2)) / 2 +
	    x * exp(-x * x / 2) * M_SQRT1_2 * M_2_SQRTPI / 2;
}

#define GELU_C (M_SQRT1_2 * M_2_SQRTPI) /* sqrt(2 / pi) */

static double
gelu_tanh(double x)
{
	return x / 2 * (1 + tanh(GELU_C * (x + 0.044715 * x * x * x)));
}

static double
gelu_tanh_slope(double x)
{
	double t = tanh(GELU_C * (x + 0.044715 * x * x * x));

	return (1 + t) / 2 +
	    x / 2 * (1 - t * t) * GELU_C * (1 + 3 * 0.044715 * x * x);
}

/* The least 2^k, k at least -100, with amax <= 1.75 2^(top+k), the largest
 * number of the format; NaN from 2^100 on. */
static double
fp8_scale(double amax, int top)
{
	int k;
	double m = frexp(amax, &k);

	k += m > 0.875 ? -top : -top - 1;
	return !(amax < 0x1p100) ? NAN :
	    ldexp(1, amax == 0 || k < -100 ? -100 : k);
}

/*
 * The nearest number of fp8: `bits` of fraction from 2^bottom on, evenly
 * spaced below, ties to even, nothing beyond 1.75 2^top.
 */
static double
fp8(double x, int bits, int top, int bottom)
{
	int e;
	double most = ldexp(1.75, top);

	if (isnan(x))
		return x;
	frexp(x, &e);
	e = (x == 0 || e - 1 < bottom ? bottom : e - 1) - bits;
	return fmax(-most, fmin(most, ldexp(nearbyint(ldexp(x, -e)), e)));
}

/* All results, whatever the order of their dims. */
static void
quantize(struct step *s, int bits, int top, int bottom)
{
	for (int i = 0; i < s->op->nout; i++) {
		struct space a = space_of(s, s->yt[i]);
		const uint64_t *p = offsets(s, &a, s->xt[0]);

		for (uint64_t j = 0; j < a.count; j++)
			s->y[i][j] = fp8(s->x[0][p[j]] / s->x[1][0], bits, top,
			    bottom);
	}
}

void
interp_E4M3(struct step *s)
{
	quantize(s, 3, 8, -6);
}

void
interp_E5M2(struct step *s)
{
	quantize(s, 2, 15, -14);
}

/* clang-format off */
UNARY(CAST, x)
UNARY(NEG, -x)
UNARY(SILU, x * sigmoid(x))
UNARY(GELU, gelu(x))
UNARY(GELU_TANH, gelu_tanh(x))
UNARY(RELU, x > 0 ? x : 0)
UNARY(TANH, tanh(x))
UNARY(SIGMOID, sigmoid(x))
UNARY(EXP, exp(x))
UNARY(LOG, log(x))
UNARY(SQRT, sqrt(x))
UNARY(E4M3_SCALE, fp8_scale(x, 8))
UNARY(E5M2_SCALE, fp8_scale(x, 15))
UNARY(RECIP, x == 0 ? 0 : 1 / x)

BINARY(ADD, x, y, x + y)
BINARY(SUB, x, y, x - y)
BINARY(MUL, x, y, x * y)
BINARY(DIV, x, y, x / y)
BINARY(SILU_BWD, d, x, d * silu_slope(x))
BINARY(GELU_BWD, d, x, d * gelu_slope(x))
BINARY(GELU_TANH_BWD, d, x, d * gelu_tanh_slope(x))
BINARY(RELU_BWD, d, x, x > 0 ? d : 0)
BINARY(TANH_BWD, d, y, d * (1 - y * y))
BINARY(SIGMOID_BWD, d, y, d * y * (1 - y))
BINARY(SWIGLU, u, t, u * sigmoid(u) * t)
/* clang-format on */

void
interp_SWIGLU_BWD(struct step *s)
{
	uint64_t n = local_count(s, s->yt[0]);

	for (uint64_t i = 0; i < n; i++) {
		double d = s->x[0][i], u = s->x[1][i], t = s->x[2][i];

		s->y[0][i] = d * t * silu_slope(u);
		s->y[1][i] = d * u * sigmoid(u);
	}
}

void
interp_RENAME(struct step *s)
{
	uint64_t n = local_count(s, s->yt[0]);

	memcpy(s->y[0], s->x[0], n * sizeof(double));
}

/* Repeats x along the dims it lacks. */
void
interp_SPREAD(struct step *s)
{
	uint64_t n = local_count(s, s->yt[0]);
	const uint64_t *p = at(s, 0);

	for (uint64_t i = 0; i < n; i++)
		s->y[0][i] = s->x[0][p[i]];
}

void
interp_CLIP(struct step *s)
{
	double max = op_real(s->op, ATTR_MAX), gn = s->x[0][0];

	s->y[0][0] = max > 0 && gn > max ? max / gn : 1;
}

/*
 * y = x / (1 - rate) where the element's random word lives, else 0.  The
 * element's index is global and counts microbatches, and passes over
 * padding, so the mask does not depend on ranks or on how a batch is cut.
 */
static void
dropout(struct step *s)
{
	const struct type *t = s->yt[0];
	double rate = op_real(s->op, ATTR_RATE);
	uint64_t n = local_count(s, t), keep = lt_dropout_threshold(rate);
	uint64_t stream = lt_dropout_stream(s->in->opt.step,
	    op_int(s->op, ATTR_KEY) + s->frame->index);
	uint64_t first = (uint64_t)s->in->micro * type_real_count(s->in->m, t);
	const uint64_t *pos[MAX_RANK];

	for (int d = 0; d < t->rank; d++)
		pos[d] = positions(s, t, d);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t rest = i, index = 0, scale = 1;

		for (int d = t->rank - 1; d >= 0; d--) {
			uint64_t size = local_size(s, t, d);

			index += pos[d][rest % size] * scale;
			rest /= size;
			scale *= dim_real_size(s->in->m, &t->d[d]);
		}
		s->y[0][i] = !s->in->opt.training || rate == 0 ? s->x[0][i] :
		    lt_dropout_keeps(s->in->opt.seed, stream, first + index,
		    keep) ? s->x[0][i] / (1 - rate) : 0;
	}
}

void
interp_DROPOUT(struct step *s)
{
	dropout(s);
}

/* The mask does not depend on x: the gradient is masked alike. */
void
interp_DROPOUT_BWD(struct step *s)
{
	dropout(s);
}
