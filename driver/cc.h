/* The system's C compiler, which turns generated C into a trainer. */
#ifndef LOONG_DRIVER_CC_H
#define LOONG_DRIVER_CC_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Where the runtime is: headers below include/, and the archive.  From
 * LOONGC_RUNTIME, beside a loongc that was not installed, or where `make
 * install` put it.  On failure: a message to stderr, false.
 */
struct runtime {
	char include[4096], archive[4096];
};
bool runtime_find(struct runtime *rt);

/*
 * Compiles and links the C in source (read from its start) to exe, with CC,
 * CFLAGS and LDFLAGS of the environment; no shell is involved.  verbose prints
 * the command.  On failure: a message to stderr with the command, false.
 */
bool cc_link(FILE *source, const char *exe, bool verbose);

/*
 * The same with objects of C++, and the library of C++; and one such object,
 * with CXX and CXXFLAGS of the environment.  Sources include what they need of
 * the runtime's headers.
 */
bool cc_link_cxx(FILE *source, char *const *object, int nobject,
    const char *exe, bool verbose);
bool cc_object(FILE *source, const char *object, bool verbose);

#endif
