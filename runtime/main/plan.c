/* What a run will do, in words and numbers. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/comm/comm.h"
#include "runtime/cpu/cpu.h"
#include "runtime/main/memory.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"
#include "runtime/main/schedule.h"
#include "runtime/metrics/progress.h"

static const char *
flops_text(double x, char buf[32])
{
	static const char *const unit[] = {"", "k", "M", "G", "T", "P", "E"};
	int u = 0;

	for (; x >= 1000 && u < 6; u++)
		x /= 1000;
	snprintf(buf, 32, "%.3g %sFLOP", x, unit[u]);
	return buf;
}

static void
put_data(FILE *f, const struct lt_run *run)
{
	const struct lt_data *d = &run->data;
	double samples = (double)(run->opt.steps * run->prog.micro *
	    run->prog.batch);

	if (!d->file.path) {
		fputs("data       none given (--data PATH)\n", f);
		return;
	}
	fprintf(f, "data       %s: %s; %" PRIu64 " tokens, %" PRIu64
	    " sequences, read %.3g times\n", d->file.path,
	    lt_format_name(d->file.format), d->train.count, d->windows,
	    samples / (double)d->windows);
	if (!d->val.count)
		fputs("held out   nothing\n", f);
	else
		fprintf(f, "held out   %s%s; %" PRIu64 " tokens, %" PRId64
		    " sequences per evaluation\n", d->val.tokens == &d->file ?
		    "the end of " : "", d->val.tokens->path, d->val.count,
		    d->val_batches * run->prog.batch);
}

static void
put_memory(FILE *f, const struct lt_run *run)
{
	uint64_t size[LT_ARENAS];
	uint64_t sum = lt_memory_plan(&run->prog, run->threads, size);
	char text[32];

	fprintf(f, "memory     %" PRIu64 " bytes planned%s (%s):", sum,
	    run->ranks > 1 ? " per rank" : "", lt_memory_text(sum, text));
	for (int i = 0; i < LT_ARENAS; i++)
		fprintf(f, "%s %s %s", i ? "," : "", lt_memory_name(i),
		    lt_memory_text(size[i], text));
	fputc('\n', f);
	if (run->ranks > 1)
		fprintf(f, "           %d ranks: %s, and messages between "
		    "processes or GPUs\n", run->ranks,
		    lt_memory_text(sum * (uint64_t)run->ranks, text));
}

static void
put_ranks(FILE *f, const struct lt_run *run)
{
	const struct lt_program *p = &run->prog;

	if (run->ranks == 1)
		return;
	fprintf(f, "ranks      %d, in this process:", run->ranks);
	for (int i = 0; i < p->naxis; i++)
		fprintf(f, " %s=%d", p->axis[i], p->axis_size[i]);
	fputc('\n', f);
}

static void
put_plan(FILE *f, const struct lt_run *run)
{
	const struct lt_program *p = &run->prog;
	const struct lt_recipe *r = &p->recipe;
	char text[32];

	fprintf(f, "model      %s: %" PRIu64 " parameters in %d tensors, "
	    "vocabulary %" PRId64 " (loongc %s)\n", p->name, p->parameters,
	    p->ntensor, p->vocab, p->version);
	fprintf(f, "step       %" PRId64 " tokens: %" PRId64 " x %" PRId64
	    " sequences of %" PRId64 "; %s of the model",
	    lt_data_step(p), p->micro, p->batch, lt_data_seq(p),
	    flops_text(p->flops_step, text));
	fprintf(f, ", %s executed\n", flops_text(p->flops_hardware, text));
	fprintf(f, "schedule   %" PRId64 " steps, %s, warmup %" PRId64
	    ", learning rate %g to %g\n", run->opt.steps,
	    lt_schedule_name(r), r->warmup, r->lr,
	    lt_schedule_lr(r, run->opt.steps, run->opt.steps));
	put_data(f, run);
	put_ranks(f, run);
	put_memory(f, run);
	fprintf(f, "machine    %d threads%s; %s\n", run->threads,
	    run->ranks > 1 ? " per rank" : "", lt_cpu_describe());
}

void
lt_plan_print(const struct lt *rt)
{
	put_plan(stdout, rt->run);
}

static void
note_peak(const struct lt_run *run)
{
	char text[32];

	if (run->peak <= 0)
		return;
	lt_note("MFU        model FLOPs per second / %s/s (%s)",
	    flops_text(run->peak, text), run->opt.peak > 0 ?
	    "given by --peak" : run->prog.bf16 ?
	    "measured: bf16 matrix product of this machine" :
	    "measured: f32 matrix product of this machine");
	lt_note("           model FLOPs = %s", run->prog.flops_formula);
}

/* The arenas of the plan, and what is sent and does not lie together. */
static void
note_allocated(const struct lt *rt)
{
	const struct lt_run *run = rt->run;
	uint64_t sent = rt->comm ? rt->comm->reserved : 0;
	char text[32];

	lt_note("           %" PRIu64 " bytes allocated%s%s%s", run->allocated,
	    run->ranks > 1 ? " per rank" : "", sent ? "; for messages " : "",
	    sent ? lt_memory_text(sent, text) : "");
}

void
lt_header(const struct lt *rt)
{
	const struct lt_run *run = rt->run;

	if (lt_report_quiet())
		return;
	put_plan(stderr, run);
	note_allocated(rt);
	note_peak(run);
	if (run->restored)
		lt_note("resume     from step %" PRId64 " in %s",
		    run->point.step, lt_out_path(run->out));
	else if (run->out)
		lt_note("output     %s", lt_out_path(run->out));
	else
		lt_note("output     none: nothing is saved without --out");
}
