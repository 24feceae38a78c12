/*
 * Kernels with bugs on purpose, against the kernels' own tests in the
 * emulator: mutants.def.  At least 60, of which 95 in 100 must be found.
 *
 * A copy of the kernels' files is made in which each bug hides behind a number
 * (`mutant == 7 ? wrong : right`); the test program is compiled with these,
 * once for all bugs whose places do not overlap, and run once for each with
 * that number in LOONG_MUTANT.  Without a bug it must pass.
 *
 * mutate-kernels.txt lists what was found; LOONGC_BLESS=1 keeps it as
 * tests/kernels/mutate/result.txt.  With the name of a program as argument its
 * mutants alone are tried, and what was found is printed.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/buf.h"
#include "support/compiler.h"

enum { LEAST = 60, PERCENT = 95, SECONDS = 120, BATCHES = 16 };
enum kind { EXPR, STMT };

static const struct program {
	const char *name, *source, *more;
} programs[] = {
#define PROGRAM(name, source, more) {#name, source, more},
#define MUTANT(program, kind, tests, file, what, before, old, new)
#include "tests/kernels/mutate/mutants.def"
#undef PROGRAM
#undef MUTANT
};

static struct mutant {
	const char *program;
	enum kind kind;
	const char *tests, *file, *what, *before, *old, *new;
	size_t at, end;  /* of old, in the file */
	int batch;
	int status;      /* of the test */
} mutants[] = {
#define PROGRAM(name, source, more)
#define MUTANT(program, kind, tests, file, what, before, old, new) \
	{#program, kind, tests, file, what, before, old, new, 0, 0, 0, 0},
#include "tests/kernels/mutate/mutants.def"
#undef PROGRAM
#undef MUTANT
};

static const char *only; /* this program, if not NULL */

static char tmp[] = "/tmp/loong-mutate-XXXXXX";

static const char head[] =
    "#ifndef LOONG_MUTANT_NUMBER\n"
    "#define LOONG_MUTANT_NUMBER\n"
    "#include <stdlib.h>\n"
    "inline const int mutant = getenv(\"LOONG_MUTANT\") ?\n"
    "    atoi(getenv(\"LOONG_MUTANT\")) : 0;\n"
    "#endif\n";

static _Noreturn void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* ---- the files ---- */

static struct buf
read_file(const char *path)
{
	struct buf b = {0};
	FILE *f = fopen(path, "r");
	char part[4096];
	size_t n;

	if (!f)
		die("%s: %s", path, strerror(errno));
	while ((n = fread(part, 1, sizeof part, f)) > 0)
		buf_add(&b, part, n);
	fclose(f);
	return b;
}

static struct buf
read_kernel(const char *name)
{
	struct buf path = {0}, text;

	buf_printf(&path, "%s/codegen/kernels/%s", SOURCE_DIR, name);
	text = read_file(buf_text(&path));
	buf_free(&path);
	return text;
}

/* Where before and old stand in the text, one after the other: once. */
static void
place(struct mutant *m, const char *text)
{
	struct buf b = {0};
	const char *at;

	buf_puts(&b, m->before);
	buf_puts(&b, m->old);
	at = strstr(text, buf_text(&b));
	if (!at)
		die("%s: %s: no \"%s\"", m->file, m->what, buf_text(&b));
	if (strstr(at + 1, buf_text(&b)))
		die("%s: %s: more than one \"%s\"", m->file, m->what,
		    buf_text(&b));
	m->at = (size_t)(at - text) + strlen(m->before);
	m->end = m->at + strlen(m->old);
	buf_free(&b);
}

static bool
same_file(const struct mutant *a, const struct mutant *b)
{
	return !strcmp(a->program, b->program) && !strcmp(a->file, b->file);
}

/* The first batch in which nothing overlaps. */
static void
choose_batch(struct mutant *m)
{
	for (struct mutant *o = mutants; o < m; o++)
		if (same_file(o, m) && o->batch == m->batch &&
		    o->at < m->end && m->at < o->end) {
			m->batch++;
			o = mutants - 1;
		}
	if (m->batch >= BATCHES)
		die("%s: %s: too many at one place", m->file, m->what);
}

static void
add_choice(struct buf *out, const struct mutant *m)
{
	int number = (int)(m - mutants) + 1;

	if (m->kind == EXPR)
		buf_printf(out, "(mutant == %d ? (%s) : (%s))", number,
		    m->new, m->old);
	else
		buf_printf(out, "if (mutant == %d) { %s } else { %s }",
		    number, m->new, m->old);
}

static bool
in_batch(const struct mutant *m, const char *program, const char *file,
    int batch)
{
	return !strcmp(m->program, program) && !strcmp(m->file, file) &&
	    m->batch == batch;
}

/* The next mutant of a batch at or after a place in the file. */
static const struct mutant *
next_at(const char *program, const char *file, int batch, size_t from)
{
	const struct mutant *next = NULL;

	for (size_t i = 0; i < COUNT_OF(mutants); i++) {
		const struct mutant *m = &mutants[i];

		if (in_batch(m, program, file, batch) && m->at >= from &&
		    (!next || m->at < next->at))
			next = m;
	}
	return next;
}

/* #pragma once, if any, goes first: the copy must not be read twice. */
static void
write_copy(const char *path, const char *program, const char *file, int batch)
{
	struct buf text = read_kernel(file), out = {0};
	const struct mutant *m;
	size_t from = 0;
	FILE *f;

	if (strstr(buf_text(&text), "\n#pragma once\n"))
		buf_puts(&out, "#pragma once\n");
	buf_puts(&out, head);
	while ((m = next_at(program, file, batch, from))) {
		buf_add(&out, text.text + from, m->at - from);
		add_choice(&out, m);
		from = m->end;
	}
	buf_puts(&out, text.text + from);
	f = fopen(path, "w");
	if (!f || fputs(buf_text(&out), f) < 0 || fclose(f) != 0)
		die("%s: %s", path, strerror(errno));
	buf_free(&text);
	buf_free(&out);
}

/* ---- compiling and running ---- */

static void
run_command(const char *command)
{
	if (system(command) != 0)
		die("failed: %s", command);
}

/* False: the program has no such batch. */
static bool
write_batch(const struct program *p, int batch)
{
	struct buf path = {0};
	bool any = false;

	for (size_t i = 0; i < COUNT_OF(mutants); i++) {
		const struct mutant *m = &mutants[i];

		if (!in_batch(m, p->name, m->file, batch))
			continue;
		path.len = 0;
		buf_printf(&path, "mkdir -p %s/%s%d/codegen/kernels", tmp,
		    p->name, batch);
		if (!any)
			run_command(buf_text(&path));
		path.len = 0;
		buf_printf(&path, "%s/%s%d/codegen/kernels/%s", tmp, p->name,
		    batch, m->file);
		if (access(buf_text(&path), F_OK) != 0)
			write_copy(buf_text(&path), p->name, m->file, batch);
		any = true;
	}
	buf_free(&path);
	return any;
}

static void
compile(const struct program *p, int batch)
{
	struct buf c = {0};

	buf_printf(&c, "%s -std=c++17 %s -O1 -g0 -w -I%s/%s%d -I%s -I. -o "
	    "%s/%s%d/run %s/tests/kernels/%s %s", CXX, CXX_FLAGS, tmp,
	    p->name, batch, SOURCE_DIR, tmp, p->name, batch, SOURCE_DIR,
	    p->source, p->more);
	run_command(buf_text(&c));
	buf_free(&c);
}

/* In a child: the test of batch `batch` with a bug, or none (0). */
static pid_t
start(const char *program, int batch, const char *tests, int number)
{
	pid_t child = fork();
	struct buf c = {0};

	if (child != 0)
		return child;
	buf_printf(&c, "LOONG_MUTANT=%d exec %s/%s%d/run %s >%s/%d.out 2>&1",
	    number, tmp, program, batch, tests, tmp, number);
	alarm(SECONDS); /* what hangs is found */
	execl("/bin/sh", "sh", "-c", buf_text(&c), (char *)NULL);
	_exit(127);
}

static void
check_control(const struct program *p, int batch)
{
	int status = 1;
	pid_t child = start(p->name, batch, "", 0);

	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
		die("%s fails without a bug: status %d", p->name, status);
}

static bool
chosen(const char *program)
{
	return !only || strcmp(only, program) == 0;
}

static void
prepare(void)
{
	for (size_t i = 0; i < COUNT_OF(mutants); i++) {
		struct buf text = read_kernel(mutants[i].file);

		place(&mutants[i], buf_text(&text));
		choose_batch(&mutants[i]);
		buf_free(&text);
	}
	for (size_t i = 0; i < COUNT_OF(programs); i++)
		for (int b = 0; chosen(programs[i].name) &&
		    write_batch(&programs[i], b); b++) {
			compile(&programs[i], b);
			check_control(&programs[i], b);
		}
}

static void
run_all(void)
{
	long most = sysconf(_SC_NPROCESSORS_ONLN), running = 0;
	pid_t pid[COUNT_OF(mutants)];
	size_t next = 0;

	while (next < COUNT_OF(mutants) || running > 0) {
		int status;
		pid_t ended;

		if (next < COUNT_OF(mutants) && running < most) {
			struct mutant *m = &mutants[next];

			pid[next] = 0;
			if (!chosen(m->program)) {
				next++;
				continue;
			}
			pid[next] = start(m->program, m->batch, m->tests,
			    (int)next + 1);
			next++;
			running++;
			continue;
		}
		ended = wait(&status);
		running--;
		for (size_t i = 0; i < next; i++)
			if (pid[i] == ended)
				mutants[i].status = status;
	}
}

/* ---- what came out ---- */

static int
report(FILE *f, int *tried)
{
	int found = 0;

	*tried = 0;
	for (size_t i = 0; i < COUNT_OF(mutants); i++) {
		const struct mutant *m = &mutants[i];

		if (!chosen(m->program))
			continue;
		if (WIFEXITED(m->status) && WEXITSTATUS(m->status) == 127)
			die("%s did not start", m->program);
		fprintf(f, "%-7s %-26s %s\n", m->status ? "found" : "MISSED",
		    m->file, m->what);
		found += m->status != 0;
		(*tried)++;
	}
	fprintf(f, "%d of %d found\n", found, *tried);
	return found;
}

/* The report as a file, against the one that is kept. */
static int
compare(int *tried)
{
	static const char name[] = "mutate-kernels.txt";
	const char *bless = getenv("LOONGC_BLESS");
	struct buf c = {0};
	FILE *f = fopen(name, "w");
	int found;

	if (!f)
		die("%s: %s", name, strerror(errno));
	found = report(f, tried);
	fclose(f);
	buf_printf(&c, "%s %s %s/tests/kernels/mutate/result.txt",
	    bless && *bless ? "cp" : "diff -u", name, SOURCE_DIR);
	run_command(buf_text(&c));
	buf_free(&c);
	return found;
}

int
main(int argc, char **argv)
{
	struct buf c = {0};
	int found, tried;

	only = argc > 1 ? argv[1] : NULL;
	if (!mkdtemp(tmp))
		die("%s: %s", tmp, strerror(errno));
	prepare();
	run_all();
	found = report(stdout, &tried);
	fflush(stdout);
	buf_printf(&c, "rm -rf %s", tmp);
	run_command(buf_text(&c));
	buf_free(&c);
	if (!only)
		found = compare(&tried);
	return tried < (only ? 1 : LEAST) || found * 100 < PERCENT * tried;
}
