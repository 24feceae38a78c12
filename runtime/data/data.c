/* Training and held-out data: opening, splitting, windows. */
#include "config.h"

#include "runtime/data/data.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/data/identity.h"
#include "runtime/data/order.h"
#include "runtime/gpu/host.h"
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

	d->val_windows = (d->val.count - 1) / (uint64_t)lt_data_seq(p);
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
	uint64_t seq = (uint64_t)lt_data_seq(p);

	/* one less than fit, so that the shift can take every phase */
	d->windows = (d->train.count - seq) / seq;
	if (d->windows == 0)
		d->windows = 1;
	d->slack = d->train.count - 1 - d->windows * seq;
	d->val_batches = d->val.count ? count_val(d, p) : 0;
}

int64_t
lt_data_seq(const struct lt_program *p)
{
	return p->recipe.s > 0 && p->recipe.s < p->seq ? p->recipe.s : p->seq;
}

int64_t
lt_data_step(const struct lt_program *p)
{
	return p->micro * p->batch * lt_data_seq(p);
}

int
lt_data_open(struct lt_data *d, const struct lt_program *p)
{
	const struct lt_recipe *r = &p->recipe;
	uint64_t window = (uint64_t)lt_data_seq(p) + 1;
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

/*
 * One sequence and this rank's part of it: columns are positions of the whole
 * sequence.  Labels are the tokens that follow in the sequence, whoever holds
 * them; positions from seq on are padding.
 */
struct row {
	const struct lt_part *part;
	const struct lt_program *prog;
	uint64_t first;         /* token of the file at position 0 */
	uint64_t seq;
	int32_t *tok, *lab, *doc; /* local; doc: NULL if there are none */
};

/* Tokens at positions at.. of the sequence. */
static int
read_tokens(const struct row *r, uint64_t at, uint64_t n, int32_t *out)
{
	uint64_t first = r->first + at, got = lt_tokens_read(r->part->tokens,
	    first, n, r->prog->vocab, out);

	return got == n ? LT_OK :
	    lt_data_bad_token(r->part, first + got, r->prog->vocab);
}

/* Documents are numbered within a sequence; a separator ends its own. */
static int32_t
number_documents(const int32_t *tok, uint64_t n, int32_t eos, int32_t at,
    int32_t *doc)
{
	for (uint64_t i = 0; i < n; i++) {
		if (doc)
			doc[i] = at;
		if (eos >= 0 && tok[i] == eos)
			at++;
	}
	return at;
}

/* The document of position `to`, if position `from` is of document doc. */
static int
skip_documents(const struct row *r, uint64_t from, uint64_t to, int32_t *doc)
{
	int32_t tok[1024];
	int rc = LT_OK;

	while (!rc && from < to && r->prog->recipe.eos >= 0) {
		uint64_t n = to - from < 1024 ? to - from : 1024;

		rc = read_tokens(r, from, n, tok);
		if (!rc)
			*doc = number_documents(tok, n, r->prog->recipe.eos,
			    *doc, NULL);
		from += n;
	}
	return rc;
}

/* Positions start.. that are data, into place `at` of the row. */
static int
load_run(const struct row *r, uint64_t start, uint64_t n, uint64_t at,
    int32_t *doc)
{
	int32_t last;
	int rc = read_tokens(r, start, n, r->tok + at);

	rc = rc ? rc : read_tokens(r, start + n, 1, &last);
	if (rc)
		return rc;
	memcpy(r->lab + at, r->tok + at + 1, (n - 1) * sizeof *r->lab);
	r->lab[at + n - 1] = last;
	if (r->doc)
		*doc = number_documents(r->tok + at, n, r->prog->recipe.eos,
		    *doc, r->doc + at);
	return LT_OK;
}

/* Padding is a document of its own, of the token 0. */
static void
pad(const struct row *r, uint64_t n, uint64_t at)
{
	for (uint64_t i = at; i < at + n; i++) {
		r->tok[i] = 0;
		r->lab[i] = r->prog->recipe.ignore;
		if (r->doc)
			r->doc[i] = INT32_MAX;
	}
}

static int
load_row(const struct row *r, const struct lt_runs *cols)
{
	uint64_t at = 0, known = 0; /* position whose document is doc */
	int32_t doc = 0;
	int rc = LT_OK;

	for (uint32_t i = 0; !rc && i < cols->n; i++) {
		uint64_t start = cols->r[i].start, len = cols->r[i].len;
		uint64_t n = start >= r->seq ? 0 : r->seq - start < len ?
		    r->seq - start : len;

		if (n && r->doc)
			rc = skip_documents(r, known, start, &doc);
		if (n && !rc)
			rc = load_run(r, start, n, at, &doc);
		known = start + n;
		pad(r, len - n, at + n);
		at += len;
	}
	return rc;
}

static uint64_t
runs_length(const struct lt_runs *r)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < r->n; i++)
		n += r->r[i].len;
	return n;
}

/* The window that starts at token `start` of the part is local row `row` of
 * LT_IO, rows counted over all microbatches. */
static int
load_window(const struct lt_part *p, struct lt *rt, uint64_t start,
    uint64_t row)
{
	const struct lt_program *g = rt->prog;
	struct lt_runs cols = lt_runs(rt, &g->cols, NULL);
	uint64_t bytes = runs_length(&cols) * sizeof(int32_t);
	const uint64_t base[] = {g->io_tok, g->io_lab, g->io_doc};
	int32_t *to[] = {NULL, NULL, NULL};
	struct row r;
	int rc;

	for (int i = 0; i < 3; i++)
		if (base[i] != UINT64_MAX)
			to[i] = lt_borrow(rt, rt->arena[LT_IO] + base[i] +
			    row * bytes, bytes, LT_EMPTY);
	r = (struct row){p, g, p->first + start, (uint64_t)lt_data_seq(g),
	    to[0], to[1], to[2]};
	rc = load_row(&r, &cols);
	for (int i = 0; i < 3; i++)
		if (base[i] != UINT64_MAX)
			lt_give_back(rt, rt->arena[LT_IO] + base[i] +
			    row * bytes, bytes, to[i]);
	return rc;
}

/* Calls load for this rank's sequences of one microbatch. */
static int
load_rows(const struct lt_data *d, struct lt *rt, uint64_t first,
    uint64_t local, int (*load)(const struct lt_data *, struct lt *,
    uint64_t sample, uint64_t row))
{
	struct lt_runs rows = lt_runs(rt, &rt->prog->rows, NULL);
	int rc = LT_OK;

	for (uint32_t i = 0; i < rows.n; i++)
		for (uint64_t k = 0; !rc && k < rows.r[i].len; k++)
			rc = load(d, rt, first + rows.r[i].start + k,
			    local++);
	return rc;
}

static uint64_t
train_start(const struct lt_data *d, uint64_t seq, uint64_t sample)
{
	uint64_t epoch = sample / d->windows;

	return lt_order_shift(d->seed, epoch, d->slack) + seq *
	    lt_order_permute(d->seed, epoch, d->windows, sample % d->windows);
}

static int
load_sample(const struct lt_data *d, struct lt *rt, uint64_t sample,
    uint64_t row)
{
	return load_window(&d->train, rt, train_start(d,
	    (uint64_t)lt_data_seq(rt->prog), sample), row);
}

int
lt_data_load(const struct lt_data *d, struct lt *rt, uint64_t sample)
{
	struct lt_runs rows = lt_runs(rt, &rt->prog->rows, NULL);
	uint64_t each = runs_length(&rows);
	int rc = lt_map_check(&d->file.data);

	for (int64_t m = 0; !rc && m < rt->prog->micro; m++)
		rc = load_rows(d, rt, sample + (uint64_t)(m *
		    rt->prog->batch), (uint64_t)m * each, load_sample);
	return rc;
}

/* Windows spread over the whole part; fewer than a batch are repeated. */
static int
load_val(const struct lt_data *d, struct lt *rt, uint64_t i, uint64_t row)
{
	uint64_t all = (uint64_t)(d->val_batches * rt->prog->batch);
	uint64_t window = all <= d->val_windows ? i * d->val_windows / all :
	    i % d->val_windows;

	return load_window(&d->val, rt, (uint64_t)lt_data_seq(rt->prog) *
	    window, row);
}

int
lt_data_load_val(const struct lt_data *d, struct lt *rt, int64_t batch)
{
	int rc = lt_map_check(&d->val.tokens->data);

	return rc ? rc : load_rows(d, rt, (uint64_t)(batch *
	    rt->prog->batch), 0, load_val);
}
