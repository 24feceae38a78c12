/* Interned strings: equal strings have equal pointers. */
#ifndef LOONG_INTERN_H
#define LOONG_INTERN_H

#include <stddef.h>

#include "support/arena.h"

struct intern;

struct intern *intern_new(struct arena *mem);
/* The one copy of s[0..len), terminated; it lives as long as the arena. */
const char *intern(struct intern *t, const char *s, size_t len);
/* What s[0..len) stands for, NULL at first and up to the caller; good until
 * the next string comes. */
void **intern_means(struct intern *t, const char *s, size_t len);

#endif
