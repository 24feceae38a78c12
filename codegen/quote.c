/* Text that comes from a user, as C literals: none of it can end one. */
#include "config.h"

#include <string.h>

#include "codegen/emit.h"

/* Octal escapes have at most three digits, so what follows cannot join. */
void
emit_quoted_char(FILE *out, unsigned char c)
{
	if (c < 32 || c > 126 || strchr("\"\\?", c))
		fprintf(out, "\\%03o", c);
	else
		fputc(c, out);
}

void
emit_quoted(FILE *out, const char *s)
{
	if (!s) {
		fputs("NULL", out);
		return;
	}
	fputc('"', out);
	for (; *s; s++)
		if (*s == '\n') /* one line of text a line of source */
			fprintf(out, "\\n%s", s[1] ? "\"\n\t    \"" : "");
		else
			emit_quoted_char(out, (unsigned char)*s);
	fputc('"', out);
}
