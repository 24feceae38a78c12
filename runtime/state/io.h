/*
 * Files of a run.  Everything is opened relative to a directory, regular
 * files only, symbolic links refused; files are created anew with mode 0600.
 * Functions return false (or -1, NULL) with errno set or *error filled in,
 * as their prototype shows.
 */
#ifndef LT_RUNTIME_STATE_IO_H
#define LT_RUNTIME_STATE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/state/error.h"

int lt_dir_open(int at, const char *name);
int lt_file_create(int at, const char *name);

/* A regular file and its size. */
int lt_file_open(int at, const char *name, uint64_t *size,
    struct lt_error *error);

/* All of it or false; short writes go on, errors do not. */
bool lt_write_all(int fd, const void *bytes, size_t n);

/* n bytes at offset; false with errno 0: the file ends before. */
bool lt_read_all(int fd, void *bytes, size_t n, uint64_t offset);

/* A whole file of at most `limit` bytes, ended by a 0 that is not counted;
 * the caller frees it. */
char *lt_file_read(int at, const char *name, uint64_t limit, size_t *n,
    struct lt_error *error);

/* Removes a directory of files; false: something is still there. */
bool lt_dir_remove(int at, const char *name);

/* Eight random hex digits. */
void lt_nonce(char text[9]);

#endif
