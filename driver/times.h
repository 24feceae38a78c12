/* --time-passes: laps of a clock. */
#ifndef LOONG_DRIVER_TIMES_H
#define LOONG_DRIVER_TIMES_H

#include <stdio.h>

struct times {
	FILE *out; /* NULL: nobody asked */
	double since;
};

void times_start(struct times *t, FILE *out);
void times_lap(struct times *t, const char *what); /* prints, starts anew */
void times_skip(struct times *t);		   /* starts anew */

#endif
