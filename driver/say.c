#include "config.h"

#include "driver/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "support/diag.h"

static bool json;

void
say_in_json(void)
{
	json = true;
}

/* ,"children":[{"kind","message"}...] of those that are not empty. */
static void
print_children(const char *const child[][2], int n)
{
	int shown = 0;

	fputs(",\"children\":[", stderr);
	for (int i = 0; i < n; i++) {
		if (!*child[i][1])
			continue;
		fprintf(stderr, "%s{\"kind\":\"%s\",\"message\":",
		    shown++ ? "," : "", child[i][0]);
		diag_print_string(stderr, child[i][1]);
		fputc('}', stderr);
	}
	fputs("]}\n", stderr);
}

static void
print_json(const char *severity, const char *file, const char *text)
{
	fprintf(stderr, "{\"severity\":\"%s\",\"message\":", severity);
	diag_print_string(stderr, text);
	if (file) {
		fputs(",\"file\":", stderr);
		diag_print_string(stderr, file);
	}
}

bool
say(const char *path, const char *help, const char *fmt, ...)
{
	const char *const child[1][2] = {{"help", help ? help : ""}};
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (json) {
		print_json("error", path, text);
		print_children(child, 1);
		return false;
	}
	fprintf(stderr, "loongc: %s%s%s\n", path ? path : "",
	    path ? ": " : "", text);
	if (help)
		fprintf(stderr, "%s\n", help);
	return false;
}

bool
say_compiler(bool failed, const char *what, const char *command,
    const char *output)
{
	const char *const child[2][2] = {{"note", command}, {"note", output}};

	if (json) {
		print_json(failed ? "error" : "warning", NULL, what);
		print_children(child, 2);
		return false;
	}
	fputs(output, stderr);
	if (failed)
		fprintf(stderr, "loongc: %s\n  %s\n", what, command);
	return false;
}
