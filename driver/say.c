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

static bool PRINTF_LIKE(3, 0)
print(const char *file, const char *help, const char *fmt, va_list args)
{
	const char *const child[1][2] = {{"help", help}};
	char text[1024];

	vsnprintf(text, sizeof text, fmt, args);
	if (json) {
		print_json("error", file, text);
		print_children(child, 1);
		return false;
	}
	fprintf(stderr, "loongc: %s%s%s\n", file ? file : "",
	    file ? ": " : "", text);
	if (*help)
		fprintf(stderr, "%s\n", help);
	return false;
}

bool
say_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(NULL, "", fmt, args);
	va_end(args);
	return false;
}

bool
say_file(const char *path, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(path, "", fmt, args);
	va_end(args);
	return false;
}

bool
say_usage(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(NULL, "try: loongc --help", fmt, args);
	va_end(args);
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
