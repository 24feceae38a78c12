/* Messages to people, and to the launchers that ask for the last one. */
#include "config.h"

#include "runtime/main/report.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* A process has one terminal, so there is one of these. */
static struct {
	const char *name;
	bool quiet, tty;
	int width; /* of the status line on the screen; 0: none */
} out = {.name = "train"};

static _Thread_local int rank = -1;
static atomic_int failed = -1; /* the rank that says why; -1: none yet */

void
lt_report_rank(int r)
{
	rank = r;
}

/* Whether an error is mine to tell. */
static bool
speaks(void)
{
	int none = -1;

	return rank < 0 || atomic_compare_exchange_strong(&failed, &none,
	    rank) || none == rank;
}

void
lt_report_start(const char *argv0, bool quiet)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *term = getenv("TERM");

	if (argv0 && *argv0)
		out.name = slash && slash[1] ? slash + 1 : argv0;
	out.quiet = quiet;
	out.tty = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

bool
lt_report_tty(void)
{
	return out.tty;
}

bool
lt_report_quiet(void)
{
	return out.quiet || rank > 0;
}

static void
end_status(void)
{
	if (out.width)
		fputc('\n', stderr);
	out.width = 0;
}

/* A line that wraps could not be rewritten. */
int
lt_report_columns(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ?
	    w.ws_col - 1 : 79;
}

void
lt_status(const char *line)
{
	int n = (int)strlen(line), most;

	if (lt_report_quiet() || !out.tty)
		return;
	most = lt_report_columns();
	n = n < most ? n : most;
	/* Pad rather than clear: works on every terminal. */
	fprintf(stderr, "\r%-*.*s", out.width < most ? out.width : most, n,
	    line);
	fflush(stderr);
	out.width = n;
}

static void
say(const char *kind, const char *fmt, va_list ap)
{
	end_status();
	if (kind)
		fprintf(stderr, "%s: %s: ", out.name, kind);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	fflush(stderr);
}

void
lt_note(const char *fmt, ...)
{
	va_list ap;

	if (lt_report_quiet())
		return;
	va_start(ap, fmt);
	say(NULL, fmt, ap);
	va_end(ap);
}

void
lt_warn(const char *fmt, ...)
{
	va_list ap;

	if (rank > 0)
		return;
	va_start(ap, fmt);
	say("warning", fmt, ap);
	va_end(ap);
}

/* A JSON string, quotes included; what is not ASCII becomes '?'. */
static void
put_json(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 32)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c < 127 ? c : '?', f);
	}
	fputc('"', f);
}

static void
tell_torchrun(const char *message)
{
	const char *path = getenv("TORCHELASTIC_ERROR_FILE");
	FILE *f = path && *path ? fopen(path, "we") : NULL;

	if (!f)
		return;
	fputs("{\"message\":{\"message\":", f);
	put_json(f, message);
	fprintf(f, ",\"extraInfo\":{\"timestamp\":%lld}}}\n",
	    (long long)time(NULL));
	fclose(f);
}

/* The file exists only inside a pod; it is never created. */
static void
tell_kubernetes(const char *message)
{
	int fd = getenv("KUBERNETES_SERVICE_HOST") ?
	    open("/dev/termination-log", O_WRONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	if (write(fd, message, strlen(message)) < 0)
		perror("/dev/termination-log");
	close(fd);
}

int
lt_fail(int code, const char *fmt, ...)
{
	char message[4096];
	va_list ap;

	if (!speaks())
		return code;
	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	end_status();
	fprintf(stderr, "%s: error: %s\n", out.name, message);
	fflush(stderr);
	tell_torchrun(message);
	tell_kubernetes(message);
	return code;
}
