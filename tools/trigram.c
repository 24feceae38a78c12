#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "tools/trigram.h"

static void
count_row(const uint32_t row[256], uint32_t *total, uint16_t *kinds)
{
	for (int i = 0; i < 256; i++) {
		*total += row[i];
		*kinds += row[i] != 0;
	}
}

struct trigram *
trigram_train(const uint8_t *text, size_t n)
{
	struct trigram *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		m->n1[text[i]]++;
		if (i >= 1)
			m->n2[text[i - 1]][text[i]]++;
		if (i >= 2)
			m->n3[text[i - 2]][text[i - 1]][text[i]]++;
	}
	count_row(m->n1, &m->total, &m->kinds);
	for (int a = 0; a < 256; a++) {
		count_row(m->n2[a], &m->total1[a], &m->kinds1[a]);
		for (int b = 0; b < 256; b++)
			count_row(m->n3[a][b], &m->total2[a][b],
			    &m->kinds2[a][b]);
	}
	return m;
}

/* A context never seen leaves everything to the shorter one. */
static double
mix(uint32_t count, uint32_t total, uint32_t kinds, double shorter)
{
	if (total == 0)
		return shorter;
	return (count + kinds * shorter) / ((double)total + kinds);
}

double
trigram_probability(const struct trigram *m, uint8_t a, uint8_t b, uint8_t c)
{
	double p = 1.0 / 256;

	p = mix(m->n1[c], m->total, m->kinds, p);
	p = mix(m->n2[b][c], m->total1[b], m->kinds1[b], p);
	return mix(m->n3[a][b][c], m->total2[a][b], m->kinds2[a][b], p);
}

double
trigram_loss(const struct trigram *m, const uint8_t *text, size_t n)
{
	double sum = 0;

	for (size_t i = 2; i < n; i++)
		sum -= log(trigram_probability(
		    m, text[i - 2], text[i - 1], text[i]));
	return sum / (double)(n - 2);
}
