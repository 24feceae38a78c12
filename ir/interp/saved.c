/* What a function saved for its twin, by layer. */
#include "config.h"

#include "ir/interp/state.h"

#include <stdlib.h>

static struct saved *
saved_by(struct interp *in, const struct func *f, int64_t index)
{
	for (struct saved *s = in->saved; s; s = s->next)
		if (s->func == f && s->index == index)
			return s;
	return NULL;
}

void
interp_SAVE(struct step *s)
{
	struct saved *v = saved_by(s->in, s->frame->f, s->frame->index);

	if (!v) {
		v = calloc(1, sizeof *v);
		if (!v)
			abort();
		*v = (struct saved){s->frame->f, s->frame->index, s->op, NULL,
		    s->in->saved};
		s->in->saved = v;
	}
	for (int i = 0; v->t && i < s->op->nin; i++)
		tensor_unref(s->in, v->t[i]);
	free(v->t);
	v->t = operand_tensors(s->in, s->frame, s->op);
}

static struct tensor *
saved_value(const struct saved *s, const char *name)
{
	for (int i = 0; s && i < s->save->nin; i++)
		if (s->save->in[i].kind == ARG_VALUE &&
		    s->save->in[i].v->name == name)
			return s->t[i];
	return NULL;
}

struct tensor *
saved_tensor(struct interp *in, const struct func *f, int64_t index,
    const char *name)
{
	struct tensor *t = saved_value(saved_by(in, f, index), name);

	return t ? tensor_ref(t) : NULL;
}

void
interp_LOAD(struct step *s)
{
	const struct saved *v = saved_by(s->in, s->frame->f->twin,
	    s->frame->index);

	for (int i = 0; i < s->op->nout; i++) {
		struct value *x = s->op->out[i];
		struct tensor *t = saved_value(v, x->name);

		if (!t)
			step_error(s, "%s was not saved for layer %lld",
			    x->name, (long long)s->frame->index);
		else
			frame_bind(s->in, s->frame, x, tensor_ref(t));
	}
}
