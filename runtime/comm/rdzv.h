/*
 * Where the processes of a run find rank 0.
 *
 *	file:DIR       rank 0 writes where it listens, and a new random token,
 *	               into a file that nobody else can read; its name is a
 *	               hash of what launchers say of the job
 *	tcp:HOST:PORT  rank 0 listens there; the token is in LOONG_RDZV_TOKEN
 *	mpi            an MPI brings them together (mpi.h)
 *	auto           mpi where one has started the processes; else a file in
 *	               a folder of ours if all are on this machine; else tcp at
 *	               MASTER_ADDR and MASTER_PORT if there is a token; else a
 *	               file in --out
 */
#ifndef LT_RUNTIME_COMM_RDZV_H
#define LT_RUNTIME_COMM_RDZV_H

#include <limits.h>
#include <stdbool.h>

#include "runtime/comm/net.h"
#include "runtime/comm/sha256.h"

enum lt_rdzv_kind { LT_RDZV_MPI, LT_RDZV_FILE, LT_RDZV_TCP };

struct lt_rdzv {
	enum lt_rdzv_kind kind;
	bool near;                      /* all ranks are on this machine */
	char dir[PATH_MAX];             /* LT_RDZV_FILE */
	char host[256], port[8];        /* LT_RDZV_TCP */
	unsigned char token[LT_SHA256]; /* LT_RDZV_TCP */
	unsigned char job[LT_SHA256];   /* what launchers say, hashed */
};

/* What is known when the place is chosen. */
struct lt_rdzv_ask {
	const char *option; /* of --rdzv; NULL: auto */
	const char *out;    /* of --out; NULL: not given */
	const char *by;     /* who started the processes */
	bool by_mpi;        /* an MPI did, and there is a plugin for it */
	bool near;
};

/* LT_OK, or an exit code after a message. */
int lt_rdzv_choose(const struct lt_rdzv_ask *, struct lt_rdzv *);

/* What the file says. */
struct lt_notice {
	struct lt_address at;
	unsigned char token[LT_SHA256];
};

/* The file's path; room for PATH_MAX + 80 bytes. */
void lt_notice_path(const struct lt_rdzv *, char *path);
/* Writes it, whole or not at all.  LT_OK, or an exit code after a message. */
int lt_notice_put(const struct lt_rdzv *, const struct lt_notice *);
/*
 * Reads it.  NULL, or why that cannot be done; *wrong: it is there, but not
 * to be believed.  It may be of an earlier run: who listens there has to know
 * its token.
 */
const char *lt_notice_get(const struct lt_rdzv *, struct lt_notice *,
    bool *wrong);
void lt_notice_remove(const struct lt_rdzv *);

#endif
