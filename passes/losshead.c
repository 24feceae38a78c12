/*
 * losshead: logits that only the loss reads never exist as a whole.
 *
 *   before                               after
 *   lg = dot h, E.head : f32[b,s,v]
 *   nll = xent lg, lab : f32[]           nll = xent.dot h, E.head, lab
 *                                            {chunk=512} : f32[]
 *
 * The fused op works on a chunk of tokens at a time.  A chunk's logits are
 * f32[chunk, v].  Each chunk reads the weights and adds to their gradient, so
 * with few tokens memory traffic decides: 16 e v bytes of it meet 6 chunk e v
 * FLOPs.  With chunk = e / 2 the logits are half as large as the weights, of
 * which a training program has four copies already; that much, or 64 MiB if
 * that is more, is worth it.  Chunks are made equally long.
 *
 * needs: nothing.  keeps: all other values.  leaves: dead products.
 */
#include "config.h"

#include "passes/pass.h"
#include "passes/rewrite.h"

enum { CHUNK_BYTES = 64 << 20, CHUNK_TOKENS = 256 };

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
chunk_tokens(const struct module *m, const struct type *labels,
    const struct type *h, const struct type *logits)
{
	uint64_t tokens = type_global_count(m, labels);
	uint64_t classes = type_global_count(m, logits) / tokens;
	uint64_t width = type_global_count(m, h) / tokens;
	uint64_t n = larger(CHUNK_BYTES / sizeof(float) / classes, width / 2);
	uint64_t chunks;

	n = larger(n, CHUNK_TOKENS);
	if (n >= tokens)
		return tokens;
	chunks = (tokens + n - 1) / n;
	return (tokens + chunks - 1) / chunks;
}

/* The rest of what W maps from must be all that h has beyond the tokens. */
static bool
is_head(const struct module *m, const struct op *dot, const struct type *labels)
{
	const struct type *h = arg_type(m, &dot->in[0]);
	const struct type *w = arg_type(m, &dot->in[1]);

	if (dot->into || dot->has_target || dot->in[0].kind != ARG_VALUE ||
	    h->rank <= labels->rank ||
	    w->rank != h->rank - labels->rank + 1)
		return false;
	for (int i = 0; i < labels->rank; i++)
		if (h->d[i].name != labels->d[i].name)
			return false;
	for (int i = labels->rank; i < h->rank; i++)
		if (type_find(w, h->d[i].name) < 0)
			return false;
	return true;
}

static void
fuse_head(struct module *m, struct func *f, struct op *xent)
{
	struct op *dot = xent->in[0].v ? xent->in[0].v->def : NULL;
	const struct type *labels = arg_type(m, &xent->in[1]);
	struct arg *in;

	if (!dot || dot->code != OP_DOT || !is_head(m, dot, labels) ||
	    count_uses(f, dot->out[0]) != 1)
		return;
	in = NEW_N(m->mem, struct arg, 3);
	in[0] = dot->in[0];
	in[1] = dot->in[1];
	in[2] = xent->in[1];
	op_set_int(m, xent, ATTR_CHUNK, (int64_t)chunk_tokens(m, labels,
	    in[0].v->type, dot->out[0]->type));
	xent->code = OP_XENT_DOT;
	xent->in = in;
	xent->nin = 3;
}

static void
fuse_heads(struct module *m, struct func *f, struct region *r)
{
	for (int i = 0; i < r->n; i++) {
		if (r->op[i]->code == OP_XENT)
			fuse_head(m, f, r->op[i]);
		fuse_heads(m, f, &r->op[i]->body);
	}
}

static int
losshead(struct module *m)
{
	for (int i = 0; i < m->nfunc; i++) {
		fuse_heads(m, m->func[i], &m->func[i]->body);
		remove_dead(m->func[i]);
	}
	return 0;
}

const struct pass pass_losshead = {
	.name = "losshead",
	.summary = "the loss head works on chunks of tokens",
	.run = losshead,
};
