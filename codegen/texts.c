#include "codegen/texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "codegen/kernels/"

static int
find(const char *name)
{
	for (int i = 0; kernel_texts[i].name; i++) {
		const char *known = kernel_texts[i].name;

		if (strcmp(known, name) == 0)
			return i;
		if (strncmp(known, FOLDER, strlen(FOLDER)) == 0 &&
		    strcmp(known + strlen(FOLDER), name) == 0)
			return i;
	}
	return -1;
}

const char *
kernel_text(const char *name)
{
	int i = find(name);

	return i < 0 ? NULL : kernel_texts[i].text;
}

/* The implementation of lk.h that this program does not use. */
static bool
is_other(const struct kernel_source *s, const char *name)
{
	return strcmp(name, s->emulated ? FOLDER "lk_ptx.h" :
	    FOLDER "lk_emu.h") == 0;
}

/* #include "NAME" of this line into name; false: it is another line. */
static bool
included(const char *line, size_t len, char *name, size_t size)
{
	static const char begin[] = "#include \"";
	size_t at = sizeof begin - 1, n = 0;

	if (len < at || strncmp(line, begin, at) != 0)
		return false;
	while (at + n < len && line[at + n] != '"')
		n++;
	if (n >= size)
		return false;
	memcpy(name, line + at, n);
	name[n] = '\0';
	return true;
}

static void
add_text(struct kernel_source *s, const char *name, const char *text)
{
	int number = 1;

	buf_printf(&s->out, "#line 1 \"%s\"\n", name);
	for (const char *end; *text; text = end, number++) {
		char other[128];

		end = strchr(text, '\n');
		end = end ? end + 1 : text + strlen(text);
		if (included(text, (size_t)(end - text), other, sizeof other)) {
			if (!is_other(s, other))
				kernel_include(s, other);
			buf_printf(&s->out, "#line %d \"%s\"\n", number + 1,
			    name);
		} else if (strncmp(text, "#pragma once", 12) == 0) {
			buf_putc(&s->out, '\n');
		} else {
			buf_add(&s->out, text, (size_t)(end - text));
		}
	}
}

void
kernel_include(struct kernel_source *s, const char *name)
{
	int i = find(name);

	if (i < 0 || i >= KERNEL_TEXTS_MAX) {
		fprintf(stderr, "loongc: no kernel text %s\n", name);
		abort();
	}
	if (s->seen[i])
		return;
	s->seen[i] = strstr(kernel_texts[i].text, "\n#pragma once\n") != NULL;
	add_text(s, kernel_texts[i].name, kernel_texts[i].text);
}

void
kernel_source_free(struct kernel_source *s)
{
	buf_free(&s->out);
}
