/* attn over axes: what it reads has all keys, what it makes is cut again. */
#include "config.h"

#include "ir/interp/state.h"

#include <string.h>

/* t with no shards over these axes. */
static const struct type *
whole_type(struct module *m, const struct type *t, axis_set axes)
{
	struct type w = *t;

	for (int i = 0; i < w.rank; i++)
		if (dim_axes(&w.d[i]) & axes) {
			memset(w.d[i].s, 0, sizeof w.d[i].s);
			w.d[i].n = 0;
		}
	return type_intern(m, &w);
}

/*
 * attn over axes: k, v and the keys' documents of all ranks are there, dk and
 * dv are what this rank adds to all of them.  Operand nin: documents of keys.
 */
void
step_widen(struct step *s)
{
	int at = s->op->code == OP_ATTN ? 1 : 2, n = s->op->nin;
	axis_set axes = op_axes(s->op);

	s->wide = NEW_N(&s->in->scratch, struct tensor *, (size_t)n + 1);
	for (int i = at; i < n && !s->in->failed; i++) {
		bool doc = i == at + (at == 1 ? 2 : 4);
		struct tensor *x;

		if (i > at + 1 && !doc)
			continue;
		x = operand_tensor(s->in, s->frame, s->op, i);
		if (s->in->failed)
			return;
		s->xt[doc ? n : i] = whole_type(s->in->m, s->xt[i], axes);
		s->wide[doc ? n : i] = tensor_regroup(s->in, x,
		    s->xt[doc ? n : i], s->loop, axes, false);
		tensor_unref(s->in, x);
	}
	for (int i = 1; i < s->op->nout && at == 2; i++)
		s->yt[i] = whole_type(s->in->m, s->yt[i], axes);
}

/* The ranks' shares of dk and dv are added, and each takes its own. */
void
step_narrow(struct step *s, struct tensor **out)
{
	for (int i = 0; i < s->op->nout; i++) {
		const struct type *want = s->op->out[i]->type;
		struct tensor *x = out[i];

		if (s->yt[i] == want)
			continue;
		out[i] = tensor_regroup(s->in, x, want, s->loop,
		    op_axes(s->op), true);
		tensor_unref(s->in, x);
	}
	for (int i = 0; i <= s->op->nin; i++)
		tensor_unref(s->in, s->wide[i]);
}
