#include "config.h"

#include "driver/cc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "driver/child.h"
#include "driver/say.h"
#include "support/arena.h"
#include "support/buf.h"

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

static bool
is_plain(const char *w)
{
	return *w && w[strspn(w, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./,:@%")] == '\0';
}

/* As one would type it; in c's arena. */
static const char *
command_text(struct command *c)
{
	struct buf b = {0};
	const char *text;

	for (int i = 0; i < c->n; i++) {
		const char *w = c->argv[i];
		bool plain = is_plain(w);

		buf_puts(&b, i ? " " : "");
		buf_puts(&b, plain ? "" : "'");
		for (; *w; w++)
			buf_puts(&b, *w == '\'' ? "'\\''" : (char[]){*w, 0});
		buf_puts(&b, plain ? "" : "'");
	}
	text = arena_strndup(&c->mem, buf_text(&b), b.len);
	buf_free(&b);
	return text;
}

static bool
fail(struct command *c, const char *why)
{
	return say_compiler(true, why, command_text(c), "");
}

/* What the compiler printed: at most 64 KiB of it. */
static const char *
read_back(struct command *c, FILE *said)
{
	enum { MOST = 64 << 10 };
	char *text = arena_alloc(&c->mem, MOST + 1);

	rewind(said);
	text[fread(text, 1, MOST, said)] = '\0';
	return text;
}

/* How a program ended, NULL if well. */
static const char *
ended(struct command *c, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	return WIFEXITED(status) ?
	    arena_printf(&c->mem, "the C compiler failed with exit code %d:",
		WEXITSTATUS(status)) :
	    arena_printf(&c->mem, "the C compiler was stopped by signal %d:",
		WTERMSIG(status));
}

/* Standard input is the source; what it prints is shown when it has ended. */
static bool
run(struct command *c, int source, FILE *said)
{
	const char *why, *output;
	int status, err;

	err = child_run(c->argv, source, fileno(said), fileno(said), &status);
	if (err)
		return fail(c, arena_printf(&c->mem, "cannot run the C "
		    "compiler '%s': %s (CC names another one)", c->argv[0],
		    strerror(err)));
	why = ended(c, status);
	output = read_back(c, said);
	if (why || *output)
		say_compiler(why, why ? why : "the C compiler warns",
		    command_text(c), output);
	return !why;
}

static bool
compile(struct command *c, FILE *source)
{
	FILE *said = tmpfile();
	bool ok = said && fflush(source) == 0 &&
	    lseek(fileno(source), 0, SEEK_SET) == 0;

	ok = ok ? run(c, fileno(source), said) : fail(c, strerror(errno));
	if (said)
		fclose(said);
	return ok;
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
			fprintf(stderr, "  %s\n", command_text(&c));
		ok = compile(&c, source);
	}
	if (ok && access(exe, X_OK) != 0)
		ok = fail(&c, "the C compiler made no program:");
	arena_free(&c.mem);
	return ok;
}
