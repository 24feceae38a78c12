#include "tests/kernels/attn_case.h"

#include <string.h>

#include <algorithm>

static const double U = 1. / 256, E = 1. / (1 << 24);

float
attn_bf(uint16_t x)
{
	uint32_t v = (uint32_t)x << 16;
	float f;

	memcpy(&f, &v, 4);
	return f;
}

uint16_t
attn_tobf(float f)
{
	uint32_t v;

	memcpy(&v, &f, 4);
	return (uint16_t)((v + 0x7fff + (v >> 16 & 1)) >> 16);
}

/* Uniform in [-1, 1), xorshift64*. */
struct noise {
	uint64_t x;

	double
	next()
	{
		x ^= x >> 12;
		x ^= x << 25;
		x ^= x >> 27;
		return (double)(int64_t)(x * 0x2545f4914f6cdd1dull) / 9.3e18;
	}
};

/* Variance 1; near enough to normal. */
static void
fill(std::vector<uint16_t> &x, size_t n, noise &r)
{
	x.resize(n);
	for (auto &v : x)
		v = attn_tobf((float)(r.next() + r.next() + r.next()));
}

static void
add_run(lt_runs *to, int start, int len)
{
	to->r[to->n].start = (uint64_t)start;
	to->r[to->n++].len = (uint64_t)len;
}

/* Rows of rank r of n; uneven halves, so that runs end inside tiles. */
static lt_runs
zigzag(int rows, int r, int n)
{
	int half = rows / 2, rest = rows - half;
	lt_runs p = {};

	add_run(&p, r * half, half);
	add_run(&p, n * half + (n - 1 - r) * rest, rest);
	return p;
}

static lt_runs
shuffle(int rows)
{
	static const int order[4] = {2, 0, 3, 1};
	int part = rows / 4;
	lt_runs p = {};

	for (int i : order)
		add_run(&p, i * part, i == 3 ? rows - 3 * part : part);
	return p;
}

static void
place(attn_case *c)
{
	const attn_shape &s = c->shape;
	int n = std::max(s.steps, 1), each = (s.sk + n - 1) / n;

	c->piece.resize(n);
	for (int i = 0; i < n; i++) {
		attn_piece &p = c->piece[i];

		p.rows = std::min(each, s.sk - i * each);
		if (s.layout == ZIGZAG)
			p.pos = zigzag(p.rows, i, n);
		else if (s.layout == SHUFFLE && n == 1)
			p.pos = shuffle(p.rows);
		else if (n > 1)
			add_run(&p.pos, i * each, p.rows);
	}
	if (s.layout == ZIGZAG)
		c->qpos = zigzag(s.sq, n > 1, n);
	else if (s.layout == SHUFFLE)
		c->qpos = shuffle(s.sq);
	else if (s.sq < s.sk)
		add_run(&c->qpos, s.sk - s.sq, s.sq);
}

static int
position(const lt_runs &r, int i)
{
	return r.n ? (int)lt_position(&r, (uint64_t)i) : i;
}

/* Documents get longer: the first has `len` rows, the next len + 7, .. */
static int
document(int at, int len)
{
	int id = 3;

	for (; at >= len; len += 7, id++)
		at -= len;
	return id;
}

static void
make_data(attn_case *c)
{
	const attn_shape &s = c->shape;
	size_t nq = (size_t)s.b * s.sq * s.k * s.g * c->d;
	noise r = {0x9e3779b97f4a7c15ull + (uint64_t)s.sq * 31 + (uint64_t)s.sk};

	fill(c->q, nq, r);
	fill(c->dout, nq, r);
	for (int b = 0; s.docs && b < s.b; b++)
		for (int i = 0; i < s.sq; i++)
			c->qdoc.push_back(document(position(c->qpos, i) + 5 * b, s.docs));
	for (auto &p : c->piece) {
		size_t row = (size_t)s.k * c->d, n = s.b * p.rows * row;

		fill(p.k, n, r);
		fill(p.v, n, r);
		p.dk.assign(n, 0);
		p.dv = p.dk_bound = p.dv_bound = p.dk;
		/* Later keys win: a sum that is not rescaled shows. */
		for (size_t i = 0; i < n; i++) {
			int y = position(p.pos, (int)(i / row % (size_t)p.rows));

			p.k[i] = attn_tobf(attn_bf(p.k[i]) *
			    (0.5f + 3.f * (float)y / (float)s.sk));
		}
		for (int b = 0; s.docs && b < s.b; b++)
			for (int i = 0; i < p.rows; i++)
				p.doc.push_back(document(position(p.pos, i) + 5 * b, s.docs));
	}
	c->o.assign(nq, 0);
	c->dq = c->o_bound = c->dq_bound = c->o;
	c->z.assign(nq / c->d, 0);
	c->z_bound = c->z;
	c->delta.assign(nq / c->d, 0);
}

/* One query, and what it sees of one key. */
struct look {
	attn_piece *p;
	size_t at; /* of the key's row */
	double s, a, w;
};

static double
dot(const uint16_t *x, const uint16_t *y, int d)
{
	double sum = 0;

	for (int i = 0; i < d; i++)
		sum += (double)attn_bf(x[i]) * attn_bf(y[i]);
	return sum;
}

static double
dot_abs(const uint16_t *x, const uint16_t *y, int d)
{
	double sum = 0;

	for (int i = 0; i < d; i++)
		sum += fabs((double)attn_bf(x[i]) * attn_bf(y[i]));
	return sum;
}

static bool
sees(const attn_case &c, int b, int i, const attn_piece &p, int j)
{
	int x = position(c.qpos, i), y = position(p.pos, j);

	if (c.shape.causal && y > x)
		return false;
	if (c.shape.window && x - y >= c.shape.window)
		return false;
	return !c.shape.docs || c.qdoc[(size_t)b * c.shape.sq + i] ==
	    p.doc[(size_t)b * p.rows + j];
}

static std::vector<look>
look_at(attn_case *c, int b, int i, int hk, const uint16_t *q)
{
	std::vector<look> all;

	for (auto &p : c->piece)
		for (int j = 0; j < p.rows; j++) {
			size_t at = (((size_t)b * p.rows + j) * c->shape.k + hk) * c->d;

			if (sees(*c, b, i, p, j))
				all.push_back({&p, at, c->scale * dot(q, &p.k[at], c->d),
				    c->scale * dot_abs(q, &p.k[at], c->d), 0});
		}
	return all;
}

/* Forward of the query at q (its row of z is `row`); A of the bounds. */
static double
forward(attn_case *c, std::vector<look> &all, size_t row)
{
	double max = -INFINITY, sum = 0, a = 0, n = (double)all.size();
	int d = c->d, t = std::max(c->shape.steps, 1);

	for (auto &l : all)
		max = std::max(max, l.s), a = std::max(a, l.a);
	for (auto &l : all)
		sum += l.w = exp(l.s - max);
	double w = t * E * ((d + 16) * a + 64);
	for (auto &l : all) {
		l.w /= sum;
		for (int x = 0; x < d; x++) {
			double v = attn_bf(l.p->v[l.at + x]);

			c->o[row * d + x] += l.w * v;
			c->o_bound[row * d + x] += l.w * fabs(v) * (U + 2 * w + 2 * n * E);
		}
	}
	for (int x = 0; !c->shape.steps && x < d; x++)
		c->o_bound[row * d + x] += U * fabs(c->o[row * d + x]);
	c->z[row] = all.empty() ? -INFINITY : max + log(sum);
	c->z_bound[row] = 2 * w + n * E + 4 * E * fabs(c->z[row]);
	return 3 * w + n * E + 4 * E * fabs(c->z[row]);
}

/* y is the error of its weights. */
static void
backward(attn_case *c, const std::vector<look> &all, size_t row, double y)
{
	const uint16_t *q = &c->q[row * c->d], *dout = &c->dout[row * c->d];
	double n = c->shape.sq * c->shape.g + (double)all.size(), delta = 0;
	int d = c->d;

	for (int x = 0; x < d; x++)
		delta += attn_bf(dout[x]) * c->o[row * d + x];
	c->delta[row] = (float)delta;
	for (auto &l : all) {
		attn_piece &p = *l.p;
		double ds = l.w * (dot(dout, &p.v[l.at], d) - delta);
		double rough = U + y + n * E;
		double e = rough * fabs(ds) +
		    E * (d + 4) * l.w * (dot_abs(dout, &p.v[l.at], d) + fabs(delta));

		for (int x = 0; x < d; x++) {
			size_t at = l.at + x;
			double qx = attn_bf(q[x]), kx = attn_bf(p.k[at]);

			p.dv[at] += l.w * attn_bf(dout[x]);
			p.dv_bound[at] += rough * l.w * fabs(attn_bf(dout[x]));
			p.dk[at] += c->scale * ds * qx;
			p.dk_bound[at] += c->scale * e * fabs(qx);
			c->dq[row * d + x] += c->scale * ds * kx;
			c->dq_bound[row * d + x] += c->scale * e * fabs(kx);
		}
	}
}

static void
add_rounding(const std::vector<double> &x, std::vector<double> &bound)
{
	for (size_t i = 0; i < x.size(); i++)
		bound[i] += U * fabs(x[i]);
}

void
attn_case_make(attn_case *c, const attn_shape &s, int d)
{
	*c = attn_case();
	c->shape = s;
	c->d = d;
	c->scale = 1 / sqrtf((float)d);
	place(c);
	make_data(c);
	for (size_t row = 0; row < c->z.size(); row++) {
		int h = (int)(row % (s.k * s.g)), i = (int)(row / (s.k * s.g));
		auto all = look_at(c, i / s.sq, i % s.sq, h / s.g, &c->q[row * d]);

		backward(c, all, row, forward(c, all, row));
	}
	if (s.steps)
		return;
	add_rounding(c->dq, c->dq_bound);
	for (auto &p : c->piece) {
		add_rounding(p.dk, p.dk_bound);
		add_rounding(p.dv, p.dv_bound);
	}
}

lt_attn
attn_case_step(const attn_case &c, const attn_piece &p)
{
	const attn_shape &s = c.shape;
	lt_attn a = {};

	a.b = (uint32_t)s.b;
	a.sq = (uint32_t)s.sq;
	a.sk = (uint32_t)p.rows;
	a.k = (uint32_t)s.k;
	a.g = (uint32_t)s.g;
	a.d = (uint32_t)c.d;
	a.scale = c.scale;
	a.causal = s.causal;
	a.window = (uint32_t)s.window;
	a.qpos = c.qpos;
	a.kpos = p.pos;
	a.qdoc = s.docs ? c.qdoc.data() : NULL;
	a.kdoc = s.docs ? p.doc.data() : NULL;
	a.type = LT_BF16;
	a.acc = s.steps > 0;
	return a;
}
