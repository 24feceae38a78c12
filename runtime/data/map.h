/*
 * A file mapped read-only.
 *
 * Files on disk may shrink while they are mapped; touching a page that is no
 * more raises SIGBUS.  lt_map_check looks before every batch, and
 * lt_map_guard turns the fault that slips through into a message and
 * LT_EXIT_DATA.
 */
#ifndef LT_RUNTIME_DATA_MAP_H
#define LT_RUNTIME_DATA_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct lt_map {
	const char *path; /* the caller's; must outlive the map */
	int fd;
	const unsigned char *p;
	uint64_t size;
};

/* Opens a regular file that is not empty.  LT_OK, or LT_EXIT_DATA after a
 * message; the map is then closed. */
int lt_map_open(struct lt_map *, const char *path);
void lt_map_close(struct lt_map *);

/* LT_OK if the file is still at least as long as the map; else
 * LT_EXIT_DATA after a message. */
int lt_map_check(const struct lt_map *);

/* Installs the handler of SIGBUS for all maps of the process. */
void lt_map_guard(void);

#endif
