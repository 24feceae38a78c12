/* Values on the host: here they are values like others, with other names. */
#include "config.h"

#include "ir/interp/state.h"

void
interp_OFFLOAD(struct step *s)
{
	frame_bind(s->in, s->frame, s->op->out[0],
	    operand_tensor(s->in, s->frame, s->op, 0));
}

void
interp_FETCH(struct step *s)
{
	int64_t layer = frame_index(s->frame, &s->op->index);
	struct tensor *t = saved_tensor(s->in, s->op->callee, layer,
	    s->op->kept);

	if (!t)
		step_error(s, "%s was not saved by layer %lld of %s",
		    s->op->kept, (long long)layer, s->op->callee->name);
	else
		frame_bind(s->in, s->frame, s->op->out[0], t);
}
