/* The folder of a run belongs to one trainer. */
#define _GNU_SOURCE
#include "config.h"

#include "tests/state/fixture.h"
#include "tests/suite.h"

#include <sys/wait.h>

static struct tiny t;

static void
setup(void)
{
	tiny_setup(&t);
}

static void
teardown(void)
{
	tiny_teardown(&t);
}

START_TEST(second_trainer)
{
	char pid[32];

	snprintf(pid, sizeof pid, "process %ld", (long)getpid());
	ck_assert_ptr_null(lt_out_open(t.path, &t.error));
	ck_assert_ptr_nonnull(strstr(t.error.text, "another trainer"));
	ck_assert_ptr_nonnull(strstr(t.error.text, pid));
	ck_assert_int_eq(t.error.code, LT_EXIT_IO);
	lt_out_close(t.out);
	tiny_open(&t);
}
END_TEST

/* Many start at once: exactly one gets the folder. */
START_TEST(race_for_the_folder)
{
	enum { N = 12 };
	int go[2], won = 0, status;
	char c;

	lt_out_close(t.out);
	ck_assert_int_eq(pipe(go), 0);
	for (int i = 0; i < N; i++)
		if (fork() == 0) {
			close(go[1]);
			while (read(go[0], &c, 1) < 0)
				;
			t.out = lt_out_open(t.path, &t.error);
			if (t.out)
				usleep(300000);
			_exit(t.out ? 0 : 1);
		}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < N; i++) {
		ck_assert(wait(&status) > 0 && WIFEXITED(status));
		won += WEXITSTATUS(status) == 0;
	}
	ck_assert_int_eq(won, 1);
	tiny_open(&t);
}
END_TEST

START_TEST(no_such_folder)
{
	char path[128];

	snprintf(path, sizeof path, "%s/a/b", t.dir);
	ck_assert_ptr_null(lt_out_open(path, &t.error));
	ck_assert_ptr_nonnull(strstr(t.error.text, "No such file"));
	snprintf(path, sizeof path, "%s/file", t.dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_ptr_null(lt_out_open(path, &t.error));
	ck_assert_ptr_nonnull(strstr(t.error.text, "Not a directory"));
	snprintf(path, sizeof path, "%s/link/lock", t.dir);
	ck_assert(mkdir(strcat(strcpy(path, t.dir), "/link"), 0700) == 0);
	snprintf(path, sizeof path, "%s/link/lock", t.dir);
	ck_assert(symlink("../file", path) == 0);
	*strrchr(path, '/') = 0;
	ck_assert_ptr_null(lt_out_open(path, &t.error));
	ck_assert_ptr_nonnull(strstr(t.error.text, "symbolic links"));
}
END_TEST

int
main(void)
{
	TCase *c = tcase_create("out");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, second_trainer);
	tcase_add_test(c, race_for_the_folder);
	tcase_add_test(c, no_such_folder);
	return suite_run("out", c);
}
