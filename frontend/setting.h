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

/*
 * The mesh: its numbers and, once the model is read, how attention splits hp.
 * Ranks are numbered major to minor as the axes are listed: dp, context, heads,
 * or with context_first dp, heads, context.
 */
struct mesh {
	uint64_t nodes, gpus;       /* machines, devices of each */
	uint64_t dp, hp, cp, inner; /* inner: size of the inner ring */
	uint64_t hk, hr;  /* hp = hk hr: over kv heads, over their groups */
	bool from_option; /* --mesh: nodes and gpus say nothing */
	bool blocks;      /* s is cut into blocks, not zigzag pairs */
};

struct choices {
	struct chosen c[SET_COUNT];
	struct mesh mesh;
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

/* A mesh written as a call, mesh = usp(hp = 2, cp = 4), and --mesh. */
void mesh_preset(struct unit *u, struct choices *c, const struct expr *e);
void mesh_option(struct unit *u, struct choices *c);
/* The numbers of the mesh, into c->mesh; unsaid, dp takes what is left. */
void mesh_read(struct choices *c);
/* The setting to blame for axis `id` (SET_plan_dp, ...). */
const struct chosen *mesh_said(const struct choices *c, int id);
/* s, or the next length that the mesh can cut. */
uint64_t mesh_padded(const struct mesh *x, uint64_t s);
/* After the model is read: checks it, and gives the module its axes. */
void mesh_check(struct unit *u, struct choices *c);
/* Gives the module its axes: those of more than one rank. */
void mesh_axes(struct unit *u, const struct mesh *x, bool context_first);
/* plan.nodes, plan.gpus and, if dim s is padded, recipe.s. */
void mesh_export(struct unit *u, const struct choices *c);
/*
 * With several ranks and a `zero` that shares something:
 *
 *   plan.zero.matrices = "params(ci,hp) grads(ci,hp) optimizer(ci,hp,dp)"
 *   plan.zero.rest     = "params() grads() optimizer(ci,hp)"
 *
 * Lists of axes of the module's mesh, major to minor.  Each list begins with
 * the one before it, so that blocks of gradients are pieces of blocks of
 * parameters and those of the optimizer are pieces of these.  Matrices are the
 * fields that the blocks of a repeat map with; the rest are norms, biases and
 * everything outside of repeats (embeddings, the head).
 */
void zero_check(struct unit *u, const struct choices *c);
void zero_export(struct unit *u, const struct choices *c);

uint64_t number_or(const struct choices *c, int id, uint64_t dflt);
/* The two multiples of unit around n; the divisors of n next to x: as text. */
const char *nearest_multiples(struct unit *u, uint64_t n, uint64_t unit);
const char *nearest_divisors(struct unit *u, uint64_t n, uint64_t x);

/* Checks that need several settings; dims b, s, mb of the module. */
void recipe_sizes(struct unit *u, struct choices *c);
void recipe_check(struct unit *u, const struct choices *c, bool takes_doc);
void settings_export(struct unit *u, const struct choices *c);
void choice_error(struct unit *u, const struct chosen *c, enum diag_code code,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
