#include "tests/kernels/attn_run.h"

#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <new>

/* A buffer with a margin that must stay as it is. */
template <class T> struct guarded {
	enum { MARGIN = 64 };
	size_t n;
	std::vector<T> x;

	guarded(size_t n) : n(n), x(n + 2 * MARGIN)
	{
		memset(x.data(), 0xff, x.size() * sizeof(T)); /* NaN */
	}
	T *at() { return x.data() + MARGIN; }
	bool
	whole() const
	{
		const unsigned char *p = (const unsigned char *)x.data();
		size_t m = MARGIN * sizeof(T), end = (MARGIN + n) * sizeof(T);

		for (size_t i = 0; i < m; i++)
			if (p[i] != 0xff || p[end + i] != 0xff)
				return false;
		return true;
	}
};

/* 64-byte aligned copies: the kernels read 16 bytes at once. */
template <class T> struct aligned {
	T *p;

	aligned(const std::vector<T> &x)
	{
		size_t bytes = x.size() * sizeof(T);

		p = (T *)::operator new((bytes + 127) & ~(size_t)63,
		    std::align_val_t(64));
		memcpy(p, x.data(), bytes);
	}
	aligned(const aligned &) = delete;
	~aligned() { ::operator delete(p, std::align_val_t(64)); }
};

struct run {
	const attn_kernels &kernels;
	const attn_case &c;
	bool ok;

	void
	say(const char *what, size_t i, double got, double want, double bound)
	{
		if (ok)
			fprintf(stderr, "%s %s: %s[%zu] is %.9g, must be %.9g, off by %.3g, allowed "
			    "%.3g\n", kernels.name, c.shape.name, what, i, got, want,
			    fabs(got - want), bound);
		ok = false;
	}
	void
	compare(const char *what, size_t i, double got, double want, double bound)
	{
		if (got != want && !(fabs(got - want) <= bound + 1e-30))
			say(what, i, got, want, bound);
	}
	template <class T>
	void
	margin(const char *what, const guarded<T> &g)
	{
		if (!g.whole())
			say(what, g.n, 0, 0, 0);
	}
};

/* The map of [b, rows, heads, d], in boxes of 64 columns of some rows. */
static lk_tmap
map_of(const void *x, int d, int heads, int rows, int b, int box)
{
	lk_emu_tmap m = {};
	lk_tmap t = {};

	m.base = x;
	m.rank = 4;
	m.swizzle = 1;
	m.size[0] = d;
	m.size[1] = heads;
	m.size[2] = rows;
	m.size[3] = b;
	for (int i = 0; i < 4; i++) {
		m.stride[i] = i ? m.stride[i - 1] * m.size[i - 1] : 1;
		m.box[i] = i == 0 ? 64 : i == 2 ? box : 1;
	}
	memcpy(&t, &m, sizeof m);
	return t;
}

static void
launch(const attn_launch &l, const attn_args &a, int d)
{
	int rows = l.over_keys ? a.sk : a.sq, heads = a.heads * a.group;
	unsigned grid[3] = {(unsigned)(((rows + l.rows - 1) / l.rows) * l.parts),
		(unsigned)(l.over_keys ? a.heads : heads), (unsigned)a.b};
	attn_tma_args t = {};

	if (l.blocks > 0) {
		grid[0] = (unsigned)l.blocks;
		grid[1] = grid[2] = 1;
	}
	if (l.box_q == 0) {
		l.fn(&a, grid, l.threads, l.smem);
		return;
	}
	t.at = a;
	t.section = std::min(a.group * 2, heads * a.b);
	t.q = map_of(a.q, d, heads, a.sq, a.b, l.box_q);
	t.dout = map_of(a.dout, d, heads, a.sq, a.b, l.box_q);
	t.k = map_of(a.k, d, a.heads, a.sk, a.b, l.box_k);
	t.v = map_of(a.v, d, a.heads, a.sk, a.b, l.box_k);
	l.fn(&t, grid, l.threads, l.smem);
}

/* The ranges of documents of a piece's keys and of the queries. */
struct spans {
	std::vector<int> q, k;

	spans(const run &r, attn_args *a)
	{
		if (!a->qdoc || r.kernels.call_fwd)
			return;
		make(r, a->b, a->sq, a->qdoc, &q);
		make(r, a->b, a->sk, a->kdoc, &k);
		a->qspan = q.data();
		a->kspan = k.data();
	}
	static void
	make(const run &r, int b, int rows, const int *doc, std::vector<int> *to)
	{
		uint64_t n = lt_attn_spans((uint32_t)b, (uint32_t)rows);
		attn_docs_args args = {doc, NULL, b, rows};
		unsigned grid[3] = {(unsigned)((n + 3) / 4), 1, 1};

		to->resize(2 * n);
		args.span = to->data();
		r.kernels.docs(&args, grid, 128, 0);
	}
};

static attn_args
args_of(run &r, const attn_piece &p)
{
	lt_attn shape = attn_case_step(r.c, p);
	attn_args a;

	if (!lt_attn_args(&a, &shape))
		r.say("args", 0, 0, 0, 0);
	return a;
}

static void
run_fwd(run &r, const attn_piece &p, const attn_args &a)
{
	lt_attn shape = attn_case_step(r.c, p);

	if (r.kernels.call_fwd)
		r.kernels.call_fwd(&shape, &a);
	else
		launch(r.kernels.fwd, a, r.c.d);
}

static void
run_bwd(run &r, const attn_piece &p, const attn_args &a)
{
	lt_attn shape = attn_case_step(r.c, p);

	if (r.kernels.call_bwd) {
		r.kernels.call_bwd(&shape, &a);
		return;
	}
	launch(r.kernels.keys, a, r.c.d);
	launch(r.kernels.queries, a, r.c.d);
}

/* Steps in an order that is not that of the keys. */
static std::vector<size_t>
order_of(const attn_case &c)
{
	std::vector<size_t> order;
	size_t n = c.piece.size();

	for (size_t i = 0; i < n; i++)
		order.push_back(n % 3 ? (i * 3 + 1) % n : n - 1 - i);
	return order;
}

static void
forward(run &r, std::vector<float> *z_out)
{
	const attn_case &c = r.c;
	bool ring = c.shape.steps > 0;
	guarded<uint16_t> o(c.q.size());
	guarded<float> acc(c.q.size()), z(c.z.size());
	aligned<uint16_t> q(c.q);

	if (ring)
		std::fill_n(z.at(), z.n, -INFINITY);
	for (size_t i : order_of(c)) {
		const attn_piece &p = c.piece[i];
		aligned<uint16_t> k(p.k), v(p.v);
		attn_args a = args_of(r, p);
		spans docs(r, &a);

		a.q = q.p;
		a.k = k.p;
		a.v = v.p;
		a.o = o.at();
		a.acc = ring ? acc.at() : NULL;
		a.z = z.at();
		run_fwd(r, p, a);
	}
	for (size_t i = 0; i < c.q.size(); i++)
		r.compare("o", i, ring ? acc.at()[i] : attn_bf(o.at()[i]), c.o[i], c.o_bound[i]);
	for (size_t i = 0; i < c.z.size(); i++)
		r.compare("z", i, z.at()[i], c.z[i], c.z_bound[i]);
	r.margin("o", o);
	r.margin("acc", acc);
	r.margin("z", z);
	z_out->assign(z.at(), z.at() + z.n);
}

/* Gradients of one call, or sums that began with 0.5. */
struct gradient {
	guarded<uint16_t> half;
	guarded<float> sum;
	bool ring;

	gradient(size_t n, bool ring) : half(n), sum(n), ring(ring)
	{
		std::fill_n(sum.at(), ring ? n : 0, .5f);
	}
	void *at() { return ring ? (void *)sum.at() : (void *)half.at(); }
	void
	check(run &r, const char *what, const std::vector<double> &want,
	    const std::vector<double> &bound)
	{
		double e = 2. * (double)(r.c.piece.size() + 1) / (1 << 24);

		for (size_t i = 0; i < want.size(); i++)
			if (ring)
				r.compare(what, i, sum.at()[i], .5 + want[i],
				    bound[i] + e * (1 + fabs(want[i])));
			else
				r.compare(what, i, attn_bf(half.at()[i]), want[i], bound[i]);
		r.margin(what, half);
		r.margin(what, sum);
	}
};

static void
backward(run &r, const std::vector<float> &z_in)
{
	const attn_case &c = r.c;
	bool ring = c.shape.steps > 0;
	gradient dq(c.q.size(), ring);
	aligned<uint16_t> q(c.q), dout(c.dout);
	aligned<float> z(z_in), delta(c.delta);

	for (size_t i : order_of(c)) {
		const attn_piece &p = c.piece[i];
		gradient dk(p.k.size(), ring), dv(p.v.size(), ring);
		aligned<uint16_t> k(p.k), v(p.v);
		attn_args a = args_of(r, p);
		spans docs(r, &a);

		a.q = q.p;
		a.k = k.p;
		a.v = v.p;
		a.dout = dout.p;
		a.z = z.p;
		a.delta = delta.p;
		a.dq = dq.at();
		a.dk = dk.at();
		a.dv = dv.at();
		run_bwd(r, p, a);
		dk.check(r, "dk", p.dk, p.dk_bound);
		dv.check(r, "dv", p.dv, p.dv_bound);
	}
	dq.check(r, "dq", c.dq, c.dq_bound);
}

bool
attn_run(const attn_kernels &kernels, const attn_case &c)
{
	run r = {kernels, c, true};
	std::vector<float> z;

	forward(r, &z);
	if (kernels.keys.fn || kernels.call_bwd)
		backward(r, z);
	return r.ok;
}
