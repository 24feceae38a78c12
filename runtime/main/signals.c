/* Stopping on request. */
#include "config.h"

#include "runtime/main/signals.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stop;

static void
on_stop(int sig)
{
	if (stop) {
		signal(sig, SIG_DFL);
		raise(sig);
	}
	stop = sig;
}

void
lt_signals_start(void)
{
	struct sigaction sa = {.sa_handler = on_stop, .sa_flags = SA_RESTART};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	/* a reader of our output that went away is no reason to stop */
	signal(SIGPIPE, SIG_IGN);
	/* nor is a limit on the size of files: the write fails, and we say so */
	signal(SIGXFSZ, SIG_IGN);
}

int
lt_signals_stop(void)
{
	return stop;
}
