#include "config.h"

#include "runtime/comm/rdzv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/loong_rt.h"
#include "runtime/main/report.h"

/* A token that people choose has to be long: whoever hears a proof can try
 * short ones. */
enum { TOKEN_MIN = 16 };

/* What tells one job from another, and from itself started again. */
static const char *const job_names[] = {
    "LOONG_RDZV_ID", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT",
    "MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID", "SLURM_STEP_ID",
    "SLURM_RESTART_COUNT", "PMIX_NAMESPACE", "PMI_JOBID",
};

static void
name_job(unsigned char job[LT_SHA256])
{
	char text[4096];
	size_t at = 0;

	for (size_t i = 0; i < sizeof job_names / sizeof *job_names; i++) {
		const char *s = getenv(job_names[i]);

		at += (size_t)snprintf(text + at, sizeof text - at,
		    "%s=%.300s\n", job_names[i], s ? s : "");
	}
	lt_sha256(text, at, job);
}

static int
need_token(struct lt_rdzv *z)
{
	const char *token = getenv("LOONG_RDZV_TOKEN");

	if (!token || strlen(token) < TOKEN_MIN)
		return lt_fail(LT_EXIT_CONFIG, "--rdzv tcp:%s:%s: ranks prove "
		    "to each other that they know LOONG_RDZV_TOKEN, and it "
		    "%s: set it to the same secret of %d characters or more "
		    "for all of them", z->host, z->port, token ?
		    "is too short" : "is not set", TOKEN_MIN);
	lt_sha256(token, strlen(token), z->token);
	return LT_OK;
}

/* HOST:PORT, [HOST]:PORT. */
static bool
parse_place(const char *s, struct lt_rdzv *z)
{
	const char *colon = strrchr(s, ':');
	size_t n = colon ? (size_t)(colon - s) : 0;
	char *end;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;

	if (n > 2 && s[0] == '[' && s[n - 1] == ']') {
		s++;
		n -= 2;
	}
	if (!n || n >= sizeof z->host || port < 1 || port > 65535 || *end)
		return false;
	memcpy(z->host, s, n);
	z->host[n] = '\0';
	snprintf(z->port, sizeof z->port, "%ld", port);
	return true;
}

static int
use_folder(struct lt_rdzv *z, const char *dir)
{
	z->kind = LT_RDZV_FILE;
	if (!*dir || strlen(dir) >= sizeof z->dir)
		return lt_fail(LT_EXIT_USAGE, "--rdzv file:%s: is no name of "
		    "a folder", dir);
	snprintf(z->dir, sizeof z->dir, "%s", dir);
	return LT_OK;
}

static int
use_place(struct lt_rdzv *z, const char *place)
{
	z->kind = LT_RDZV_TCP;
	return parse_place(place, z) ? need_token(z) :
	    lt_fail(LT_EXIT_USAGE, "--rdzv tcp:%s: is not tcp:HOST:PORT",
		place);
}

/* ---- auto ---- */

/* A folder of the user's own, on this machine or not. */
static bool
own_folder(char *dir, size_t size)
{
	static const struct {
		const char *name, *below;
	} at[] = {{"XDG_RUNTIME_DIR", "loongc"}, {"XDG_CACHE_HOME", "loongc"},
	    {"HOME", ".cache/loongc"}};

	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		const char *s = getenv(at[i].name);

		if (s && *s == '/' && strlen(s) + 16 < size) {
			snprintf(dir, size, "%s/%s", s, at[i].below);
			return true;
		}
	}
	return false;
}

/* torchrun's agent itself listens on MASTER_PORT: the next one is ours. */
static bool
master_place(char *place, size_t size)
{
	const char *addr = getenv("MASTER_ADDR"), *port = getenv("MASTER_PORT");
	const char *agent = getenv("TORCHELASTIC_USE_AGENT_STORE");
	bool taken = agent && strcmp(agent, "True") == 0;
	int n;

	if (!addr || !port)
		return false;
	n = snprintf(place, size, strchr(addr, ':') ? "[%s]:%ld" : "%s:%ld",
	    addr, strtol(port, NULL, 10) + (taken ? 1 : 0));
	return n > 0 && (size_t)n < size;
}

static int
choose(const struct lt_rdzv_ask *ask, struct lt_rdzv *z)
{
	char at[PATH_MAX];

	if (ask->by_mpi) {
		z->kind = LT_RDZV_MPI;
		return LT_OK;
	}
	if (ask->near && own_folder(at, sizeof at))
		return use_folder(z, at);
	if (getenv("LOONG_RDZV_TOKEN") && master_place(at, sizeof at))
		return use_place(z, at);
	if (ask->out)
		return use_folder(z, ask->out);
	return lt_fail(LT_EXIT_CONFIG, "%s started several processes, which "
	    "cannot find each other: give --rdzv file:DIR, a folder that all "
	    "of them see, or --rdzv tcp:HOST:PORT, where rank 0 listens, with "
	    "the same LOONG_RDZV_TOKEN for all", ask->by);
}

int
lt_rdzv_choose(const struct lt_rdzv_ask *ask, struct lt_rdzv *z)
{
	const char *s = ask->option ? ask->option : "auto";

	*z = (struct lt_rdzv){.near = ask->near};
	name_job(z->job);
	if (strcmp(s, "auto") == 0)
		return choose(ask, z);
	if (strcmp(s, "mpi") == 0) {
		z->kind = LT_RDZV_MPI;
		return LT_OK;
	}
	if (strncmp(s, "file:", 5) == 0)
		return use_folder(z, s + 5);
	if (strncmp(s, "tcp:", 4) == 0)
		return use_place(z, s + 4);
	return lt_fail(LT_EXIT_USAGE, "--rdzv %s: is auto, mpi, file:DIR or "
	    "tcp:HOST:PORT", s);
}
