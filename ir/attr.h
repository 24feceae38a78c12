/* The attribute table, for the reader, the printer and the reference. */
#ifndef LOONG_IR_ATTR_H
#define LOONG_IR_ATTR_H

#include "ir/ir.h"

struct attr_info {
	const char *name;
	uint8_t kind; /* enum attr_kind */
	double dflt;
};
extern const struct attr_info attr_info[ATTR_COUNT];

/* Words of a WORD attribute, NULL at the end; NULL for other kinds. */
const char *const *attr_words(enum attr_key k);
bool attr_is_default(const struct attr *a);

#endif
