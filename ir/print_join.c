/*
 * Which statements share a line of a dump, so that it shows what happens
 * rather than how many ops that takes:
 *
 *	x2 = add x, o1 : bf16[T,e] #4; x3 = rmsnorm x2, w.n2 : bf16[T,e] #4
 *	dk0 = zeros : KVF; dv0 = zeros : KVF
 *	kr, vr = wait ~kr1, ~vr1; yield ob, zb, kr, vr
 *
 * A kernel is a line, and so is the same op a few times in a row; a transfer
 * stands with what it sends, a wait with what had to wait.
 */
#include "config.h"

#include <string.h>

#include "ir/printer.h"

enum { WIDE = 100, WORD = 7, SHORT_LOOP = 2 }; /* columns, statements */

static bool
reads(const struct op *op, const struct op *def)
{
	for (int i = 0; i < op->nin; i++)
		for (int j = 0; j < def->nout; j++)
			if (op->in[i].v == def->out[j] && op->in[i].v)
				return true;
	return false;
}

static bool
same_kernel(const struct op *a, const struct op *b)
{
	return a && b && a->group >= 0 && a->group == b->group;
}

bool
print_together(const struct op *a, const struct op *b, const struct op *next)
{
	bool sends = op_info[b->code].group == GROUP_COMM;

	if (a->code == OP_FOR || b->code == OP_FOR || b->code == OP_RETURN)
		return false;
	if (a->group >= 0 && b->group >= 0)
		return a->group == b->group;
	if (a->code == b->code && a->lane == b->lane)
		return true;
	return (sends || (a->code == OP_WAIT && !same_kernel(b, next))) &&
	    reads(b, a);
}

static size_t
line_start(const struct buf *b, size_t at)
{
	while (at > 0 && b->text[at - 1] != '\n')
		at--;
	return at;
}

void
print_join(struct buf *b, size_t from)
{
	char *s = b->text;
	size_t skip = strspn(s + from, " ");
	size_t rest = b->len - from - skip;

	if (from - line_start(b, from - 1) + rest > WIDE)
		return;
	s[from - 1] = ';';
	s[from] = ' ';
	memmove(s + from + 1, s + from + skip, rest + 1);
	b->len = from + 1 + rest;
}

bool
print_is_short(const struct region *r)
{
	for (int i = 0; i < r->n; i++)
		if (r->op[i]->code == OP_FOR)
			return false;
	return r->n <= SHORT_LOOP;
}

void
print_fold(struct buf *b, size_t from)
{
	struct buf flat = {0};
	const char *s = b->text + from;

	while (*s) {
		s += strspn(s, "\n ");
		buf_puts(&flat, flat.len == 0 || *s == '}' ? " " : "; ");
		buf_add(&flat, s, strcspn(s, "\n"));
		s += strcspn(s, "\n");
	}
	if (from - line_start(b, from) + flat.len <= WIDE) {
		b->len = from;
		buf_puts(b, buf_text(&flat));
	}
	buf_free(&flat);
}

bool
print_line(struct buf *b, size_t *above, size_t from)
{
	char *s = b->text;
	size_t more = b->len - from - WORD + 1;

	if (!from || memcmp(s + *above, s + from, WORD) != 0 ||
	    from - *above + more > WIDE) {
		*above = from;
		return false;
	}
	s[from - 1] = ';';
	memmove(s + from + 1, s + from + WORD, more);
	s[from] = ' ';
	b->len -= WORD - 1;
	return true;
}
