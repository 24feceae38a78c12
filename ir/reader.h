/*
 * Inside of ir/: the reader of the text form, in a few files.
 *
 *   scan.c       characters to words and numbers
 *   readtype.c   types, shards, aliases
 *   readfn.c     functions and their statements
 *   readslots.c  the memory plan
 *   read.c       the other lines above the functions, and module_read
 *
 * The first mistake is reported, then the cursor jumps to the end: every rule
 * goes on with harmless values and every loop stops at the end of the text.
 */
#ifndef LOONG_IR_READER_H
#define LOONG_IR_READER_H

#include "ir/ir.h"

enum { READ_NESTING = 256, READ_ITEMS = 1024, READ_NAME = 255 };
enum { READ_PARAMS = 4, READ_SLOTS = 1 << 14 };
enum { READ_MAX_SIZE = 16 << 20 };

/* lay NAME(x=co) = dims, type NAME(x=co) = type; read again at every use */
struct alias {
	const char *name;
	bool is_type;
	int nparam;
	const char *param[READ_PARAMS];
	struct coord dflt[READ_PARAMS];
	const char *body; /* in the source */
};

struct reader {
	struct module *m;
	const char *start, *p, *end;
	bool failed;
	int depth;
	struct alias *alias;
	int nalias;
	const struct alias *env; /* the alias being read, and what its */
	struct coord env_coord[READ_PARAMS]; /* parameters stand for */
	const struct bundle *line_bundle; /* the last one in this line */
	struct fn *fn;      /* of the functions of the module, by index */
	struct fn *current;
	struct scratch *scratch;
	const char *loop[READ_NESTING]; /* variables of the loops around */
	int nloop;
};

/* scan.c: blanks are spaces and comments, not newlines. */
void skip_blank(struct reader *r);
void skip_lines(struct reader *r); /* blanks and newlines */
struct span span_from(const struct reader *r, const char *from);
void fail_at(struct reader *r, struct span at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void fail_here(struct reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool at_char(struct reader *r, char c);
bool at_word(struct reader *r); /* a letter or _ comes next */
bool at_line_end(struct reader *r); /* or at the end of a statement: ; */
bool accept(struct reader *r, const char *text);
bool accept_word(struct reader *r, const char *word);
void expect(struct reader *r, const char *text);
void expect_line_end(struct reader *r);
const char *read_name(struct reader *r); /* interned, never NULL */
const char *read_path(struct reader *r); /* name.name.name */
const char *read_slot_name(struct reader *r); /* rope.s.d.500000 */
int64_t read_int(struct reader *r, int64_t lo, int64_t hi);
double read_real(struct reader *r);
/* One level deeper; false and an error past the limit. */
bool enter(struct reader *r);
void leave(struct reader *r);

/* readtype.c */
int read_axis(struct reader *r); /* index of a mesh axis */
enum dtype read_dtype(struct reader *r);
bool at_type(struct reader *r); /* a dtype or an alias comes next */
void read_dims(struct reader *r, struct type *t); /* [a,b/dp] with brackets */
void read_pending(struct reader *r, struct type *t);
void read_flat(struct reader *r, struct axis_list *l); /* if it is there */
const struct type *read_type(struct reader *r);
void read_alias(struct reader *r, bool is_type);

/* readslots.c: two lines of the header; after everything else is read, the
 * places of values that do not say where they are. */
void read_arena_line(struct reader *r);
void read_slot_line(struct reader *r);
void read_places(struct reader *r);

/* readfn.c */
void read_signature(struct reader *r); /* and skips the body */
void read_bodies(struct reader *r);

#endif
