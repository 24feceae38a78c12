/*
 * Every system call of a save fails, writes short, or is the last thing the
 * process does; what can be resumed afterwards is whole.
 *
 * This file defines the calls that change files, in place of the library's.
 */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/state/fixture.h"
#include "tests/suite.h"

enum fault { NONE, FAIL, SHORT, KILL };

static enum fault fault;
static int calls, when, error_code;

/* True if this call fails. */
static bool
strikes(void)
{
	if (fault == NONE || ++calls != when)
		return false;
	if (fault == KILL)
		raise(SIGKILL);
	errno = error_code;
	return fault == FAIL;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	if (strikes())
		return -1;
	if (fault == SHORT && n > 1)
		n = n / 2;
	return syscall(SYS_write, fd, p, n);
}

int
fsync(int fd)
{
	return strikes() ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return strikes() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
mkdirat(int at, const char *name, mode_t mode)
{
	return strikes() ? -1 : (int)syscall(SYS_mkdirat, at, name, mode);
}

int
renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	return strikes() ? -1 : (int)syscall(SYS_renameat2, a, from, b, to,
	    flags);
}

int
renameat(int a, const char *from, int b, const char *to)
{
	return strikes() ? -1 : (int)syscall(SYS_renameat2, a, from, b, to, 0);
}

/* Removing may be cut off too; it is not asked whether it worked. */
int
unlinkat(int at, const char *name, int flags)
{
	if (fault == KILL && strikes())
		return -1;
	return (int)syscall(SYS_unlinkat, at, name, flags);
}

static struct tiny t;

static void
setup(void)
{
	tiny_setup(&t);
}

static void
teardown(void)
{
	fault = NONE;
	tiny_teardown(&t);
}

static void
arm(enum fault f, int at, int code)
{
	fault = f;
	when = at;
	calls = 0;
	error_code = code;
}

/* What is there now: one of the two, whole. */
static int64_t
newest(int64_t old, int64_t new)
{
	struct lt_point at;

	fault = NONE;
	ck_assert_msg(tiny_restore(&t, LT_RESUME_NEWEST, &at) ==
	    LT_RESTORE_OK, "%s", t.error.text);
	ck_assert(at.step == old || at.step == new);
	ck_assert(tiny_holds(&t, at.step));
	return at.step;
}

static int
names(void)
{
	char command[128];
	int n = -1;
	FILE *f;

	snprintf(command, sizeof command, "ls %s | wc -l", t.path);
	f = popen(command, "r");
	ck_assert(f && fscanf(f, "%d", &n) == 1);
	pclose(f);
	return n;
}

/* EINVAL: also a file system that knows no flags of renameat2. */
static const int codes[] = {ENOSPC, EIO, EDQUOT, EROFS, EINVAL};

/* An error before the rename leaves the old one; after it, the new one may
 * be there already, although durability was not confirmed. */
START_TEST(every_call_fails)
{
	int faults = 0;
	bool ok = false;

	ck_assert(tiny_save(&t, 1, 1));
	for (int k = 1; !ok; k++, faults++) {
		arm(FAIL, k, codes[_i]);
		ok = tiny_save(&t, 2, 5);
		fault = NONE;
		if (ok)
			break;
		ck_assert_ptr_nonnull(strstr(t.error.text,
		    strerror(codes[_i])));
		ck_assert_int_eq(t.error.code, LT_EXIT_IO);
		if (newest(1, 2) == 2)
			lt_out_remove(t.out, 2);
		ck_assert_int_eq(names(), 2); /* lock, step-000001 */
	}
	ck_assert_int_eq(newest(1, 2), 2);
	/* mkdir, 2 x (header, 2 or 3 tensors, sync), manifest and its sync,
	 * two directories, rename */
	ck_assert_int_ge(faults, 13);
}
END_TEST

START_TEST(short_writes)
{
	arm(SHORT, 0, 0);
	ck_assert(tiny_save(&t, 1, 1));
	ck_assert_int_gt(calls, 60); /* halves of halves */
	ck_assert_int_eq(newest(1, 1), 1);
}
END_TEST

/* A child saves step 2 (or step 1 again) and dies at its k-th call. */
static bool
dies(int k, int64_t step)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		tiny_open(&t); /* its own lock, gone when it dies */
		arm(KILL, k, 0);
		_exit(tiny_save(&t, step, 1) ? 0 : 1);
	}
	ck_assert(waitpid(pid, &status, 0) == pid);
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

START_TEST(killed_anywhere)
{
	int64_t step = _i ? 1 : 2;
	int deaths = 0, k = 1;

	ck_assert(tiny_save(&t, 1, 1));
	for (bool died = true; died; k++, deaths += died) {
		lt_out_close(t.out);
		died = dies(k, step);
		tiny_open(&t);
		newest(1, 2);
		ck_assert_int_le(names(), 3); /* nothing half written */
		if (died && step == 2 && lt_out_newest(t.out) == 2) {
			lt_out_remove(t.out, 2);
			ck_assert(tiny_save(&t, 1, 1));
		}
	}
	ck_assert_int_eq(newest(step, step), step);
	ck_assert_int_ge(deaths, 15);
}
END_TEST

int
main(void)
{
	TCase *c = tcase_create("faults");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, every_call_fails, 0,
	    (int)(sizeof codes / sizeof codes[0]));
	tcase_add_test(c, short_writes);
	tcase_add_loop_test(c, killed_anywhere, 0, 2);
	return suite_run("faults", c);
}
