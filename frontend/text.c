/* What must hold for the bytes of a source before they are read. */
#include "config.h"

#include <string.h>

#include "frontend/ast.h"

enum { MAX_BYTES = 16 << 20 };

/* Decodes the character at s[0..n): its length, 0 if malformed. */
static int
decode(const unsigned char *s, uint32_t n, uint32_t *c)
{
	int len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 :
	    (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	if (len == 0 || n < (uint32_t)len)
		return 0;
	*c = len == 1 ? s[0] : s[0] & (0x7fu >> len);
	for (int i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3f);
	}
	if ((len == 3 && *c < 0x800) || (*c >= 0xd800 && *c < 0xe000) ||
	    (len == 4 && (*c < 0x10000 || *c > 0x10ffff)))
		return 0;
	return len;
}

/* Characters that make the text look other than it is read. */
static bool
deceives(uint32_t c)
{
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x2069) || c == 0xfeff || c == 0xad ||
	    c == 0x61c || (c >= 0xe0000 && c <= 0xe007f) ||
	    (c >= 0x80 && c < 0xa0);
}

static bool
check_char(struct diag *d, uint32_t at, uint32_t c, int len, bool *comment)
{
	const char *s = d->src->text;
	struct span where = {at, at + (uint32_t)len};

	if (c == '\n')
		*comment = false;
	else if (c == '/' && at + 1 < d->src->len && s[at + 1] == '/')
		*comment = true;
	if (c == 0) {
		diag_report(d, DIAG_BINARY, where,
		    "NUL byte: this is no text file");
		return false;
	}
	if (c == 0xfeff && at == 0) {
		diag_report(d, DIAG_INVISIBLE, where,
		    "byte order mark: save the file as UTF-8 without one");
		return false;
	}
	if (deceives(c) && !(*comment && c != 0xfeff && !(c >= 0x202a &&
	    c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069)))
		diag_report(d, DIAG_INVISIBLE, where,
		    "invisible character U+%04X", (unsigned)c);
	return true;
}

bool
check_text(struct diag *d)
{
	const struct source *src = d->src;
	int before = d->errors;
	bool comment = false;
	uint32_t c = 0;

	if (src->len > MAX_BYTES) {
		diag_report(d, DIAG_TOO_LARGE, (struct span){0},
		    "file of %u bytes: at most %d", src->len, MAX_BYTES);
		return false;
	}
	for (uint32_t i = 0; i < src->len;) {
		int n = decode((const unsigned char *)src->text + i,
		    src->len - i, &c);

		if (n == 0) {
			diag_report(d, DIAG_ENCODING, (struct span){i, i + 1},
			    "byte 0x%02x is not UTF-8",
			    (unsigned char)src->text[i]);
			return false;
		}
		if (!check_char(d, i, c, n, &comment))
			return false;
		i += (uint32_t)n;
	}
	return d->errors == before;
}
