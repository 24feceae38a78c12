/*
 * Who is there?  Both sides of a new connection prove, by an HMAC of what the
 * other one has just made up, that they know the token of the run; the one
 * that connected first, so that a stranger learns nothing.
 *
 *	listener:  greeting, number A
 *	other:     greeting, number B, who I am, HMAC("other", A, B, who)
 *	listener:  answer, HMAC("listener", A, B, who, answer)
 *
 * What follows on the connection is neither secret nor sealed.
 */
#ifndef LT_RUNTIME_COMM_HELLO_H
#define LT_RUNTIME_COMM_HELLO_H

#include <stdint.h>

#include "runtime/comm/sha256.h"

struct lt_who {
	uint32_t rank, ranks;
	uint32_t port;                /* where it listens itself */
	unsigned char job[LT_SHA256]; /* a hash: rdzv.h */
};

enum lt_answer {
	LT_NOBODY,      /* the connection broke, or it is something else */
	LT_STRANGER,    /* another version of this protocol */
	LT_WELCOME,
	LT_WRONG_TOKEN,
	LT_WRONG_JOB,
	LT_WRONG_RANKS, /* of a run of another size */
	LT_TAKEN        /* this rank has come already, or is not awaited */
};

/* Random bytes; false: there are none. */
bool lt_random(unsigned char bytes[LT_SHA256]);

/*
 * The listener's side: *who is set if the token is right.  `judge` then says
 * what the answer is.
 */
enum lt_answer lt_hello_accept(int fd, const unsigned char token[LT_SHA256],
    struct lt_who *who, enum lt_answer (*judge)(const struct lt_who *, void *),
    void *arg, double end);

/* The other side's.  An answer but LT_WRONG_TOKEN is one of a listener that
 * knows the token. */
enum lt_answer lt_hello_send(int fd, const unsigned char token[LT_SHA256],
    const struct lt_who *, double end);

#endif
