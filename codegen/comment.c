/* What the emitted program says about itself: ops, sources, memory. */
#include "config.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "codegen/emit.h"
#include "codegen/traffic.h"
#include "ir/typetable.h"
#include "support/buf.h"

/* ---- ops ---- */

static uint32_t
line_of(const struct source *s, uint32_t at)
{
	uint32_t line = 1;

	for (uint32_t i = 0; i < at && i < s->len; i++)
		line += s->text[i] == '\n';
	return line;
}

/* The source's name without its folder; odd characters cannot hide in it. */
const char *
emit_where(struct emit *e, const struct op *op)
{
	const struct source *s = e->m->diag->src;
	const char *name;
	char *to;

	if (!s || !s->text || op->at.hi == 0 || op->at.lo >= s->len)
		return NULL;
	name = strrchr(s->name, '/') ? strrchr(s->name, '/') + 1 : s->name;
	to = arena_printf(e->m->mem, "%s:%" PRIu32, name,
	    line_of(s, op->at.lo));
	for (size_t i = 0; i < strlen(name); i++)
		if (!isalnum((unsigned char)to[i]) && !strchr("._-", to[i]))
			to[i] = '?';
	return to;
}

static void
add_place(struct emit *e, const struct op *op, struct buf *b)
{
	const char *where = emit_where(e, op);

	if (where)
		buf_printf(b, "   (%s)", where);
}

static void
add_index(struct emit *e, const struct arg *a, struct buf *b)
{
	if (a->indexed)
		buf_printf(b, "[%s]", emit_affine_sum(e, &a->index, ""));
}

static void
add_arg(struct emit *e, const struct arg *a, struct buf *b)
{
	if (a->kind == ARG_VALUE)
		buf_puts(b, a->v->name ? a->v->name : "?");
	else if (a->kind == ARG_FIELD)
		buf_printf(b, "%s.%s", a->v->name,
		    a->v->bundle->field[a->field].name);
	else
		buf_printf(b, "@%s", a->b->name);
	if (a->kind == ARG_BUNDLE || a->kind == ARG_BUNDLE_FIELD)
		add_index(e, a, b);
	if (a->kind == ARG_BUNDLE_FIELD)
		buf_printf(b, ".%s", a->b->field[a->field].name);
}

static void
add_results(struct emit *e, const struct op *op, struct buf *b)
{
	if (op->has_target) {
		add_arg(e, &op->target, b);
		buf_puts(b, op->target_add ? " += " : " = ");
		return;
	}
	for (int i = 0; i < op->nout; i++)
		buf_printf(b, "%s%s", i ? ", " : "", op->out[i]->name);
	buf_puts(b, op->nout ? " = " : "");
}

static void
add_types(struct emit *e, const struct op *op, struct buf *b)
{
	const char *sep = " : ";

	for (int i = 0; i < op->nout && op->code != OP_CALL; i++) {
		if (!op->out[i]->type || op->out[i]->bundle)
			continue;
		buf_puts(b, sep);
		type_print_in(e->m, op->out[i]->type, e->loop, e->nloop, b);
		sep = ", ";
	}
}

static void
add_bound(const struct bound *x, struct buf *b)
{
	if (!x->dim)
		buf_printf(b, "%" PRId64, x->k);
	else if (x->k)
		buf_printf(b, "%s%+" PRId64, x->dim, x->k);
	else
		buf_puts(b, x->dim);
}

/* on hr s>g, hk s>k; by co+1 */
static void
add_hops(struct emit *e, const struct op *op, struct buf *b)
{
	for (int i = 0; i < op->nhop; i++) {
		const struct hop *h = &op->hop[i];

		buf_printf(b, "%s%s", i ? ", " : h->by ? " by " : " on ",
		    e->m->axis[h->axis].name);
		if (h->by)
			buf_printf(b, "%+d", h->by);
		if (op->code == OP_A2A && h->from)
			buf_printf(b, " %s", h->from);
		if (h->to)
			buf_printf(b, ">%s", h->to);
	}
	if (op->when.set) {
		buf_printf(b, " when %s%c", emit_affine_sum(e, &op->when.a,
		    ""), op->when.cmp);
		add_bound(&op->when.b, b);
	}
}

/* for m=0..mb, call layer(l) */
static void
add_name(struct emit *e, const struct op *op, struct buf *b)
{
	buf_puts(b, op_info[op->code].name);
	if (op->code == OP_FOR) {
		buf_printf(b, " %s=", op->var);
		add_bound(&op->lo, b);
		buf_puts(b, "..");
		add_bound(&op->hi, b);
		buf_puts(b, op->rev ? " rev" : "");
	} else if (op->code == OP_CALL) {
		buf_printf(b, " %s", op->callee->name);
		if (op->indexed)
			buf_printf(b, "(%s)", emit_affine_sum(e, &op->index,
			    ""));
	}
}

static void
add_op(struct emit *e, const struct op *op, struct buf *b)
{
	add_results(e, op, b);
	add_name(e, op, b);
	for (int i = 0; i < op->nin; i++) {
		buf_puts(b, i == 0 ? " " : op->into && i == op->nin - op->into ?
		    " into " : ", ");
		add_arg(e, &op->in[i], b);
	}
	add_hops(e, op, b);
	add_types(e, op, b);
	add_place(e, op, b);
}

void
emit_comment(struct emit *e, FILE *out, const char *indent,
    struct op *const *op, int n)
{
	for (int i = 0; i < n; i++) {
		struct buf b = {0};

		add_op(e, op[i], &b);
		fprintf(out, "%s%s %s%s\n", indent, i ? " *" : "/*",
		    buf_text(&b), i == n - 1 ? " */" : "");
		buf_free(&b);
	}
}

/* ---- communication ---- */

static void
print_transfer(struct emit *e, FILE *out, const struct traffic *t)
{
	struct buf b = {0};

	if (t->op->has_target)
		buf_printf(&b, "@%s", t->op->target.b->name);
	else
		buf_puts(&b, t->op->out[0]->name);
	buf_printf(&b, " = %s", op_info[t->op->code].name);
	add_hops(e, t->op, &b);
	fprintf(out, " *   %-6" PRIu64 " x %14" PRIu64 "  %-4s %s: %s\n",
	    t->calls, t->bytes, lane_name[t->op->lane], t->f->name,
	    buf_text(&b));
	buf_free(&b);
}

static void
print_copies(struct emit *e, FILE *out)
{
	int n;
	const struct traffic *t = copies_of_step(e->m, &n);

	if (!n)
		return;
	fputs("/*\n * Copies of a step between device and host, calls x bytes, "
	    "lane:\n", out);
	for (int i = 0; i < n; i++)
		print_transfer(e, out, &t[i]);
	fputs(" */\n\n", out);
}

void
emit_schedule(struct emit *e, FILE *out)
{
	const struct module *m = e->m;
	const struct traffic *t;
	int n;

	print_copies(e, out);
	if (!m->naxis)
		return;
	fputs("/*\n * Mesh, the last axis fastest:", out);
	for (int i = 0; i < m->naxis; i++)
		fprintf(out, " %s=%u", m->axis[i].name, m->axis[i].size);
	fputs("\n * Calls of a step x bytes that a rank sends in one, lane:\n",
	    out);
	t = traffic_of_step(m, &n);
	for (int i = 0; i < n; i++)
		print_transfer(e, out, &t[i]);
	fputs(" */\n\n", out);
}

/* ---- memory ---- */

static const char *const what[ARENA_COUNT] = {
	"parameters, gradients, moments, tables",
	"what forward keeps for backward, one element a layer",
	"everything else a step makes",
	"tokens, labels, logits",
	"memory of the host: what forward sends there for backward",
	"what library kernels work in: see work()",
};

static void
print_arenas(const struct module *m, FILE *out)
{
	fputs("/*\n * Memory in bytes.  Arenas:\n", out);
	for (int i = 0; i < ARENA_WORK; i++)
		fprintf(out, " *   %-6s %15" PRIu64 "  %s\n", arena_name[i],
		    m->arena_size[i], what[i]);
	fprintf(out, " *   %-6s %15s  %s\n", arena_name[ARENA_WORK],
	    "by threads", what[ARENA_WORK]);
}

static void
print_slots(struct emit *e, FILE *out)
{
	const struct module *m = e->m;

	fprintf(out, " * Slots:%-20s %-5s %15s %15s %6s\n", "", "arena",
	    "offset", "size", "count");
	for (int i = 0; i < m->nslot; i++) {
		const struct slot *s = &m->slot[i];

		if (!e->macro[i] && s->size)
			fprintf(out, " *   %-24s %-5s %15" PRIu64 " %15"
			    PRIu64 " %6u\n", s->name, arena_name[s->arena],
			    s->offset, s->size, s->count);
	}
	fputs(" */\n\n", out);
}

static void
print_macro(struct emit *e, FILE *out, const struct bundle *b, int j,
    const char *suffix)
{
	struct module *m = e->m;
	struct slot *s = b->over ? NULL : bundle_slot(m, b, j, suffix);
	struct buf t = {0};
	const char *ct = emit_ctype(*suffix ? DT_BF16 : b->dtype);

	if (!s)
		return;
	type_print(m, b->field[j].type, &t);
	if (s->count == 1)
		fprintf(out, "#define %s AT(%s, LT_STATE, UINT64_C(%" PRIu64
		    ")) /* %s */\n", e->macro[s - m->slot], ct, s->offset,
		    buf_text(&t));
	else
		fprintf(out, "#define %s(i) AT(%s, LT_STATE, UINT64_C(%" PRIu64
		    ") + (size_t)(i) * %" PRIu64 ") /* %u x %s */\n",
		    e->macro[s - m->slot], ct, s->offset, s->stride, s->count,
		    buf_text(&t));
	buf_free(&t);
}

void
emit_memory_map(struct emit *e, FILE *out)
{
	const struct module *m = e->m;

	print_arenas(m, out);
	print_slots(e, out);
	for (int i = 0; i < m->nbundle; i++)
		for (int j = 0; j < m->bundle[i]->nfield; j++) {
			print_macro(e, out, m->bundle[i], j, "");
			print_macro(e, out, m->bundle[i], j, ".cast");
		}
	fputc('\n', out);
}
