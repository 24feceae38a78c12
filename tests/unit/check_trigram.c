/* The 3-gram model against numbers worked out by hand. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trigram.h"
#include "tests/suite.h"

static struct trigram *
train(const char *text)
{
	struct trigram *m = trigram_train((const uint8_t *)text, strlen(text));

	ck_assert_ptr_nonnull(m);
	return m;
}

/*
 * "abab" holds a, b twice each; ab twice, ba once; aba, bab once.
 *   P(a)     = (2 + 2/256) / (4 + 2)
 *   P(a|b)   = (1 + 1 P(a)) / (1 + 1)
 *   P(a|a,b) = (1 + 1 P(a|b)) / (1 + 1)
 * The sums differ from the program's in rounding alone: 1e-15 is 8 ulps.
 */
START_TEST(by_hand)
{
	struct trigram *m = train("abab");
	double p1 = (2 + 2 / 256.0) / 6, p2 = (1 + p1) / 2, p3 = (1 + p2) / 2;

	ck_assert_double_eq_tol(
	    trigram_probability(m, 'a', 'b', 'a'), p3, 1e-15);
	/* "bb" was never seen: the context is b alone. */
	ck_assert_double_eq_tol(
	    trigram_probability(m, 'b', 'b', 'a'), p2, 1e-15);
	/* "x" neither: no context. */
	ck_assert_double_eq_tol(
	    trigram_probability(m, 'x', 'x', 'a'), p1, 1e-15);
	ck_assert_double_eq_tol(
	    trigram_probability(m, 'x', 'x', 'y'), 2 / 256.0 / 6, 1e-15);
	free(m);
}
END_TEST

/* Contexts seen often, once, and never; 256 terms of rounding 2^-53 each. */
START_TEST(sums_to_one)
{
	static const char *const context[] = {"th", "qu", "zz", "\xff\x01"};
	struct trigram *m = train("the quick then the thin thus the quay");

	for (size_t i = 0; i < sizeof(context) / sizeof(*context); i++) {
		const uint8_t *h = (const uint8_t *)context[i];
		double sum = 0;

		for (int c = 0; c < 256; c++)
			sum += trigram_probability(m, h[0], h[1], (uint8_t)c);
		ck_assert_double_eq_tol(sum, 1, 256 * 0x1p-53);
	}
	free(m);
}
END_TEST

/* Untrained, every byte costs ln 256; the first two are context only. */
START_TEST(loss_untrained)
{
	struct trigram *m = train("");

	ck_assert_double_eq_tol(
	    trigram_loss(m, (const uint8_t *)"abcde", 5), log(256), 1e-14);
	free(m);
}
END_TEST

/* Loss is the mean over the bytes from the third on. */
START_TEST(loss_is_mean)
{
	struct trigram *m = train("abracadabra");
	const uint8_t *t = (const uint8_t *)"cabra";
	double want = 0;

	for (int i = 2; i < 5; i++)
		want -= log(trigram_probability(m, t[i - 2], t[i - 1], t[i]));
	ck_assert_double_eq_tol(trigram_loss(m, t, 5), want / 3, 1e-15);
	free(m);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("trigram");

	tcase_add_test(t, by_hand);
	tcase_add_test(t, sums_to_one);
	tcase_add_test(t, loss_untrained);
	tcase_add_test(t, loss_is_mean);
	return suite_run("trigram", t);
}
