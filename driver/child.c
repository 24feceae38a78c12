#include "config.h"

#include "driver/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

enum { STEP_MS = 10, PATIENCE = 200 }; /* steps */

extern char **environ;

static volatile pid_t running; /* and its process group; 0: none */

static int
set_files(posix_spawn_file_actions_t *actions, int in, int out, int err)
{
	int why = posix_spawn_file_actions_adddup2(actions, in, 0);

	if (!why)
		why = posix_spawn_file_actions_adddup2(actions, out, 1);
	return why ? why : posix_spawn_file_actions_adddup2(actions, err, 2);
}

static int
set_group(posix_spawnattr_t *attr, const sigset_t *mask)
{
	int why = posix_spawnattr_setflags(attr,
	    POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);

	if (!why)
		why = posix_spawnattr_setpgroup(attr, 0);
	return why ? why : posix_spawnattr_setsigmask(attr, mask);
}

/* Whose parents end become ours, so that nothing outlives its group unseen. */
static void
adopt(void)
{
#ifdef PR_SET_CHILD_SUBREAPER
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
#endif
}

/* No signal may come between the start of a program and the note of it. */
static int
spawn(char **argv, int in, int out, int err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t all, mask;
	pid_t pid = 0;
	int why;

	if ((why = posix_spawn_file_actions_init(&actions)) != 0)
		return why;
	if ((why = posix_spawnattr_init(&attr)) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return why;
	}
	adopt();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	why = set_files(&actions, in, out, err);
	if (!why)
		why = set_group(&attr, &mask);
	if (!why)
		why = posix_spawnp(
		    &pid, argv[0], &actions, &attr, argv, environ);
	running = why ? 0 : pid;
	sigprocmask(SIG_SETMASK, &mask, NULL);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return why;
}

int
child_run(char **argv, int in, int out, int err, int *status)
{
	int why = spawn(argv, in, out, err);
	pid_t pid = running;

	if (why)
		return why;
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR) {
			why = errno;
			break;
		}
	running = 0;
	return why;
}

/* True when the group has no member left within so many steps. */
static int
gone(pid_t group, int steps)
{
	for (int i = 0; i < steps; i++) {
		while (waitpid(-group, NULL, WNOHANG) > 0)
			;
		if (kill(-group, 0) != 0)
			return 1;
		poll(NULL, 0, STEP_MS);
	}
	return 0;
}

void
child_end(void)
{
	pid_t group = running;

	if (!group)
		return;
	running = 0;
	kill(-group, SIGTERM);
	kill(-group, SIGCONT);
	if (gone(group, PATIENCE))
		return;
	kill(-group, SIGKILL);
	gone(group, PATIENCE);
}
