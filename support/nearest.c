/*
 * Did you mean: edit distance (insert, delete, change, swap neighbours), in
 * units of 2 so that a change of case can cost half.
 */
#include "config.h"

#include <ctype.h>
#include <string.h>

#include "support/diag.h"

enum { LONGEST = 40, UNIT = 2 };

static int
least(int a, int b, int c)
{
	int m = a < b ? a : b;

	return m < c ? m : c;
}

static int
change(char a, char b)
{
	if (a == b)
		return 0;
	return tolower((unsigned char)a) == tolower((unsigned char)b) ? 1
								      : UNIT;
}

static int
distance(const char *a, const char *b)
{
	int m = (int)strlen(a), n = (int)strlen(b);
	int row[3][LONGEST + 1]; /* rows i-2, i-1, i of the table */

	if (m > LONGEST || n > LONGEST)
		return LONGEST * UNIT;
	for (int j = 0; j <= n; j++)
		row[0][j] = row[1][j] = j * UNIT;
	for (int i = 1; i <= m; i++) {
		int *now = row[(i + 1) % 3];
		const int *old = row[i % 3], *older = row[(i + 2) % 3];

		now[0] = i * UNIT;
		for (int j = 1; j <= n; j++) {
			now[j] = least(old[j] + UNIT, now[j - 1] + UNIT,
			    old[j - 1] + change(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] = least(now[j], older[j - 2] + UNIT,
				    now[j]);
		}
	}
	return row[(m + 1) % 3][n];
}

const char *
diag_nearest(const char *name, const char *const *list)
{
	const char *best = NULL;
	int least_so_far = (int)strlen(name) * UNIT / 3 + 1;

	for (; *list; list++) {
		int d = distance(name, *list);

		if (d < least_so_far) {
			least_so_far = d;
			best = *list;
		}
	}
	return best;
}
