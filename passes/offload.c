/*
 * The third choice beside keeping and making again: the host keeps it.
 *
 *   before                              after
 *   fn layer(l:L, x) { ...              fn layer(l:L, x) { ...
 *     o, z = attn q, k, v                 o, z = attn q, k, v
 *     ...                                 o_host = offload o
 *     save x, o, z                        ...
 *   }                                     save x, o_host, z }
 *   fn layer.bwd(l:L, dr) {             fn layer.bwd(l:L, dr) {
 *     x, o, z = load                      x, z = load
 *                                         o = fetch layer.o_host at l
 *
 * The device then has o for as long as the layer needs it, forward and
 * backward.  schedule sends it as soon as it is made, on a lane of its own;
 * rotate fetches it one layer ahead.
 */
#include "config.h"

#include "passes/recompute.h"

static int
position(const struct region *r, const struct op *op)
{
	int i = 0;

	while (op && i < r->n && r->op[i] != op)
		i++;
	return i;
}

static struct op *
save_of(const struct func *f)
{
	for (int i = 0; i < f->body.n; i++)
		if (f->body.op[i]->code == OP_SAVE)
			return f->body.op[i];
	return NULL;
}

/* x_host = offload x, behind what makes x. */
static struct value *
send(struct module *m, struct func *f, struct value *x)
{
	struct op *op = op_new(m, OP_OFFLOAD, 1, 1, x->at);
	const char *name = func_fresh(m, f, arena_printf(m->mem, "%s_host",
	    x->name));

	op->in[0] = arg_value(x);
	op->out[0] = func_value(m, f, name, x->type, x->at);
	op->out[0]->def = op;
	region_insert(m, &f->body, x->def ? position(&f->body, x->def) + 1 : 0,
	    op);
	return op->out[0];
}

/* v of the twin is what layer l of its block has sent. */
static void
bring(struct module *m, struct func *b, struct value *v, const char *kept, int i)
{
	struct op *op = op_new(m, OP_FETCH, 0, 1, v->at);

	op->callee = b->twin;
	op->kept = kept;
	op->indexed = true;
	op->index = affine_var(b->index);
	op->out[0] = v;
	v->def = op;
	region_insert(m, &b->body, position(&b->body, twin_load(b)) + 1 + i, op);
}

static bool
drop_empty(struct region *r, struct op *op)
{
	if (op->nout)
		return false;
	for (int i = position(r, op); i + 1 < r->n; i++)
		r->op[i] = r->op[i + 1];
	r->n--;
	return true;
}

static void
offload_twin(struct module *m, struct func *b, keep_fn *host, void *arg)
{
	struct op *load = twin_load(b), *save = save_of(b->twin);
	int n = 0, all = load->nout;

	for (int i = 0; i < all; i++) {
		struct value *v = load->out[i];
		struct value *x = func_find(b->twin, v->name);
		int at = 0;

		while (at < save->nin && save->in[at].v != x)
			at++;
		if (at == save->nin || !host(arg, b->twin, x)) {
			load->out[n++] = v;
			continue;
		}
		save->in[at].v = send(m, b->twin, x);
		bring(m, b, v, save->in[at].v->name, i - n);
	}
	load->nout = n;
	drop_empty(&b->body, load);
}

void
recompute_offload(struct module *m, keep_fn *host, void *arg)
{
	for (int i = 0; i < m->nfunc; i++)
		if (m->func[i]->twin && m->func[i]->index &&
		    twin_load(m->func[i]))
			offload_twin(m, m->func[i], host, arg);
}

static void
count_host(struct op *op, void *arg)
{
	*(int *)arg += op_info[op->code].group == GROUP_HOST;
}

bool
recompute_offloads(const struct module *m)
{
	int n = 0;

	for (int i = 0; i < m->nfunc; i++)
		region_walk(&m->func[i]->body, count_host, &n);
	return n > 0;
}
