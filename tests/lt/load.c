#define _POSIX_C_SOURCE 200809L
#include "config.h"

#include "tests/lt/load.h"

#include <stdlib.h>

struct module *
load_text(struct load *l, const char *text, size_t len,
    const struct frontend_options *o, FILE *out)
{
	*l = (struct load){.text = malloc(len + 1)};
	if (!l->text)
		abort();
	memcpy(l->text, text, len);
	l->text[len] = '\0';
	l->src = (struct source){"test.lt", l->text, (uint32_t)len};
	l->d = (struct diag){.src = &l->src, .out = out ? out : stderr};
	return frontend_compile(&l->mem, &l->d, o);
}

struct module *
load_file(struct load *l, const char *path, const struct frontend_options *o)
{
	const char *dir = getenv("srcdir");
	struct module *m;
	char full[4096], *text = NULL;
	size_t n;
	FILE *f, *copy;
	int c;

	snprintf(full, sizeof full, "%s/%s", dir ? dir : ".", path);
	if (!(f = fopen(full, "r")) || !(copy = open_memstream(&text, &n))) {
		perror(full);
		exit(99);
	}
	while ((c = getc(f)) != EOF)
		putc(c, copy);
	fclose(f);
	fclose(copy);
	m = load_text(l, text, n, o, NULL);
	free(text);
	return m;
}

void
load_free(struct load *l)
{
	arena_free(&l->mem);
	free(l->text);
}

char *
module_string(const struct module *m)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	module_print(m, &(struct print_options){0}, f);
	fclose(f);
	return text;
}
