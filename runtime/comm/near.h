/*
 * Messages between the processes of one machine, through memory that all of
 * them have mapped: a ring of bytes for every sender and receiver.
 *
 * Messages of a lane between two ranks match in the order in which they are
 * posted.  A sender writes as much as the ring has room for and goes on when it
 * posts, tests or waits; a receiver takes what is in its rings when it does so,
 * for a message that is not awaited yet into memory of its own.  Of these there
 * are never more bytes from one sender than its ring holds: a sender begins a
 * message that is not awaited only within that limit.  So whoever waits keeps
 * all rings moving, and no lane stops another one.
 *
 * One rank, one thread.  The others are trusted: they are this run's.
 */
#ifndef LT_RUNTIME_COMM_NEAR_H
#define LT_RUNTIME_COMM_NEAR_H

#include <stdbool.h>
#include <stdint.h>

enum lt_near_error {
	LT_NEAR_OK,
	LT_NEAR_LOST,     /* a process is gone */
	LT_NEAR_LEFT,     /* a rank from which something is awaited has left */
	LT_NEAR_CONFUSED, /* what came is not what was awaited */
	LT_NEAR_NO_MEMORY
};

struct lt_near;

/* Bytes of the region of so many ranks with rings of `ring` bytes, a multiple
 * of 64; 0: too many. */
uint64_t lt_near_bytes(int ranks, uint64_t ring);

/* A rank's end; region: zeros at first, 64-byte aligned, kept by the caller.
 * spin: look for some microseconds before a wait sleeps.  NULL: out of
 * memory. */
struct lt_near *lt_near_new(void *region, int rank, int ranks, uint64_t ring,
    bool spin);
/* Others hear that this rank has left in order.  NULL is nothing. */
void lt_near_free(struct lt_near *);

/* Long messages are read from the memory of their senders, in one copy; all
 * ranks may do that (process_vm_readv), and all call this before the first
 * message.  pid: by rank. */
void lt_near_lend(struct lt_near *, const int *pid);

/* From now on the end of a process is noticed: pid, by rank, in our
 * namespace.  After `grace` seconds it is an error: whoever started the
 * processes may end this one before. */
void lt_near_watch(struct lt_near *, const int *pid, double grace);

/* Memory for so many requests under way at a time, so that posting them takes
 * none; a message that comes before it is awaited still does. */
int lt_near_reserve(struct lt_near *, int messages);

/* data is the caller's until the request is done.  enum lt_near_error. */
int lt_near_send(struct lt_near *, int lane, int to, const void *data,
    uint32_t bytes, int *request);
int lt_near_recv(struct lt_near *, int lane, int from, void *data,
    uint32_t bytes, int *request);
/* What is done is done, whatever has happened since. */
int lt_near_test(struct lt_near *, int request, int *done);
/* After a test that was not done: returns when something has happened that
 * may end it, or after so many seconds, or sooner. */
void lt_near_wait(struct lt_near *, double seconds);
int lt_near_trouble(const struct lt_near *); /* an error, or LT_NEAR_OK */
int lt_near_guilty(const struct lt_near *);  /* the rank that it is about */

#endif
