/* Rows and columns of a kernel, and where each row of an operand lies. */
#include "config.h"

#include <inttypes.h>

#include "codegen/kernel.h"
#include "support/buf.h"

static uint64_t
dim_size(const struct kernel *k, int i)
{
	return dim_local_size(k->e->m, &k->space->d[i]);
}

static bool
cols_fit(const struct kernel *k, int ncol)
{
	for (int i = 0; i < k->nin; i++)
		if (group_covers(k->space, ncol, k->in[i].type) < 0)
			return false;
	return true;
}

static bool
cols_cut(const struct kernel *k, int ncol)
{
	for (int i = k->space->rank - ncol; i < k->space->rank; i++)
		if (k->space->d[i].n ||
		    dim_real_size(k->e->m, &k->space->d[i]) != dim_size(k, i))
			return true;
	return false;
}

bool
kernel_is_cut(const struct kernel *k)
{
	return cols_cut(k, k->space->rank);
}

static bool
has_row_op(const struct kernel *k)
{
	for (int i = 0; i < k->n; i++)
		if (group_is_row(k->op[i]))
			return true;
	return false;
}

/* As many columns as row ops ask for, or as all operands have together. */
static int
choose_cols(const struct kernel *k)
{
	int most = 0, n;

	for (int i = 0; i < k->n; i++) {
		int c = group_cols(k->e->m, k->op[i]);

		most = c > most ? c : most;
	}
	if (most)
		return most;
	for (n = k->space->rank; n > 0 && !cols_fit(k, n); n--)
		;
	while (n > 0 && kernel_has_dropout(k) && cols_cut(k, n))
		n--; /* a column's number must not depend on the rank */
	return n;
}

void
kernel_shape(struct kernel *k)
{
	k->ncol = choose_cols(k);
	k->rows = k->cols = 1;
	for (int i = 0; i < k->space->rank; i++)
		if (i < k->space->rank - k->ncol)
			k->rows *= dim_size(k, i);
		else
			k->cols *= dim_size(k, i);
	if (k->rows == 1 && k->cols > k->d->flat_cols && !has_row_op(k) &&
	    !(kernel_has_dropout(k) && kernel_is_cut(k))) {
		k->flat = true;
		k->rows = (k->cols + k->d->flat_cols - 1) / k->d->flat_cols;
	}
	for (int i = 0; i < k->nin; i++)
		k->in[i].has_cols = k->ncol > 0 &&
		    group_covers(k->space, k->ncol, k->in[i].type) == 1;
}

/* Index of dim i in row number r. */
static const char *
row_index(const struct kernel *k, int i)
{
	uint64_t after = 1;

	for (int j = i + 1; j < k->space->rank - k->ncol; j++)
		after *= dim_size(k, j);
	if (i == 0)
		return TEXT(k, "r / %" PRIu64, after);
	return TEXT(k, "r / %" PRIu64 " %% %" PRIu64, after, dim_size(k, i));
}

const char *
kernel_row_offset(const struct kernel *k, const struct type *t)
{
	int nrow = k->space->rank - k->ncol, have = 0;
	uint64_t stride = 1;
	const char *s = NULL;

	if (k->flat)
		return t->rank ? TEXT(k, "r * %" PRIu64, k->d->flat_cols) : "0";
	for (int i = nrow; i < k->space->rank; i++)
		if (type_find(t, k->space->d[i].name) >= 0)
			stride *= dim_size(k, i);
	for (int i = 0; i < nrow; i++)
		have += type_find(t, k->space->d[i].name) >= 0;
	if (have == nrow && nrow > 0)
		return TEXT(k, "r * %" PRIu64, stride);
	for (int i = nrow - 1; i >= 0; i--) {
		if (type_find(t, k->space->d[i].name) < 0)
			continue;
		s = TEXT(k, "%s%s%s * %" PRIu64, s ? s : "", s ? " + " : "",
		    row_index(k, i), stride);
		stride *= dim_size(k, i);
	}
	return s ? s : "0";
}

const char *
kernel_runs_name(const struct kernel *k, int i)
{
	return emit_mangle(k->e, "at_", k->space->d[i].name);
}

const char *
kernel_global_index(const struct kernel *k)
{
	const char *s = "(uint64_t)c";
	uint64_t stride = 1;

	for (int i = k->space->rank - 1; i >= 0; i--) {
		uint64_t size = dim_real_size(k->e->m, &k->space->d[i]);

		if (i < k->space->rank - k->ncol)
			s = TEXT(k, k->space->d[i].n ? "lt_position(&%s%s, "
			    "(uint64_t)(%s)) * %" PRIu64 " + %s" :
			    "%s%s(uint64_t)(%s) * %" PRIu64 " + %s",
			    k->space->d[i].n ? k->d->args : "",
			    k->space->d[i].n ? kernel_runs_name(k, i) : "",
			    row_index(k, i), stride, s);
		stride *= size;
	}
	return s;
}

const char *
kernel_rope_row(const struct kernel *k, const struct op *rope)
{
	return TEXT(k, "%s * COLS", row_index(k, group_position(rope)));
}
