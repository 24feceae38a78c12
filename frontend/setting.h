/*
 * Recipe and plan: entries of the file and of --set, checked by the table
 * settings.def, and what the dims b, s and mb follow from.
 */
#ifndef LOONG_FRONTEND_SETTING_H
#define LOONG_FRONTEND_SETTING_H

#include "frontend/lower.h"

enum setting_id {
#define SETTING(group, key, place, kind, lo, hi, words, export, summary) \
	SET_##group##_##key,
#include "frontend/settings.def"
	SET_COUNT
};
enum setting_kind { KIND_INT, KIND_REAL, KIND_WORD, KIND_DATA, KIND_POLICY,
	KIND_AXES };

struct setting_info {
	const char *group, *key, *place;
	uint8_t kind; /* enum setting_kind */
	double lo, hi;
	const char *words; /* separated by blanks */
	bool export;
	const char *summary;
};
extern const struct setting_info setting_info[SET_COUNT];

/* One --set NAME=VALUE; the name is a dim, or GROUP.KEY. */
struct override {
	const char *group; /* NULL: a dim */
	const char *name;
	struct expr *value;
	struct source src; /* the text of the option */
	struct span at;    /* of the name in it */
	bool used;
	struct override *next;
};

/* What a recipe or plan says of one setting. */
struct chosen {
	bool set, is_auto, bad; /* bad: reported, so do not miss it */
	double num;
	const char *text;
	struct span at;           /* of the value */
	const struct source *src; /* that `at` points into */
};

struct choices {
	struct chosen c[SET_COUNT];
	const struct settings *recipe, *plan;
};

void overrides_read(struct unit *u);
struct override *override_find(struct unit *u, const char *group,
    const char *name);
bool override_size(struct unit *u, const struct override *o, uint64_t *size);
/* Reports those that nothing took. */
void overrides_unused(struct unit *u);

/* Entries of the chosen recipe and plan, then the options of --set. */
void settings_read(struct unit *u, struct choices *c);
/* One value for one row; reports and returns false. */
bool setting_put(struct unit *u, struct choices *c, int id,
    const struct expr *e);
/* Index of a row, -1 if there is none. */
int setting_find(const char *group, const char *key);
void setting_unknown(struct unit *u, const char *group, const char *place,
    const struct ident *id);

/* Checks that need several settings; dims b, s, mb of the module. */
void recipe_sizes(struct unit *u, struct choices *c);
void recipe_check(struct unit *u, const struct choices *c, bool takes_doc);
/* After the model is read: heads count. */
void plan_check(struct unit *u, struct choices *c);
void settings_export(struct unit *u, const struct choices *c);
void choice_error(struct unit *u, const struct chosen *c, enum diag_code code,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
