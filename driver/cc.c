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
	const char *language, *variable; /* "C", "CC" */
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
build(struct command *c, const struct runtime *rt, char *const *object,
    int nobject, const char *exe)
{
	add_variable(c, "CC", "cc");
	add_words(c, codegen_cflags);
	add_words(c, LOONGC_CFLAGS);
	add_variable(c, "CFLAGS", "");
	add(c, arena_printf(&c->mem, "-I%s", rt->include));
	add(c, "-o");
	add(c, exe);
	add_words(c, "-x c - -x none");
	for (int i = 0; i < nobject; i++)
		add(c, object[i]);
	add(c, rt->archive);
	add_words(c, LOONGC_LDFLAGS);
	add_variable(c, "LDFLAGS", "");
	add_words(c, nobject ? "-lstdc++" : "");
	add_words(c, LOONGC_LIBS);
}

static void
build_object(struct command *c, const struct runtime *rt, const char *object)
{
	add_variable(c, "CXX", "c++");
	add_words(c, "-std=c++17 -O2 -c");
	add_words(c, LOONGC_SANITIZE);
	add_variable(c, "CXXFLAGS", "");
	add(c, arena_printf(&c->mem, "-I%s", rt->include));
	add(c, "-o");
	add(c, object);
	add_words(c, "-x c++ -");
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
	    arena_printf(&c->mem, "the %s compiler failed with exit code "
		"%d:", c->language, WEXITSTATUS(status)) :
	    arena_printf(&c->mem, "the %s compiler was stopped by signal "
		"%d:", c->language, WTERMSIG(status));
}

/* Standard input is the source; what it prints is shown when it has ended. */
static bool
run(struct command *c, int source, FILE *said)
{
	const char *why, *output;
	int status, err;

	err = child_run(c->argv, source, fileno(said), fileno(said), &status);
	if (err)
		return fail(c, arena_printf(&c->mem, "cannot run the %s "
		    "compiler '%s': %s (%s names another one)", c->language,
		    c->argv[0], strerror(err), c->variable));
	why = ended(c, status);
	output = read_back(c, said);
	if (why || *output)
		say_compiler(why, why ? why : arena_printf(&c->mem,
		    "the %s compiler warns", c->language),
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

static bool
made(struct command *c, const char *path, int mode)
{
	return access(path, mode) == 0 ||
	    fail(c, arena_printf(&c->mem, "the %s compiler made no program:",
	    c->language));
}

static bool
run_command(struct command *c, FILE *source, const char *path, int mode,
    bool verbose)
{
	bool ok;

	if (verbose)
		fprintf(stderr, "  %s\n", command_text(c));
	ok = compile(c, source) && made(c, path, mode);
	arena_free(&c->mem);
	return ok;
}

bool
cc_link_cxx(FILE *source, char *const *object, int nobject, const char *exe,
    bool verbose)
{
	struct command c = {.language = "C", .variable = "CC"};
	struct runtime rt;

	if (!runtime_find(&rt))
		return false;
	build(&c, &rt, object, nobject, exe);
	return run_command(&c, source, exe, X_OK, verbose);
}

bool
cc_link(FILE *source, const char *exe, bool verbose)
{
	return cc_link_cxx(source, NULL, 0, exe, verbose);
}

bool
cc_object(FILE *source, const char *object, bool verbose)
{
	struct command c = {.language = "C++", .variable = "CXX"};
	struct runtime rt;

	if (!runtime_find(&rt))
		return false;
	build_object(&c, &rt, object);
	return run_command(&c, source, object, R_OK, verbose);
}
