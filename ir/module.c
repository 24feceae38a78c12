/* The module: names, dimensions, bundles, functions, settings, slots. */
#include "config.h"

#include <string.h>

#include "ir/ir.h"
#include "ir/typetable.h"
#include "support/intern.h"

const char *const arena_name[ARENA_COUNT] = {"state", "keep", "act", "io",
    "host", "work"};
const char *const bundle_role_name[ROLE_COUNT] = {"param", "grad", "moment1",
    "moment2", "copy"};
const char *const lane_name[LANE_COUNT] = {"c", "h", "ki", "ko", "di", "do",
    "zg", "zr", "sc", "ho", "hi"};

/* array[n] with room for one more element; arena memory is not returned. */
#define GROW(m, array, n, cap) \
	((n) < (cap) ? (array) : grow((m)->mem, (array), sizeof *(array), \
	    (n), &(cap)))

static void *
grow(struct arena *mem, const void *old, size_t size, int n, int *cap)
{
	void *fresh;

	*cap = *cap ? *cap * 2 : 8;
	fresh = arena_alloc(mem, size * (size_t)*cap);
	if (n)
		memcpy(fresh, old, size * (size_t)n);
	return fresh;
}

struct module *
module_new(struct arena *mem, struct diag *d)
{
	struct module *m = NEW(mem, struct module);

	m->mem = mem;
	m->diag = d;
	m->stage = 'a';
	m->names = intern_new(mem);
	m->types = type_table_new(mem);
	m->name = module_namez(m, "main");
	return m;
}

const char *
module_name(struct module *m, const char *s, size_t len)
{
	return intern(m->names, s, len);
}

const char *
module_namez(struct module *m, const char *s)
{
	return intern(m->names, s, strlen(s));
}

struct dimdef *
module_dim(const struct module *m, const char *name)
{
	for (int i = 0; i < m->ndim; i++)
		if (m->dim[i].name == name || strcmp(m->dim[i].name, name) == 0)
			return &m->dim[i];
	return NULL;
}

struct dimdef *
module_add_dim(struct module *m, const char *name, uint64_t size,
    struct span at)
{
	m->dim = GROW(m, m->dim, m->ndim, m->dimcap);
	m->dim[m->ndim] = (struct dimdef){module_namez(m, name), size, at};
	return &m->dim[m->ndim++];
}

struct bundle *
module_bundle(const struct module *m, const char *name)
{
	return *intern_means(m->names, name, strlen(name));
}

struct bundle *
module_add_bundle(struct module *m, const char *name, const char *stack,
    enum bundle_role role, enum dtype dt)
{
	struct bundle *b = NEW(m->mem, struct bundle);
	void **means;

	b->name = module_namez(m, name);
	b->stack = stack ? module_namez(m, stack) : NULL;
	b->role = (uint8_t)role;
	b->dtype = (uint8_t)dt;
	m->bundle = GROW(m, m->bundle, m->nbundle, m->bundlecap);
	means = intern_means(m->names, name, strlen(name));
	if (!*means)
		*means = b;
	return m->bundle[m->nbundle++] = b;
}

struct bundle *
module_derive_bundle(struct module *m, const char *name, struct bundle *of,
    enum bundle_role role, enum dtype dt)
{
	struct bundle *b = module_add_bundle(m, name, of->stack, role, dt);

	b->of = of;
	b->flat = of->flat;
	b->path = of->path;
	b->field = NEW_N(m->mem, struct field, (size_t)of->nfield);
	b->nfield = b->fieldcap = of->nfield;
	for (int i = 0; i < of->nfield; i++) {
		b->field[i] = (struct field){.name = of->field[i].name,
		    .at = of->field[i].at};
		b->field[i].type = type_with_dtype(m, of->field[i].type, dt);
	}
	return b;
}

struct field *
bundle_add_field(struct module *m, struct bundle *b, const char *name,
    const struct type *t, struct init init, bool decay, struct span at)
{
	b->field = GROW(m, b->field, b->nfield, b->fieldcap);
	b->field[b->nfield] = (struct field){module_namez(m, name), t, init,
	    decay, at};
	return &b->field[b->nfield++];
}

int
bundle_field(const struct bundle *b, const char *name)
{
	for (int i = 0; i < b->nfield; i++)
		if (strcmp(b->field[i].name, name) == 0)
			return i;
	return -1;
}

struct func *
module_func(const struct module *m, const char *name)
{
	for (int i = 0; i < m->nfunc; i++)
		if (strcmp(m->func[i]->name, name) == 0)
			return m->func[i];
	return NULL;
}

struct func *
module_add_func(struct module *m, const char *name, struct span at)
{
	struct func *f = NEW(m->mem, struct func);

	f->name = module_namez(m, name);
	f->at = at;
	m->func = GROW(m, m->func, m->nfunc, m->funccap);
	return m->func[m->nfunc++] = f;
}

static struct setting *
find_setting(const struct module *m, const char *key)
{
	for (int i = 0; i < m->nset; i++)
		if (strcmp(m->set[i].key, key) == 0)
			return &m->set[i];
	return NULL;
}

const struct setting *
module_setting(const struct module *m, const char *key)
{
	return find_setting(m, key);
}

double
module_number(const struct module *m, const char *key, double dflt)
{
	const struct setting *s = find_setting(m, key);

	return s && !s->is_text ? s->num : dflt;
}

const char *
module_text(const struct module *m, const char *key, const char *dflt)
{
	const struct setting *s = find_setting(m, key);

	return s && s->is_text ? s->text : dflt;
}

/* The setting called key, new or to be overwritten. */
static struct setting *
put_setting(struct module *m, const char *key, struct span at)
{
	struct setting *s = find_setting(m, key);

	if (!s) {
		m->set = GROW(m, m->set, m->nset, m->setcap);
		s = &m->set[m->nset++];
	}
	*s = (struct setting){.key = module_namez(m, key), .at = at};
	return s;
}

void
module_set_number(struct module *m, const char *key, double v, struct span at)
{
	put_setting(m, key, at)->num = v;
}

void
module_set_text(struct module *m, const char *key, const char *v,
    struct span at)
{
	struct setting *s = put_setting(m, key, at);

	s->is_text = true;
	s->text = module_namez(m, v);
}

bool
setting_is_decision(const struct setting *s)
{
	return s->is_text && (strncmp(s->key, "ring.", 5) == 0 ||
	    strncmp(s->key, "recompute.", 10) == 0);
}

/* Where the slot called name is in the table, or could be. */
static uint32_t *
slot_cell(const struct module *m, const char *name)
{
	size_t i = 14695981039346656037u;

	for (const char *s = name; *s; s++)
		i = (i ^ (unsigned char)*s) * 1099511628211u;
	for (i ^= i >> 32;; i++) {
		uint32_t *cell = &m->slot_at[i & (m->slot_cells - 1)];

		if (*cell == 0 || (*cell <= (uint32_t)m->nslot &&
		    strcmp(m->slot[*cell - 1].name, name) == 0))
			return cell;
	}
}

struct slot *
module_slot(const struct module *m, const char *name)
{
	uint32_t at = m->slot_cells ? *slot_cell(m, name) : 0;

	return at ? &m->slot[at - 1] : NULL;
}

struct slot *
bundle_slot(const struct module *m, const struct bundle *b, int field,
    const char *suffix)
{
	while (b->over)
		b = b->over;
	return module_slot(m, arena_printf(m->mem, "%s.%s%s", b->name,
	    b->field[field].name, suffix));
}

static void
grow_slots(struct module *m)
{
	m->slot_cells = m->slot_cells ? 2 * m->slot_cells : 64;
	m->slot_at = NEW_N(m->mem, uint32_t, m->slot_cells);
	for (int i = 0; i < m->nslot; i++)
		*slot_cell(m, m->slot[i].name) = (uint32_t)i + 1;
}

struct slot *
module_add_slot(struct module *m, const char *name)
{
	uint32_t *cell;

	m->slot = GROW(m, m->slot, m->nslot, m->slotcap);
	m->slot[m->nslot] = (struct slot){.name = module_namez(m, name),
	    .count = 1};
	if ((size_t)m->nslot * 2 >= m->slot_cells)
		grow_slots(m);
	m->nslot++;
	cell = slot_cell(m, name);
	if (*cell == 0)
		*cell = (uint32_t)m->nslot;
	return &m->slot[m->nslot - 1];
}
