/*
 * Places that need no words: what a dump of stage e leaves out.
 *
 * A value that no statement puts anywhere is in the slot FUNC.NAME if there is
 * one, of one element.  Else it is where it comes from, or where it goes:
 *
 *	y = wait ~x              where x arrives; x arrives where y has a place
 *	c = dot a, b into !s     where s is
 *	x, z = load              where the twin's are
 *	y = for l=0..L (x = x0)  where x is at the end; x0 where it is at first
 *	yield y                  where x is in the next trip
 *
 * Places by origin come first, in the order of the text; then those by
 * destination, against it.
 */
#ifndef LOONG_IR_SLOTS_H
#define LOONG_IR_SLOTS_H

#include "ir/ir.h"

enum { SLOT_ALIGN = 64 }; /* bytes */

struct where {
	const char *slot; /* NULL: nowhere */
	bool indexed;
	struct affine index;
};

struct where where_of(const struct value *v);
bool where_same(const struct where *a, const struct where *b);

/* Fills in w[id] of every value of f; those with said[id] are where v->slot
 * says.  The places in the twin, if it has any, are taken from its values. */
void slots_follow(const struct module *m, const struct func *f,
    const bool *said, struct where *w);

/* The end of name that is enough within f, and the name meant by such an end;
 * both may be name itself. */
const char *slot_short(const struct module *m, const struct func *f,
    const char *name);
const char *slot_meant(const struct module *m, const struct func *f,
    const char *name);

/* Where the next slot is if it stands right behind s; 0 past all bytes. */
uint64_t slot_end(const struct slot *s);
bool slot_same_shape(const struct slot *a, const struct slot *b);

/* The slots of a bundle, one behind the other from offset: its image, or its
 * fields, or (cast) copies of them in the other dtype.  Returns how many there
 * are of the b->nfield + 1 that have room in s. */
int slots_of_bundle(struct module *m, const struct bundle *b, bool cast,
    uint64_t offset, struct slot *s);

#endif
