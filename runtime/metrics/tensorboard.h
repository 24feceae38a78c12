/*
 * TensorBoard event files: TFRecords of Event messages, written by hand.
 *
 *	record   u64 length, u32 masked crc of it, payload, u32 masked crc
 *	Event    1 wall_time f64, 2 step i64, 3 file_version, 5 summary
 *	summary  1 value { 1 tag, 2 simple_value f32 }
 */
#ifndef LT_RUNTIME_METRICS_TENSORBOARD_H
#define LT_RUNTIME_METRICS_TENSORBOARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct lt_tensorboard {
	FILE *file; /* NULL: none */
	char *path;
};

/* Creates DIR if missing and a new event file in it.  LT_OK, or LT_EXIT_IO
 * after a message. */
int lt_tensorboard_open(struct lt_tensorboard *, const char *dir);
void lt_tensorboard_close(struct lt_tensorboard *);

/* One scalar; nothing without a file. */
void lt_tensorboard_put(struct lt_tensorboard *, int64_t step,
    const char *tag, float value);

/* The checksum of the format: CRC-32C, then rotated and offset. */
uint32_t lt_crc32c(const void *data, size_t n);
uint32_t lt_crc32c_masked(const void *data, size_t n);

#endif
