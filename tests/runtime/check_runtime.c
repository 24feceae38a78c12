/* The runtime's arithmetic: orders, schedules, checksums, event files. */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/data/data.h"
#include "runtime/data/order.h"
#include "runtime/loong_rt.h"
#include "runtime/main/limits.h"
#include "runtime/main/schedule.h"
#include "runtime/metrics/progress.h"
#include "runtime/metrics/tensorboard.h"

/* ---- order ---- */

static const uint64_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 255, 256, 257, 1000,
    4096, 65537};
enum { SIZES = sizeof sizes / sizeof *sizes };

START_TEST(order_is_a_permutation)
{
	uint64_t n = sizes[_i];
	char *seen = calloc(n, 1);

	for (uint64_t k = 0; k < n; k++) {
		uint64_t p = lt_order_permute(7, 3, n, k);

		ck_assert_uint_lt(p, n);
		ck_assert_msg(!seen[p], "%lu twice", (unsigned long)p);
		seen[p] = 1;
	}
	free(seen);
}
END_TEST

/* Positions that two orders of 1000 share: Poisson with mean 1, so that 12
 * or more have a chance below 1e-9. */
START_TEST(order_depends_on_seed_and_epoch)
{
	int by_seed = 0, by_epoch = 0, fixed = 0;

	for (uint64_t k = 0; k < 1000; k++) {
		uint64_t p = lt_order_permute(1, 0, 1000, k);

		by_seed += p == lt_order_permute(2, 0, 1000, k);
		by_epoch += p == lt_order_permute(1, 1, 1000, k);
		fixed += p == k;
	}
	ck_assert_int_lt(by_seed, 12);
	ck_assert_int_lt(by_epoch, 12);
	ck_assert_int_lt(fixed, 12);
}
END_TEST

/* Where number 0 goes over 8000 epochs of 8 windows: 1000 each, with a
 * standard deviation of 30; 6 of them. */
START_TEST(order_is_even)
{
	int count[8] = {0};

	for (uint64_t e = 0; e < 8000; e++)
		count[lt_order_permute(5, e, 8, 0)]++;
	for (int i = 0; i < 8; i++)
		ck_assert_int_lt(abs(count[i] - 1000), 180);
}
END_TEST

START_TEST(order_walks_large_data)
{
	uint64_t n = (UINT64_C(1) << 40) + 12345;

	for (uint64_t k = 0; k < 100; k++)
		ck_assert_uint_lt(lt_order_permute(1, 2, n, n - 1 - k), n);
}
END_TEST

START_TEST(shift_covers_all_phases)
{
	bool seen[33] = {false};

	for (uint64_t e = 0; e < 2000; e++) {
		uint64_t s = lt_order_shift(9, e, 32);

		ck_assert_uint_le(s, 32);
		seen[s] = true;
	}
	for (int i = 0; i < 33; i++) /* missed: 33 (32/33)^2000 < 1e-25 */
		ck_assert(seen[i]);
	ck_assert_uint_eq(lt_order_shift(9, 1, 0), 0);
}
END_TEST

/* ---- windows ---- */

enum { SEQ = 8, BATCH = 2, MICRO = 3, ROWS = BATCH * MICRO };

struct fixture {
	struct lt_program prog;
	struct lt rt;
	struct lt_data data;
	char path[64];
	int32_t io[3][ROWS][SEQ];
};

/* Token i of the file is i: n of them as 16-bit numbers. */
static void
open_fixture(struct fixture *f, int n, double val_fraction)
{
	FILE *file;

	memset(f, 0, sizeof *f);
	snprintf(f->path, sizeof f->path, "check_runtime.%d.bin", n);
	file = fopen(f->path, "w");
	ck_assert_ptr_nonnull(file);
	for (int i = 0; i < n; i++) {
		fputc(i & 255, file);
		fputc(i >> 8, file);
	}
	ck_assert_int_eq(fclose(file), 0);
	f->prog = (struct lt_program){.micro = MICRO, .batch = BATCH,
	    .seq = SEQ, .vocab = 65536, .rows = {.size = BATCH},
	    .cols = {.size = SEQ}, .io_tok = 0,
	    .io_lab = sizeof f->io[0], .io_doc = 2 * sizeof f->io[0],
	    .recipe = {.train = f->path, .format = "nanogpt", .seed = 11,
		.val_fraction = val_fraction, .eval_batches = 3, .eos = 5}};
	f->rt = (struct lt){.prog = &f->prog,
	    .arena = {[LT_IO] = (char *)f->io}};
	ck_assert_int_eq(lt_data_open(&f->data, &f->prog), LT_OK);
}

static void
close_fixture(struct fixture *f)
{
	lt_data_close(&f->data);
	remove(f->path);
}

/* Every epoch shows every window once: seq consecutive tokens from a common
 * shift, labels one further, documents numbered by the separator (token 5). */
START_TEST(windows_cover_an_epoch)
{
	struct fixture f;
	int n = 100;

	open_fixture(&f, n, 0);
	ck_assert_uint_eq(f.data.windows, (100 - SEQ) / SEQ);
	for (uint64_t epoch = 0; epoch < 3; epoch++) {
		int seen[100] = {0}, shift = -1;

		for (uint64_t k = 0; k < f.data.windows; k++) {
			int32_t *tok = f.io[0][0], *lab = f.io[1][0];

			ck_assert_int_eq(lt_data_load(&f.data, &f.rt,
			    epoch * f.data.windows + k), LT_OK);
			for (int i = 0; i < SEQ; i++) {
				ck_assert_int_eq(tok[i], tok[0] + i);
				ck_assert_int_eq(lab[i], tok[0] + i + 1);
				ck_assert_int_eq(f.io[2][0][i],
				    tok[0] <= 5 && tok[i] > 5);
				seen[tok[i]]++;
			}
			if (shift < 0)
				shift = tok[0] % SEQ;
			ck_assert_int_eq(tok[0] % SEQ, shift);
		}
		for (int i = 0, sum = 0; i < n; i++) {
			sum += seen[i];
			ck_assert_int_le(seen[i], 1);
			if (i == n - 1)
				ck_assert_int_eq(sum,
				    (int)f.data.windows * SEQ);
		}
	}
	close_fixture(&f);
}
END_TEST

/* Row r of a step that starts at sample k is row 0 of one that starts at
 * k + r: the batch does not matter. */
START_TEST(samples_do_not_depend_on_the_batch)
{
	struct fixture f;
	int32_t all[ROWS][SEQ];

	open_fixture(&f, 500, 0.1);
	ck_assert_int_eq(lt_data_load(&f.data, &f.rt, 40), LT_OK);
	memcpy(all, f.io[0], sizeof all);
	for (uint64_t r = 0; r < ROWS; r++) {
		ck_assert_int_eq(lt_data_load(&f.data, &f.rt, 40 + r), LT_OK);
		ck_assert_mem_eq(f.io[0][0], all[r], sizeof all[r]);
	}
	close_fixture(&f);
}
END_TEST

/* A rank's part of what one rank alone reads, by the layouts' runs. */
static void
compare_part(const struct fixture *all, const struct fixture *part)
{
	struct lt_runs rows = lt_runs(&part->rt, &part->prog.rows, NULL);
	struct lt_runs cols = lt_runs(&part->rt, &part->prog.cols, NULL);

	for (int k = 0; k < 3; k++) {
		const int32_t *got = (const int32_t *)part->io[k];

		for (uint64_t m = 0; m < MICRO * rows.r[0].len; m++) {
			uint64_t row = m / rows.r[0].len * BATCH +
			    rows.r[0].start + m % rows.r[0].len;

			for (uint32_t i = 0; i < cols.n; i++)
				for (uint64_t j = 0; j < cols.r[i].len; j++)
					ck_assert_int_eq(*got++, all->io[k]
					    [row][cols.r[i].start + j]);
		}
	}
}

/* One rank of a 2 x 2 x hp mesh. */
static void
make_part(const struct fixture *all, struct fixture *part, int rank, int hp)
{
	static const struct lt_layout rows = {BATCH, 1, {{LT_BLOCK, 1, {0}}}};
	static const struct lt_layout cols[2] = {
	    {SEQ, 1, {{LT_ZIGZAG, 1, {1}}}},
	    {SEQ, 2, {{LT_ZIGZAG, 1, {1}}, {LT_BLOCK, 1, {2}}}}};

	*part = *all;
	part->prog.rows = rows;
	part->prog.cols = cols[hp - 1];
	part->prog.naxis = 3;
	part->prog.axis_size[0] = part->prog.axis_size[1] = 2;
	part->prog.axis_size[2] = hp;
	part->rt.prog = &part->prog;
	part->rt.arena[LT_IO] = (char *)part->io;
	part->rt.coord[0] = rank / 2 / hp;
	part->rt.coord[1] = rank / hp % 2;
	part->rt.coord[2] = rank % hp;
	memset(part->io, 0xee, sizeof part->io);
}

/* Sequences are padded or not; the separator is in the middle of a sequence
 * of the step, so that documents cross the ranks' borders. */
START_TEST(ranks_read_parts_of_the_same_batch)
{
	struct fixture all, part;
	int s = _i & 1 ? SEQ - 1 : 0, hp = _i & 2 ? 2 : 1, documents = 0;

	open_fixture(&all, 500, 0);
	all.prog.recipe.s = s;
	for (uint64_t k = 0; k < 60; k += ROWS) {
		ck_assert_int_eq(lt_data_load(&all.data, &all.rt, k), LT_OK);
		all.prog.recipe.eos = all.io[0][k / ROWS % ROWS][k / ROWS % 7];
		ck_assert_int_eq(lt_data_load(&all.data, &all.rt, k), LT_OK);
		documents += all.io[2][k / ROWS % ROWS][6];
		ck_assert(!s || all.io[1][0][SEQ - 1] ==
		    all.prog.recipe.ignore);
		for (int r = 0; r < 4 * hp; r++) {
			make_part(&all, &part, r, hp);
			ck_assert_int_eq(lt_data_load(&all.data, &part.rt, k),
			    LT_OK);
			compare_part(&all, &part);
		}
	}
	ck_assert_int_ge(documents, 8);
	close_fixture(&all);
}
END_TEST

/* No token of the held-out part is trained on, and none of an evaluation is
 * outside of it; evaluations repeat. */
START_TEST(held_out_is_held_out)
{
	struct fixture f;
	int32_t first[BATCH][SEQ];

	open_fixture(&f, 500, 0.2);
	ck_assert_uint_eq(f.data.train.count, 400);
	for (uint64_t k = 0; k < 5 * f.data.windows; k += ROWS) {
		ck_assert_int_eq(lt_data_load(&f.data, &f.rt, k), LT_OK);
		for (int r = 0; r < ROWS; r++)
			ck_assert_int_lt(f.io[1][r][SEQ - 1], 400);
	}
	ck_assert_int_eq((int)f.data.val_batches, 2 * MICRO);
	for (int b = 0; b < 2 * MICRO; b++) {
		ck_assert_int_eq(lt_data_load_val(&f.data, &f.rt, b), LT_OK);
		for (int r = 0; r < BATCH; r++) {
			ck_assert_int_ge(f.io[0][r][0], 400);
			ck_assert_int_lt(f.io[1][r][SEQ - 1], 500);
		}
	}
	memcpy(first, f.io[0], sizeof first);
	ck_assert_int_eq(lt_data_load_val(&f.data, &f.rt,
	    2 * MICRO - 1), LT_OK);
	ck_assert_mem_eq(first, f.io[0], sizeof first);
	close_fixture(&f);
}
END_TEST

/* ---- schedules ---- */

/* The cosine and the square root are exact to some units in the last place
 * of values near 1. */
#define SAME(a, b) ck_assert_double_eq_tol((a), (b), 1e-15)

START_TEST(schedules)
{
	struct lt_recipe r = {.warmup = 10, .lr = 1, .lr_min = 0.1,
	    .decay_fraction = 0.2};

	r.schedule = LT_CONSTANT;
	SAME(lt_schedule_lr(&r, 110, 1), 0.1);
	SAME(lt_schedule_lr(&r, 110, 10), 1);
	SAME(lt_schedule_lr(&r, 110, 110), 1);
	r.schedule = LT_COSINE;
	SAME(lt_schedule_lr(&r, 110, 5), 0.5);
	SAME(lt_schedule_lr(&r, 110, 60), 0.55);
	SAME(lt_schedule_lr(&r, 110, 110), 0.1);
	SAME(lt_schedule_lr(&r, 110, 500), 0.1);
	r.schedule = LT_WSD;
	SAME(lt_schedule_lr(&r, 100, 80), 1);
	SAME(lt_schedule_lr(&r, 100, 85), 0.1 + 0.9 * 0.5);
	SAME(lt_schedule_lr(&r, 100, 100), 0.1);
	r.warmup = 0;
	SAME(lt_schedule_lr(&r, 100, 1), 1);
	r.decay_fraction = 0;
	SAME(lt_schedule_lr(&r, 100, 100), 1);
}
END_TEST

/* ---- metrics ---- */

/* RFC 3720, B.4, and the check value of CRC-32C. */
START_TEST(crc32c)
{
	unsigned char zeros[32] = {0};

	ck_assert_uint_eq(lt_crc32c(zeros, 32), 0x8a9136aau);
	ck_assert_uint_eq(lt_crc32c("123456789", 9), 0xe3069283u);
	ck_assert_uint_eq(lt_crc32c_masked("123456789", 9),
	    ((0xe3069283u >> 15 | 0xe3069283u << 17) + 0xa282ead8u));
}
END_TEST

static uint64_t
load(const unsigned char *p, int n)
{
	uint64_t v = 0;

	memcpy(&v, p, (size_t)n);
	return v;
}

/* Two records: the version, then one scalar, byte for byte. */
START_TEST(event_file)
{
	struct lt_tensorboard tb = {0};
	unsigned char file[512], *p = file;
	char path[512];
	FILE *f;
	size_t n;

	ck_assert_int_eq(lt_tensorboard_open(&tb, "check_runtime.tb"), LT_OK);
	lt_tensorboard_put(&tb, 300, "a/b", 1.5f);
	snprintf(path, sizeof path, "%s", tb.path);
	lt_tensorboard_close(&tb);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(file, 1, sizeof file, f);
	fclose(f);
	remove(path);
	remove("check_runtime.tb");

	ck_assert_uint_eq(load(p, 8), 9 + 2 + 13);
	ck_assert_uint_eq(load(p + 8, 4), lt_crc32c_masked(p, 8));
	ck_assert_mem_eq(p + 12 + 9, "\x1a\x0d" "brain.Event:2", 15);
	ck_assert_uint_eq(load(p + 12 + 24, 4), lt_crc32c_masked(p + 12, 24));
	p += 12 + 24 + 4;
	ck_assert_uint_eq(load(p, 8), 9 + 3 + 2 + 12);
	ck_assert_mem_eq(p + 12 + 9, "\x10\xac\x02\x2a\x0c\x0a\x0a\x0a\x03"
	    "a/b\x15\x00\x00\xc0\x3f", 17);
	ck_assert_uint_eq(load(p + 12 + 26, 4), lt_crc32c_masked(p + 12, 26));
	ck_assert_uint_eq(n, (size_t)(p + 12 + 26 + 4 - file));
}
END_TEST

START_TEST(times_and_numbers)
{
	char buf[32];

	ck_assert_str_eq(lt_progress_time(9.4, buf), "0:09");
	ck_assert_str_eq(lt_progress_time(3599.6, buf), "1:00:00");
	ck_assert_str_eq(lt_progress_time(90061, buf), "25:01:01");
	ck_assert_str_eq(lt_progress_time(-1, buf), "-");
	ck_assert_str_eq(lt_progress_time(INFINITY, buf), "-");
	ck_assert_str_eq(lt_progress_short(950, buf), "950");
	ck_assert_str_eq(lt_progress_short(21345, buf), "21.3k");
	ck_assert_str_eq(lt_progress_short(4.5e6, buf), "4.5M");
}
END_TEST

/* ---- limits ---- */

static void
put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(limits_of_version_2)
{
	ck_assert_int_eq(mkdir("check_runtime.cg", 0777), 0);
	ck_assert_int_eq(lt_limit_cores("check_runtime.cg"), 0);
	ck_assert_uint_eq(lt_limit_memory("check_runtime.cg"), 0);
	put("check_runtime.cg/cpu.max", "max 100000\n");
	put("check_runtime.cg/memory.max", "max\n");
	ck_assert_int_eq(lt_limit_cores("check_runtime.cg"), 0);
	ck_assert_uint_eq(lt_limit_memory("check_runtime.cg"), 0);
	put("check_runtime.cg/cpu.max", "150000 100000\n");
	put("check_runtime.cg/memory.max", "1073741824\n");
	ck_assert_int_eq(lt_limit_cores("check_runtime.cg"), 2);
	ck_assert_uint_eq(lt_limit_memory("check_runtime.cg"), 1 << 30);
	put("check_runtime.cg/cpu.max", "1 0\n");
	ck_assert_int_eq(lt_limit_cores("check_runtime.cg"), 0);
	remove("check_runtime.cg/cpu.max");
	remove("check_runtime.cg/memory.max");
	remove("check_runtime.cg");
}
END_TEST

START_TEST(limits_of_version_1)
{
	ck_assert_int_eq(mkdir("check_runtime.v1", 0777), 0);
	ck_assert_int_eq(mkdir("check_runtime.v1/cpu", 0777), 0);
	ck_assert_int_eq(mkdir("check_runtime.v1/memory", 0777), 0);
	put("check_runtime.v1/cpu/cpu.cfs_quota_us", "-1\n");
	put("check_runtime.v1/cpu/cpu.cfs_period_us", "100000\n");
	put("check_runtime.v1/memory/memory.limit_in_bytes",
	    "9223372036854771712\n");
	ck_assert_int_eq(lt_limit_cores("check_runtime.v1"), 0);
	ck_assert_uint_eq(lt_limit_memory("check_runtime.v1"), 0);
	put("check_runtime.v1/cpu/cpu.cfs_quota_us", "400000\n");
	put("check_runtime.v1/memory/memory.limit_in_bytes", "4096\n");
	ck_assert_int_eq(lt_limit_cores("check_runtime.v1"), 4);
	ck_assert_uint_eq(lt_limit_memory("check_runtime.v1"), 4096);
	remove("check_runtime.v1/cpu/cpu.cfs_quota_us");
	remove("check_runtime.v1/cpu/cpu.cfs_period_us");
	remove("check_runtime.v1/memory/memory.limit_in_bytes");
	remove("check_runtime.v1/cpu");
	remove("check_runtime.v1/memory");
	remove("check_runtime.v1");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("runtime");
	TCase *order = tcase_create("order"), *data = tcase_create("data");
	TCase *metrics = tcase_create("metrics");
	TCase *limits = tcase_create("limits");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(order, order_is_a_permutation, 0, SIZES);
	tcase_add_test(order, order_depends_on_seed_and_epoch);
	tcase_add_test(order, order_is_even);
	tcase_add_test(order, order_walks_large_data);
	tcase_add_test(order, shift_covers_all_phases);
	suite_add_tcase(s, order);
	tcase_add_test(data, windows_cover_an_epoch);
	tcase_add_test(data, samples_do_not_depend_on_the_batch);
	tcase_add_test(data, held_out_is_held_out);
	tcase_add_loop_test(data, ranks_read_parts_of_the_same_batch, 0, 4);
	suite_add_tcase(s, data);
	tcase_add_test(metrics, schedules);
	tcase_add_test(metrics, crc32c);
	tcase_add_test(metrics, event_file);
	tcase_add_test(metrics, times_and_numbers);
	suite_add_tcase(s, metrics);
	tcase_add_test(limits, limits_of_version_2);
	tcase_add_test(limits, limits_of_version_1);
	suite_add_tcase(s, limits);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
