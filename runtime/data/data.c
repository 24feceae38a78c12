/* Training and held-out data: opening, splitting, windows. */
#include "config.h"

#include "runtime/data/data.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/data/identity.h"
#include "runtime/data/order.h"
#include "runtime/loong_rt.h"
#include "runtime/main/report.h"

int
lt_data_bad_token(const struct lt_part *p, uint64_t at, int64_t vocab)
{
	return lt_fail(LT_EXIT_DATA,
	    "%s: token %" PRIu64 " is %" PRId64
	    ", but the model's vocabulary is 0..%" PRId64, p->tokens->path, at,
	    lt_tokens_value(p->tokens, at), vocab - 1);
}

static int
too_short(const struct lt_part *p, const char *what, uint64_t need)
{
	return lt_fail(LT_EXIT_DATA,
	    "%s: %" PRIu64 " tokens%s, shorter than one sequence of %" PRIu64
	    " and the label that follows it", p->tokens->path, p->count, what,
	    need - 1);
}

/* The tail of the training file, unless it is too short to be of use. */
static void
split(struct lt_data *d, double fraction, uint64_t window)
{
	uint64_t tail = (uint64_t)((double)d->train.count * fraction);

	if (tail >= d->train.count || tail < window) {
		if (tail > 0)
			lt_warn("%s: the held-out part would be %" PRIu64
			    " tokens, less than one sequence: nothing is "
			    "held out", d->file.path, tail);
		return;
	}
	d->train.count -= tail;
	d->val = (struct lt_part){&d->file, d->train.count, tail};
}

static int
open_val(struct lt_data *d, const struct lt_recipe *r, uint64_t window)
{
	int rc;

	if (!r->val) {
		split(d, r->val_fraction, window);
		return LT_OK;
	}
	rc = lt_tokens_open(&d->val_file, r->val, r->format);
	if (rc)
		return rc;
	d->val = (struct lt_part){&d->val_file, 0, d->val_file.count};
	return d->val.count < window ?
	    too_short(&d->val, " of held-out data", window) : LT_OK;
}

/* Evaluation is counted in batches of a step, so that it reads the same
 * windows however the plan cuts a step into microbatches. */
static int64_t
count_val(struct lt_data *d, const struct lt_program *p)
{
	uint64_t micro = (uint64_t)p->micro, batch = (uint64_t)p->batch, all;
	int64_t want = p->recipe.eval_batches;

	d->val_windows = (d->val.count - 1) / (uint64_t)p->seq;
	all = d->val_windows / (micro * batch) * micro;
	if (all == 0)
		all = d->val_windows > batch ? d->val_windows / batch : 1;
	if (want < 1)
		return 0;
	return (uint64_t)want < all / micro ? want * p->micro : (int64_t)all;
}

static void
count_windows(struct lt_data *d, const struct lt_program *p)
{
	uint64_t seq = (uint64_t)p->seq;

	/* one less than fit, so that the shift can take every phase */
	d->windows = (d->train.count - seq) / seq;
	if (d->windows == 0)
		d->windows = 1;
	d->slack = d->train.count - 1 - d->windows * seq;
	d->val_batches = d->val.count ? count_val(d, p) : 0;
}

int
lt_data_open(struct lt_data *d, const struct lt_program *p)
{
	const struct lt_recipe *r = &p->recipe;
	uint64_t window = (uint64_t)p->seq + 1;
	int rc;

	*d = (struct lt_data){.seed = r->seed};
	d->file.data.fd = d->file.index.fd = -1;
	d->val_file.data.fd = d->val_file.index.fd = -1;
	if (!r->train)
		return lt_fail(LT_EXIT_USAGE,
		    "no training data: the recipe names none, so give --data "
		    "PATH");
	rc = lt_tokens_open(&d->file, r->train, r->format);
	if (rc)
		return rc;
	d->train = (struct lt_part){&d->file, 0, d->file.count};
	rc = d->train.count < window ? too_short(&d->train, "", window) :
	    open_val(d, r, window);
	if (!rc && d->train.count < window)
		rc = too_short(&d->train, " after the held-out part", window);
	if (rc) {
		lt_data_close(d);
		return rc;
	}
	count_windows(d, p);
	rc = lt_data_identify(d, p->vocab);
	if (rc)
		lt_data_close(d);
	return rc;
}

void
lt_data_close(struct lt_data *d)
{
	lt_tokens_close(&d->file);
	lt_tokens_close(&d->val_file);
	*d = (struct lt_data){.windows = 0};
}

/* ---- windows ---- */

/* Documents are numbered within a window; a separator ends its own. */
static void
number_documents(const int32_t *tok, int64_t n, int32_t eos, int32_t *doc)
{
	int32_t at = 0;

	for (int64_t i = 0; i < n; i++) {
		doc[i] = at;
		if (eos >= 0 && tok[i] == eos)
			at++;
	}
}

/* The window that starts at token `start` of the part becomes sequence
 * `row` of LT_IO, rows counted over all microbatches. */
static int
load_window(const struct lt_part *p, struct lt *rt, uint64_t start,
    int64_t row)
{
	const struct lt_program *prog = rt->prog;
	uint64_t seq = (uint64_t)prog->seq, first = p->first + start, got;
	char *io = rt->arena[LT_IO];
	int32_t *tok = (int32_t *)(io + prog->io_tok) + (uint64_t)row * seq;
	int32_t *lab = (int32_t *)(io + prog->io_lab) + (uint64_t)row * seq;
	int32_t last;

	got = lt_tokens_read(p->tokens, first, seq, prog->vocab, tok);
	if (got == seq)
		got += lt_tokens_read(p->tokens, first + seq, 1, prog->vocab,
		    &last);
	if (got <= seq)
		return lt_data_bad_token(p, first + got, prog->vocab);
	memcpy(lab, tok + 1, (seq - 1) * sizeof *lab);
	lab[seq - 1] = last;
	if (prog->io_doc != UINT64_MAX)
		number_documents(tok, prog->seq, prog->recipe.eos,
		    (int32_t *)(io + prog->io_doc) + (uint64_t)row * seq);
	return LT_OK;
}

static uint64_t
train_start(const struct lt_data *d, uint64_t seq, uint64_t sample)
{
	uint64_t epoch = sample / d->windows;

	return lt_order_shift(d->seed, epoch, d->slack) + seq *
	    lt_order_permute(d->seed, epoch, d->windows, sample % d->windows);
}

int
lt_data_load(const struct lt_data *d, struct lt *rt, uint64_t sample)
{
	int64_t rows = rt->prog->micro * rt->prog->batch;
	int rc = lt_map_check(&d->file.data);

	for (int64_t row = 0; !rc && row < rows; row++)
		rc = load_window(&d->train, rt, train_start(d,
		    (uint64_t)rt->prog->seq, sample + (uint64_t)row), row);
	return rc;
}

/* Windows spread over the whole part; fewer than a batch are repeated. */
static uint64_t
val_window(const struct lt_data *d, int64_t batch, uint64_t i)
{
	uint64_t all = (uint64_t)(d->val_batches * batch);

	return all <= d->val_windows ? i * d->val_windows / all :
	    i % d->val_windows;
}

int
lt_data_load_val(const struct lt_data *d, struct lt *rt, int64_t batch)
{
	int64_t rows = rt->prog->batch;
	int rc = lt_map_check(&d->val.tokens->data);

	for (int64_t row = 0; !rc && row < rows; row++)
		rc = load_window(&d->val, rt, (uint64_t)rt->prog->seq *
		    val_window(d, rows, (uint64_t)(batch * rows + row)), row);
	return rc;
}
