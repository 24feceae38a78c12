/*
 * One connection of the transport `tcp`: frames out and in.
 *
 * Messages of a lane match in the order in which they are posted.  A receiver
 * says READY for each, and only then does its sender begin: nothing arrives
 * that has no place, so nothing is kept, and a lane that is not read does not
 * stop another one.  Long messages go in pieces, the lanes in turn.
 *
 *	kind    lane  bytes                  total
 *	READY   of    0                      of the message
 *	DATA    of    that follow            of the message
 *	FAILED  0     exit code of the run   0
 *	BYE     0     0                      0
 *
 * The caller holds a lock, or is alone.
 */
#ifndef LT_RUNTIME_COMM_FRAMES_H
#define LT_RUNTIME_COMM_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/comm/mpi_abi.h"

/* A message on its way; the caller's memory, until it is done. */
struct lt_letter {
	struct lt_letter *next;
	char *data;
	uint32_t bytes, at; /* all, and those that have gone or come */
	int peer;
	bool used, done;
};

struct lt_frame {
	uint8_t kind, lane;
	uint16_t zero;
	uint32_t bytes, total;
};

enum lt_frame_end {
	LT_OPEN,
	LT_LOST,     /* the connection broke */
	LT_LEFT,     /* the peer has said good-bye and gone */
	LT_ENDED,    /* the peer has said that the run failed */
	LT_CONFUSED  /* what came is not what was awaited */
};

struct lt_line {
	int fd;                  /* -1: there is no peer */
	enum lt_frame_end end;
	bool bye;                /* the peer's */
	int code;                /* LT_ENDED: of the run */
	uint64_t moved;          /* letters that are done */
	struct lane {
		struct lt_letter *out, *in, *silent; /* silent: the first of
		    in for which READY has not been said */
		uint64_t ready;  /* letters that the peer waits for */
	} lane[LT_MPI_LANES];
	int turn;                /* the lane that was served last */
	int say;                 /* a frame without lane to send first, or 0 */
	int say_code;
	struct {
		struct lt_frame head;
		size_t at;       /* of the head */
		char *data;      /* what is left of the piece */
		uint32_t left;
		struct lt_letter *letter;
	} out, in;
};

void lt_line_send(struct lt_line *, int lane, struct lt_letter *);
void lt_line_receive(struct lt_line *, int lane, struct lt_letter *);
void lt_line_fail(struct lt_line *, int code); /* FAILED comes next */
void lt_line_bye(struct lt_line *);            /* BYE comes next */

/* Moves what can be moved without waiting. */
void lt_line_push(struct lt_line *);
void lt_line_pull(struct lt_line *);
/* Whether push waits for the peer to read. */
bool lt_line_full(const struct lt_line *);

#endif
