/*
 * Everything the runtime keeps of a run besides the program's own state:
 * lt.run of loong_rt.h points to it.
 */
#ifndef LT_RUNTIME_MAIN_RUN_H
#define LT_RUNTIME_MAIN_RUN_H

#include "runtime/comm/count.h"
#include "runtime/data/data.h"
#include "runtime/loong_rt.h"
#include "runtime/main/options.h"
#include "runtime/metrics/metrics.h"
#include "runtime/state/state.h"
#include "runtime/trace/watch.h"

struct lt_run {
	struct lt_options opt;
	struct lt_program prog; /* with the recipe after options */
	int threads;            /* of one rank */
	int ranks;              /* of the program */
	int here;               /* of those, how many share this machine */
	bool processes;         /* each rank is one; else a thread of this */
	uint64_t allocated;     /* bytes of a rank's arenas and messages */
	double peak;            /* FLOP/s; 0: unknown */
	bool restored;
	struct lt_data data;
	int stop;               /* the signal that all ranks know of, or 0 */
	struct lt_out *out;     /* NULL: nothing is saved; the ranks' is one */
	struct lt_run_id id;
	struct lt_point point;
	int64_t saved;          /* step of the newest checkpoint; -1: none */
	struct lt_metrics metrics;
	struct lt_count count;  /* of one rank, which has no communication */
	struct lt_trace *trace; /* NULL: there is none */
	struct lt_watch watch;
};

/*
 * Trains from run->point to the last step, or a signal, or the NaN policy;
 * saves and evaluates on the way and at the end.  The exit code.
 */
int lt_train(struct lt *rt);

/* Mean nats per held-out token, reported; nothing without held-out data.
 * LT_OK, or an exit code after a message. */
int lt_evaluate(struct lt *rt);

/* Adds up what the steps of all ranks sent; prints it on stdout if --comm
 * asks for it.  All ranks call it. */
void lt_comm_report(struct lt *rt);

/* What stderr shows before the first step. */
void lt_header(const struct lt *rt);

/* What --dry-run prints on stdout; needs prog, data, threads, opt. */
void lt_plan_print(const struct lt *rt);

/* Whether --sample and --prompt can be met; before anything is trained or
 * written.  LT_OK, or an exit code after a message. */
int lt_sample_check(const struct lt *rt);

/* Generates opt.sample tokens after opt.prompt and prints them on stdout.
 * LT_OK, or an exit code after a message. */
int lt_sample(struct lt *rt);

#endif
