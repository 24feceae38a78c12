/* FLOPs of a step: of the model, and as executed with recomputation. */
#include "config.h"

#include <string.h>

#include "codegen/emit.h"
#include "ir/flops.h"

static double
region_flops(const struct module *m, const struct region *r)
{
	double sum = 0;

	for (int i = 0; i < r->n; i++) {
		const struct op *op = r->op[i];

		if (op->code == OP_FOR)
			sum += region_flops(m, &op->body) * (double)
			    (bound_eval(m, &op->hi) - bound_eval(m, &op->lo));
		else if (op->code == OP_CALL)
			sum += region_flops(m, &op->callee->body);
		else
			sum += op_flops(m, op);
	}
	return sum;
}

void
codegen_flops(const struct module *m, double *model, double *hardware)
{
	struct func *step = module_func(m,
	    module_namez((struct module *)m, "step"));
	struct func *eval = module_func(m,
	    module_namez((struct module *)m, "eval"));
	struct dimdef *mb = module_dim(m,
	    module_namez((struct module *)m, "mb"));

	*hardware = step ? region_flops(m, &step->body) : 0;
	*model = eval ? 3 * region_flops(m, &eval->body) *
	    (mb ? (double)mb->size : 1) : 0;
}
