/*
 * Output files: whole or not at all.
 *
 * What is written goes to a file in a private folder beside its destination;
 * output_commit puts it in place.  Until then, and after any error or signal,
 * the destination is as it was and nothing else is left.
 */
#ifndef LOONG_DRIVER_OUTPUT_H
#define LOONG_DRIVER_OUTPUT_H

#include <stdio.h>

#include "driver/input.h"

enum { OUTPUT_PARTS = 64 };

struct output {
	const char *path; /* NULL: standard output */
	FILE *file;	  /* to write to */
	char *dir, *temp; /* folder and file in it; NULL: written in place */
	char *part[OUTPUT_PARTS]; /* more files in it, which go with it */
	int npart;
};

/*
 * path NULL or "-" is standard output; a device is written in place.  exe: a
 * program will be linked at w->temp, so there is no file to write to.
 * On failure: a message to stderr, false, and nothing to discard.
 */
bool output_open(
    struct output *w, const char *path, const struct input *in, bool exe);
/* Where something that the output is made of can be written; NULL if there are
 * too many of them, after a message. */
const char *output_part(struct output *w);
/* On failure: a message to stderr, false; everything is discarded. */
bool output_commit(struct output *w);
void output_discard(struct output *w);

#endif
