/*
 * What a run reports while it goes: progress on the terminal, and records
 * for programs (jsonl.h, tensorboard.h).  One struct per run.
 */
#ifndef LT_RUNTIME_METRICS_METRICS_H
#define LT_RUNTIME_METRICS_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/metrics/tensorboard.h"

struct lt;
struct lt_program;

/* What the steps of a run sent between ranks: calls of each rank, bytes of
 * all ranks together. */
enum { LT_TRAFFIC_MAX = 64 };
struct lt_traffic {
	int n;
	struct {
		const char *kind;
		char axes[96];
		uint64_t calls, bytes;
	} row[LT_TRAFFIC_MAX];
};

struct lt_metrics {
	const struct lt_program *prog;
	const char *data;      /* identity of the training data */
	int64_t steps;         /* of the whole run */
	int ranks;
	uint64_t planned;      /* bytes, of all ranks in this process */
	double peak;           /* FLOP/s that MFU refers to */
	FILE *log;             /* JSONL; NULL: none */
	struct lt_tensorboard tb;
	double began;          /* seconds of the monotonic clock */
	double last;           /* end of the step before */
	double pace;           /* seconds per step, smoothed; 0: none yet */
	double shown;          /* when a line was last printed */
	int64_t first, done;   /* steps: before this run, and now */
	int64_t skipped;
	bool log_failed;
	struct lt_traffic traffic;
};

/* Opens what is asked for (NULL: not).  LT_OK or LT_EXIT_IO after a
 * message. */
int lt_metrics_open(struct lt_metrics *, const char *log, const char *tb);
void lt_metrics_close(struct lt_metrics *);

/* Just before the first step, after `first` earlier steps. */
void lt_metrics_start(struct lt_metrics *, int64_t first);

/* After a step: rt->step, loss, gnorm, lr, skipped. */
void lt_metrics_step(struct lt_metrics *, const struct lt *rt);

/* Time that was not training (evaluation, saving) began at `since`. */
void lt_metrics_pause(struct lt_metrics *, double since);

void lt_metrics_eval(struct lt_metrics *, int64_t step, double nats,
    double tokens);
void lt_metrics_save(struct lt_metrics *, int64_t step, const char *error);
void lt_metrics_end(struct lt_metrics *, int64_t step, int code);

#endif
