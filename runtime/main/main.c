/* A trainer from its first to its last moment. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/comm/comm.h"
#include "runtime/comm/group.h"
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/pool.h"
#include "runtime/gpu/device.h"
#include "runtime/gpu/nccl.h"
#include "runtime/main/launch.h"
#include "runtime/main/limits.h"
#include "runtime/main/memory.h"
#include "runtime/main/processes.h"
#include "runtime/main/ranks.h"
#include "runtime/main/rehearse.h"
#include "runtime/main/report.h"
#include "runtime/main/run.h"
#include "runtime/main/same.h"
#include "runtime/main/signals.h"
#include "runtime/metrics/peak.h"
#include "runtime/metrics/progress.h"
#include "runtime/trace/nvtx.h"
#include "runtime/trace/trace.h"

/* The generated program may be older or newer than we are. */
static int
check_program(const struct lt_program *p)
{
	if (p->abi != LT_ABI)
		return lt_fail(LT_EXIT_INTERNAL,
		    "the program was generated for runtime version %u, this "
		    "is %d", p->abi, LT_ABI);
	if (p->vocab < 1 || p->seq < 1 || p->batch < 1 || p->micro < 1 ||
	    p->recipe.schedule > LT_WSD)
		return lt_fail(LT_EXIT_INTERNAL,
		    "the program has no vocabulary, batch, sequence or "
		    "schedule");
	return LT_OK;
}

/* Also where no MPI is needed: a name that is none helps nobody. */
static int
check_mpi(const char *name)
{
	static const char *const known[] = {"openmpi", "mpich"};

	for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
		if (strcmp(name, known[i]) == 0)
			return LT_OK;
	return name ? lt_fail(LT_EXIT_USAGE, "--mpi %s: is openmpi or mpich",
	    name) : LT_OK;
}

/* The plan decides on the ranks; launchers and options only confirm. */
static int
check_ranks(const struct lt_program *p, int64_t nproc, struct lt_launch *by)
{
	struct lt_launch launch;
	int64_t ranks = lt_mesh_ranks(p);

	lt_launch_find(by);
	launch = *by;
	if (nproc && by->nodes > 1 && nproc * by->nodes != ranks)
		return lt_fail(LT_EXIT_CONFIG,
		    "--nproc %" PRId64 " on each of %" PRId64 " machines: this "
		    "trainer was compiled for %" PRId64 " ranks; the plan "
		    "decides", nproc, by->nodes, ranks);
	if (nproc && by->nodes == 1 && nproc != ranks)
		return lt_fail(LT_EXIT_CONFIG,
		    "--nproc %" PRId64 ": this trainer was compiled for %"
		    PRId64 " rank%s; the plan decides", nproc, ranks,
		    ranks == 1 ? "" : "s");
	if (launch.ranks != ranks && launch.ranks > 1)
		return lt_fail(LT_EXIT_CONFIG,
		    "%s started this as rank %" PRId64 " of %" PRId64
		    ", but it was compiled for %" PRId64 " rank%s",
		    launch.by, launch.rank, launch.ranks, ranks,
		    ranks == 1 ? "" : "s");
	return LT_OK;
}

/* As many threads as there are cores that we may use. */
static int
default_threads(void)
{
	int cores = lt_cpu_cores(), limit = lt_limit_cores(LT_CGROUP);

	return limit > 0 && limit < cores ? limit : cores;
}

/* The recipe after the options, and the rest that follows from them. */
static void
configure(struct lt *rt, const struct lt_program *prog,
    const struct lt_launch *by)
{
	struct lt_run *run = rt->run;
	const struct lt_options *o = &run->opt;
	struct lt_recipe *r = &run->prog.recipe;

	run->prog = *prog;
	r->train = o->data;
	r->val = o->val;
	r->format = o->format;
	r->steps = o->steps;
	r->seed = (uint64_t)o->seed;
	r->eval_every = o->eval_every;
	r->save_every = o->save_every;
	r->keep_last = o->keep_last;
	rt->prog = &run->prog;
	rt->ranks = 1;
	rt->seed = r->seed;
	run->ranks = lt_mesh_ranks(prog);
	run->processes = by->ranks > 1;
	run->here = run->processes ? lt_processes_here(run->ranks) :
	    run->ranks;
	run->threads = (o->threads > 0 ? (int)o->threads :
	    default_threads()) / run->here;
	if (run->threads < 1)
		run->threads = 1;
}

/* The recipe's format was written for the recipe's file; --data may name one
 * of another kind. */
static void
doubt_format(const struct lt_run *run, const struct lt_recipe *written)
{
	const struct lt_tokens *t = &run->data.file;
	int guess;

	if (run->opt.format != written->format || run->opt.data ==
	    written->train || lt_format_find(written->format) < 0)
		return;
	guess = lt_format_guess(t->path);
	if (guess >= 0 && guess != LT_FORMAT_BYTES &&
	    guess != (int)t->format)
		lt_warn("%s looks like %s, but the recipe says %s; --format "
		    "overrules it", t->path,
		    lt_format_name((enum lt_format)guess), written->format);
}

static int
open_data(struct lt_run *run, const struct lt_recipe *written)
{
	int rc;

	if (run->opt.dry_run && !run->opt.data)
		return LT_OK;
	rc = lt_data_open(&run->data, &run->prog);
	if (!rc)
		doubt_format(run, written);
	return rc;
}

/* --out: ours alone, and never over what is there already. */
static int
open_out(struct lt_run *run, int rank)
{
	struct lt_error error = {.code = LT_OK};

	run->saved = -1;
	if (run->opt.out && rank > 0) {
		run->out = lt_out_guest(run->opt.out, &error);
		return run->out ? LT_OK : lt_fail(error.code, "%s",
		    error.text);
	}
	if (!run->opt.out)
		return run->opt.resume ? lt_fail(LT_EXIT_USAGE,
		    "--resume needs --out DIR, where the checkpoints are") :
		    LT_OK;
	run->out = lt_out_open(run->opt.out, &error);
	if (!run->out)
		return lt_fail(error.code, "%s", error.text);
	if (!run->opt.resume && lt_out_newest(run->out) >= 0)
		return lt_fail(LT_EXIT_FAIL,
		    "%s holds checkpoints already, the newest of step %"
		    PRId64 ": give --resume to go on from it, or another "
		    "--out", run->opt.out, lt_out_newest(run->out));
	return LT_OK;
}

static int
open_machine(struct lt *rt)
{
	struct lt_run *run = rt->run;
	int rc;

	lt_watch_open(rt);
	rt->pool = lt_pool_new(run->threads);
	if (!rt->pool)
		return lt_fail(LT_EXIT_CONFIG, "cannot start %d threads: %s",
		    run->threads, strerror(errno));
	rc = lt_gpu_open(rt);
	if (rt->comm) {
		rt->comm->pool = rt->pool;
		rt->comm->device = rt->gpu ? rt : NULL;
	}
	return rc ? rc : lt_memory_alloc(rt, run->threads, &run->allocated);
}

/* What all ranks' threads together can do, before they are there. */
static int
measure(struct lt_run *run)
{
	struct lt_pool *pool;

	run->peak = run->opt.peak * 1e9;
	if (run->peak > 0 || run->processes || (run->opt.quiet && !run->opt.log))
		return LT_OK;
	pool = lt_pool_new(run->threads * run->ranks);
	if (!pool)
		return lt_fail(LT_EXIT_CONFIG, "cannot start %d threads: %s",
		    run->threads * run->ranks, strerror(errno));
	run->peak = lt_peak_measure(pool, run->prog.bf16);
	lt_pool_free(pool);
	return LT_OK;
}

static int
restore(struct lt *rt, bool *found)
{
	struct lt_run *run = rt->run;
	struct lt_error error = {.code = LT_OK};
	enum lt_restored got = lt_restore(rt, run->out, &run->id,
	    run->opt.resume_valid ? LT_RESUME_VALID : LT_RESUME_NEWEST,
	    &run->point, &error);

	if (got == LT_RESTORE_FAILED) {
		if (error.code == LT_EXIT_IO) /* for what cannot be written */
			error.code = LT_EXIT_DATA;
		return lt_fail_all(rt, &error);
	}
	if (*error.text)
		lt_warn("%s", error.text);
	*found = got == LT_RESTORE_OK;
	return LT_OK;
}

/* Weights from a checkpoint, or from the seed. */
static int
open_state(struct lt *rt)
{
	struct lt_run *run = rt->run;
	int rc = LT_OK;

	run->id = (struct lt_run_id){.seed = run->prog.recipe.seed,
	    .recipe = &run->prog.recipe, .data = run->data.id,
	    .data_path = run->opt.data};
	if (run->opt.resume)
		rc = restore(rt, &run->restored);
	if (rc)
		return rc;
	if (run->restored)
		run->saved = run->point.step;
	else
		lt_state_init(rt, run->prog.recipe.seed);
	rt->prog->refresh(rt);
	return LT_OK;
}

static int
open_metrics(struct lt *rt)
{
	struct lt_run *run = rt->run;

	run->metrics = (struct lt_metrics){.prog = &run->prog,
	    .steps = run->opt.steps, .ranks = run->ranks,
	    .planned = run->allocated * (uint64_t)run->ranks,
	    .data = run->data.id, .peak = run->peak, .skipped = (int64_t)run->point.skipped};
	return rt->rank > 0 ? LT_OK : lt_metrics_open(&run->metrics,
	    run->opt.log, run->opt.tensorboard);
}

static void
close_run(struct lt *rt)
{
	struct lt_run *run = rt->run;

	lt_metrics_close(&run->metrics);
	lt_trace_close(rt);
	lt_data_close(&run->data);
	lt_memory_free(rt);
	lt_gpu_close(rt);
	if (rt->pool)
		lt_pool_free(rt->pool);
	if (run->out)
		lt_out_close(run->out);
}

static int
run_training(struct lt *rt)
{
	struct lt_run *run = rt->run;
	char planned[32], used[32];
	int rc;

	lt_header(rt);
	rc = lt_train(rt);
	lt_trace_finish(rt);
	if (!rc || rc == LT_EXIT_IO) {
		int bad = lt_sample(rt);

		rc = rc ? rc : bad;
	}
	lt_progress_end(&run->metrics);
	lt_note("memory     %s planned, %s at most in the whole process",
	    lt_memory_text(run->allocated * (uint64_t)run->ranks, planned),
	    lt_memory_text(lt_memory_peak(), used));
	lt_comm_report(rt);
	lt_metrics_end(&run->metrics, run->point.step, rc);
	return rc;
}

static int
print_and_leave(const struct lt_options *o, const struct lt_program *prog,
    const char *argv0)
{
	struct lt_options dflt;

	lt_options_default(&dflt, prog);
	if (o->help)
		lt_options_help(stdout, argv0, prog, &dflt);
	else if (o->man)
		lt_options_man(stdout);
	else
		printf("%s, compiled by loongc %s\n", prog->name,
		    prog->version);
	return fflush(stdout) == 0 ? LT_OK :
	    lt_fail(LT_EXIT_IO, "stdout: %s", strerror(errno));
}

/* What every rank does. */
static int
run_rank(struct lt *rt)
{
	int rc = lt_same_check(rt);

	rc = rc ? rc : lt_ranks_agree(rt, open_machine(rt));
	rc = rc ? rc : lt_ranks_agree(rt, lt_nccl_open(rt));
	rc = rc ? rc : lt_ranks_agree(rt, lt_rehearse(rt));
	rc = rc ? rc : lt_ranks_agree(rt, open_state(rt));
	rc = rc ? rc : lt_same_state(rt);
	rc = rc ? rc : lt_ranks_agree(rt, open_metrics(rt));
	rc = rc ? rc : lt_ranks_agree(rt, lt_trace_open(rt));
	rc = rc ? rc : run_training(rt);
	lt_nccl_close(rt);
	return rc;
}

static int
run_all(struct lt *rt, const struct lt_recipe *written)
{
	struct lt_run *run = rt->run;
	int rc = open_data(run, written);

	if (!rc && run->opt.dry_run) {
		if (rt->rank > 0)
			return LT_OK;
		lt_plan_print(rt);
		return fflush(stdout) == 0 ? LT_OK :
		    lt_fail(LT_EXIT_IO, "stdout: %s", strerror(errno));
	}
	(void)lt_nvtx_open(); /* who warns is not yet one of several */
	rc = rc ? rc : lt_sample_check(rt);
	rc = rc ? rc : lt_memory_check(&run->prog, run->threads, run->here);
	rc = rc ? rc : open_out(run, rt->rank);
	rc = rc ? rc : measure(run);
	if (run->processes)
		return lt_processes_run(rt, rc, run_rank);
	return rc ? rc : lt_ranks_run(rt, run_rank);
}

int
lt_main(int argc, char **argv, const struct lt_program *prog)
{
	struct lt_run run = {.saved = -1};
	struct lt rt = {.run = &run};
	struct lt_launch by;
	const char *argv0 = argc > 0 ? argv[0] : "train";
	int rc;

	lt_signals_start();
	lt_map_guard();
	lt_report_start(argv0, false);
	lt_options_default(&run.opt, prog);
	rc = lt_options_parse(&run.opt, argc, argv);
	if (rc)
		return rc;
	if (run.opt.help || run.opt.man || run.opt.version)
		return print_and_leave(&run.opt, prog, argv0);
	lt_report_start(argv0, run.opt.quiet);
	run.data.file.data.fd = run.data.file.index.fd = -1;
	run.data.val_file.data.fd = run.data.val_file.index.fd = -1;
	rc = check_program(prog);
	rc = rc ? rc : check_mpi(run.opt.mpi);
	rc = rc ? rc : lt_trace_check(&run.opt);
	rc = rc ? rc : check_ranks(prog, run.opt.nproc, &by);
	if (!rc) {
		configure(&rt, prog, &by);
		if (run.opt.nproc && run.ranks > 1 && !run.processes)
			return lt_processes_spawn(argv, &run.opt, &by);
		if (run.processes)
			rc = lt_processes_join(&rt, &by);
		rc = rc ? rc : run_all(&rt, &prog->recipe);
		if (run.processes)
			lt_processes_leave(&rt);
	}
	close_run(&rt);
	return rc;
}
