/* A rehearsal: the program without what it computes or sends. */
#include "config.h"

#include "runtime/main/rehearse.h"

#include "runtime/comm/comm.h"
#include "runtime/gpu/device.h"
#include "runtime/gpu/nccl.h"
#include "runtime/main/run.h"

int
lt_rehearse(struct lt *rt)
{
	struct lt_run *run = rt->run;
	struct lt_comm *c = rt->comm;
	bool eval = run->data.val_batches > 0;
	bool logits = run->opt.sample > 0 && rt->prog->logits;
	struct lt was = *rt;
	int rc;

	if (!rt->gpu && !rt->prog->rehearse)
		return LT_OK;
	rt->watch = NULL;
	if (c)
		c->rehearses = true;
	if (rt->gpu)
		lt_gpu_rehearse(rt, eval, logits);
	else
		rt->prog->rehearse(rt);
	if (c)
		c->rehearses = false;
	*rt = was;
	rc = lt_nccl_reserve(rt);
	run->allocated += c ? c->reserved : 0;
	return rc;
}
