/* Boxes: each element in one block, at the place that the image says. */
#include "config.h"

#include "runtime/state/box.h"
#include "tests/state/mesh.h"

static struct ranks w;
static struct model x;

/* Every element, found through from() and through of(), is where the slow way
 * puts it. */
static void
check_element(const struct mesh *m, int tensor, int rank, uint64_t i)
{
	const struct lt_tensor *t = &x.tensor[tensor];
	uint64_t slow = slow_place(m, &x, tensor, 0, rank, i);
	uint64_t base = t->flat < 0 ? t->master : x.flat[t->flat].master;
	struct lt_box b = lt_box_from(&w.prog, t, i);

	ck_assert_uint_eq(b.at, i);
	ck_assert_uint_gt(b.n, 0);
	ck_assert_int_eq(slow != UINT64_MAX,
	    b.block == lt_box_block(&w.prog, t, rank));
	if (slow != UINT64_MAX)
		ck_assert_uint_eq(slow, base + 4 * b.offset);
}

START_TEST(elements)
{
	const struct mesh *m = &meshes[_i];

	model_program(&w, &x, m);
	for (int k = 0; k < TENSORS; k++) {
		ck_assert(lt_box_valid(&w.prog, &x.tensor[k]));
		for (int r = 0; r < w.n; r++)
			for (uint64_t i = 0; i < x.tensor[k].count; i++)
				check_element(m, k, r, i);
	}
}
END_TEST

/* The boxes of all blocks tile the tensor; each is the longest there is. */
START_TEST(tiles)
{
	model_program(&w, &x, &meshes[_i]);
	for (int k = 0; k < TENSORS; k++) {
		const struct lt_tensor *t = &x.tensor[k];
		int blocks = lt_box_blocks(&w.prog, t);
		uint64_t at = 0, layers = lt_box_layers(&w.prog, t);

		for (uint64_t l = 0; l < layers; l++)
			for (int b = 0; b < blocks; b++) {
				struct lt_box c = lt_box_of(&w.prog, t, b, l);

				ck_assert_int_eq(c.block, b);
				if (c.n == 0)
					continue;
				ck_assert_uint_eq(c.at, at);
				ck_assert_uint_eq(c.n,
				    lt_box_from(&w.prog, t, at).n);
				at += c.n;
			}
		ck_assert_uint_eq(at, t->count);
	}
}
END_TEST

START_TEST(owners)
{
	model_program(&w, &x, &meshes[_i]);
	for (int k = 0; k < TENSORS; k++) {
		const struct lt_tensor *t = &x.tensor[k];

		for (int b = 0; b < lt_box_blocks(&w.prog, t); b++) {
			int r = 0;

			while (lt_box_block(&w.prog, t, r) != b)
				r++;
			ck_assert_int_lt(r, w.n);
			ck_assert_int_eq(lt_box_owner(&w.prog, t, b), r);
		}
	}
}
END_TEST

/* A box that begins in the middle of a tensor and one that ends there, by
 * hand: blocks of 64 in an image of 192, layer.d at 48..178. */
START_TEST(by_hand)
{
	struct lt_box b;

	model_program(&w, &x, &meshes[3]);
	ck_assert_uint_eq(x.flat[0].image, 192);
	b = lt_box_of(&w.prog, &x.tensor[3], 0, 1);
	ck_assert(b.at == 130 && b.n == 16 && b.offset == 64 + 48);
	b = lt_box_of(&w.prog, &x.tensor[3], 1, 1);
	ck_assert(b.at == 146 && b.n == 64 && b.offset == 64);
	b = lt_box_of(&w.prog, &x.tensor[3], 2, 2);
	ck_assert(b.at == 340 && b.n == 50 && b.offset == 128);
	b = lt_box_of(&w.prog, &x.tensor[0], 1, 0);
	ck_assert_uint_eq(b.n, 0);
	b = lt_box_from(&w.prog, &x.tensor[3], 390);
	ck_assert_uint_eq(b.n, 0);
}
END_TEST

START_TEST(tables_that_are_none)
{
	struct lt_tensor *t = &x.tensor[3];

	model_program(&w, &x, &meshes[3]);
	t->count++;
	ck_assert(!lt_box_valid(&w.prog, t));
	t->count--;
	t->at = 192 - 129; /* one element past the image */
	ck_assert(!lt_box_valid(&w.prog, t));
	t->at = 192 - 130;
	ck_assert(lt_box_valid(&w.prog, t));
	t->at = UINT64_MAX - 5;
	ck_assert(!lt_box_valid(&w.prog, t));
	t->at = 48;
	t->flat = 2;
	ck_assert(!lt_box_valid(&w.prog, t));
	t->flat = 0;
	x.flat[0].image--; /* cannot be cut */
	ck_assert(!lt_box_valid(&w.prog, t));
	x.flat[0].image++;
	t->shape[1] = t->shape[2] = UINT64_C(1) << 63;
	ck_assert(!lt_box_valid(&w.prog, t));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("box");
	TCase *c = tcase_create("box");
	SRunner *run;
	int failed;

	tcase_add_loop_test(c, elements, 0, MESHES);
	tcase_add_loop_test(c, tiles, 0, MESHES);
	tcase_add_loop_test(c, owners, 0, MESHES);
	tcase_add_test(c, by_hand);
	tcase_add_test(c, tables_that_are_none);
	suite_add_tcase(s, c);
	run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
