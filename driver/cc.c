#include "config.h"

#include "driver/cc.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "support/arena.h"

extern char **environ;

struct command {
	struct arena mem;
	char **argv;
	int n, cap;
};

static void
add(struct command *c, const char *word)
{
	if (c->n + 1 >= c->cap) {
		char **old = c->argv;

		c->cap = c->cap ? 2 * c->cap : 64;
		c->argv = NEW_N(&c->mem, char *, (size_t)c->cap);
		if (old)
			memcpy(c->argv, old, sizeof *old * (size_t)c->n);
	}
	c->argv[c->n++] = arena_strndup(&c->mem, word, strlen(word));
}

/* Words of text, cut at blanks: nothing is quoted, nothing expands. */
static void
add_words(struct command *c, const char *text)
{
	static const char blank[] = " \t\n";

	for (text += strspn(text, blank); *text; text += strspn(text, blank)) {
		size_t n = strcspn(text, blank);

		add(c, arena_strndup(&c->mem, text, n));
		text += n;
	}
}

static void
add_variable(struct command *c, const char *name, const char *dflt)
{
	const char *value = getenv(name);

	add_words(c, value && value[strspn(value, " \t\n")] ? value : dflt);
}

static void
build(struct command *c, const struct runtime *rt, const char *exe)
{
	add_variable(c, "CC", "cc");
	add_words(c, codegen_cflags);
	add_words(c, LOONGC_CFLAGS);
	add_variable(c, "CFLAGS", "");
	add(c, arena_printf(&c->mem, "-I%s", rt->include));
	add(c, "-o");
	add(c, exe);
	add_words(c, "-x c - -x none");
	add(c, rt->archive);
	add_words(c, LOONGC_LDFLAGS);
	add_variable(c, "LDFLAGS", "");
	add_words(c, LOONGC_LIBS);
}

/* As one would type it. */
static void
show(const struct command *c)
{
	for (int i = 0; i < c->n; i++) {
		const char *w = c->argv[i];
		bool plain =
		    *w &&
		    strspn(w,
			"abcdefghijklmnopqrstuvwxyz"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./,:@%") ==
			strlen(w);

		fprintf(stderr, "%s%s", i ? " " : "  ", plain ? "" : "'");
		for (; *w; w++)
			fputs(*w == '\'' ? "'\\''" : (char[]){*w, 0}, stderr);
		fputs(plain ? "" : "'", stderr);
	}
	fputc('\n', stderr);
}

static bool
fail(const struct command *c, const char *why)
{
	fprintf(stderr, "loongc: %s\n", why);
	show(c);
	return false;
}

/* Standard input is the source; standard output is ours, so it gets ours. */
static int
spawn(const struct command *c, int source, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int why;

	if ((why = posix_spawn_file_actions_init(&actions)) != 0)
		return why;
	why = posix_spawn_file_actions_adddup2(&actions, source, 0);
	if (!why)
		why = posix_spawn_file_actions_adddup2(&actions, 2, 1);
	if (!why)
		why = posix_spawnp(
		    pid, c->argv[0], &actions, NULL, c->argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return why;
}

static bool
run(const struct command *c, int source)
{
	char why[256];
	pid_t pid;
	int status, err = spawn(c, source, &pid);

	if (err) {
		snprintf(why, sizeof why,
		    "cannot run the C compiler '%s': %s "
		    "(CC names another one)",
		    c->argv[0], strerror(err));
		return fail(c, why);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(c, strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFEXITED(status))
		snprintf(why, sizeof why,
		    "the C compiler failed with exit "
		    "code %d:",
		    WEXITSTATUS(status));
	else
		snprintf(why, sizeof why,
		    "the C compiler was stopped by "
		    "signal %d:",
		    WTERMSIG(status));
	return fail(c, why);
}

bool
cc_link(FILE *source, const char *exe, bool verbose)
{
	struct command c = {0};
	struct runtime rt;
	bool ok = runtime_find(&rt);

	if (ok) {
		build(&c, &rt, exe);
		if (verbose)
			show(&c);
		ok = fflush(source) == 0 &&
		     lseek(fileno(source), 0, SEEK_SET) == 0;
		ok = ok ? run(&c, fileno(source)) : fail(&c, strerror(errno));
	}
	if (ok && access(exe, X_OK) != 0)
		ok = fail(&c, "the C compiler made no program:");
	arena_free(&c.mem);
	return ok;
}
