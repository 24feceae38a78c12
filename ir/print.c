/* The IR as text: what ir/read*.c accept.  doc/ir.md is the reference; the
 * lines above the functions are in ir/print_header.c. */
#include "config.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/attr.h"
#include "ir/printer.h"
#include "ir/slots.h"
#include "ir/typetable.h"
#include "support/buf.h"

enum { INDENT = 2, MAX_SHOWN_LOOPS = 64 };

struct printer {
	const struct module *m;
	struct buf b;
	struct aliases aliases;
	const char *loop[MAX_SHOWN_LOOPS]; /* variables of the loops around */
	int nloop;
	bool locations, apart;
	const struct func *f;
	const bool *said; /* by value id: it says where it is */
	uint32_t *line; /* offsets of the source's lines */
	uint32_t nline;
};

void
print_real(struct buf *b, double v)
{
	char text[40];

	if (v == floor(v) && fabs(v) < 1e15) {
		buf_printf(b, "%.0f", v);
		return;
	}
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_puts(b, text);
}

static void
print_term(struct buf *b, int64_t coef, const char *var, bool first)
{
	if (coef < 0)
		buf_putc(b, '-');
	else if (!first)
		buf_putc(b, '+');
	coef = coef < 0 ? -coef : coef;
	if (!var)
		buf_printf(b, "%lld", (long long)coef);
	else if (coef != 1)
		buf_printf(b, "%lld*%s", (long long)coef, var);
	else
		buf_puts(b, var);
}

static void
print_affine(struct buf *b, const struct affine *a)
{
	bool paren = a->mod > 0 && a->n + (a->k != 0) > 1;

	buf_puts(b, paren ? "(" : "");
	for (int i = 0; i < a->n; i++)
		print_term(b, a->coef[i], a->var[i], i == 0);
	if (a->k != 0 || a->n == 0)
		print_term(b, a->k, NULL, a->n == 0);
	buf_puts(b, paren ? ")" : "");
	if (a->mod > 0)
		buf_printf(b, "%%%lld", (long long)a->mod);
}

static void
print_index(struct buf *b, bool indexed, const struct affine *a)
{
	if (!indexed)
		return;
	buf_putc(b, '[');
	print_affine(b, a);
	buf_putc(b, ']');
}

static void
print_bound(struct buf *b, const struct bound *bound)
{
	if (!bound->dim)
		buf_printf(b, "%lld", (long long)bound->k);
	else if (bound->k)
		buf_printf(b, "%s%+lld", bound->dim, (long long)bound->k);
	else
		buf_puts(b, bound->dim);
}

static void
print_arg(struct printer *p, const struct arg *a)
{
	if (a->consume)
		buf_putc(&p->b, '!');
	if (a->kind == ARG_VALUE || a->kind == ARG_FIELD)
		buf_printf(&p->b, "%s%s", a->v->future ? "~" : "",
		    a->v->name ? a->v->name : "?");
	else
		buf_printf(&p->b, "@%s", a->b->name);
	if (a->kind == ARG_BUNDLE || a->kind == ARG_BUNDLE_FIELD)
		print_index(&p->b, a->indexed, &a->index);
	if (a->kind == ARG_FIELD)
		buf_printf(&p->b, ".%s", a->v->bundle->field[a->field].name);
	if (a->kind == ARG_BUNDLE_FIELD)
		buf_printf(&p->b, ".%s", a->b->field[a->field].name);
}

static void
print_storage(struct printer *p, const struct value *v)
{
	struct type storage = {.pend = v->pend};

	buf_puts(&p->b, dtype_name[v->dtype]);
	flat_print(p->m, &v->flat, &p->b);
	pending_print(p->m, &storage, &p->b);
}

static void
print_type_of(struct printer *p, const struct value *v)
{
	if (v->bundle)
		print_storage(p, v);
	else if (v->type)
		alias_type_print(&p->aliases, p->m, v->type, p->loop, p->nloop,
		    &p->b);
	else
		buf_puts(&p->b, "?");
}

static void
print_slot(struct printer *p, const struct value *v)
{
	buf_puts(&p->b, v->slot ? slot_short(p->m, p->f, v->slot) : "_");
	print_index(&p->b, v->slot && v->slot_indexed, &v->slot_index);
}

static void
print_slots(struct printer *p, struct value *const *v, int n)
{
	bool any = false;

	for (int i = 0; i < n; i++)
		any |= p->said[v[i]->id];
	for (int i = 0; any && i < n; i++) {
		buf_puts(&p->b, i ? ", " : " in ");
		print_slot(p, v[i]);
	}
}

static void
print_attr(struct buf *b, const struct attr *a)
{
	const struct attr_info *info = &attr_info[a->key];

	buf_printf(b, "%s=", info->name);
	if (info->kind == ATTRKIND_REAL)
		print_real(b, a->real);
	else if (info->kind == ATTRKIND_INT)
		buf_printf(b, "%lld", (long long)a->num);
	else if (info->kind == ATTRKIND_NAME)
		buf_puts(b, a->name);
	else
		buf_puts(b, attr_words((enum attr_key)a->key)[a->num]);
}

static void
print_attrs(struct printer *p, const struct op *op)
{
	const char *sep = " {";

	for (int i = 0; i < op->nattr; i++)
		if (!attr_is_default(&op->attr[i])) {
			buf_puts(&p->b, sep);
			print_attr(&p->b, &op->attr[i]);
			sep = ", ";
		}
	if (sep[0] == ',')
		buf_putc(&p->b, '}');
}

static void
indent(struct printer *p, int depth)
{
	for (int i = 0; i < depth * INDENT; i++)
		buf_putc(&p->b, ' ');
}

/* The last line that starts at or before the offset. */
static uint32_t
line_at(const struct printer *p, uint32_t at)
{
	uint32_t lo = 0, hi = p->nline;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (p->line[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	return lo + 1;
}

static void
end_line(struct printer *p, struct span at)
{
	if (p->locations && at.hi > at.lo)
		buf_printf(&p->b, "  // %s:%u", p->m->diag->src->name,
		    line_at(p, at.lo));
	buf_putc(&p->b, '\n');
}

static void
print_results(struct printer *p, const struct op *op)
{
	if (op->has_target) {
		print_arg(p, &op->target);
		buf_puts(&p->b, op->target_add ? " += " : " = ");
		return;
	}
	for (int i = 0; i < op->nout; i++)
		buf_printf(&p->b, "%s%s%s", i ? ", " : "",
		    op->out[i]->future ? "~" : "", op->out[i]->name);
	if (op->nout)
		buf_puts(&p->b, " = ");
}

/* What goes into a target is as the target is. */
static bool
is_as_target(const struct printer *p, const struct op *op)
{
	const struct value *v = op->nout ? op->out[0] : NULL;
	const struct bundle *b = op->target.b;

	if (!op->has_target || !v)
		return false;
	if (op->target.kind != ARG_BUNDLE)
		return !v->bundle && v->type == target_type(p->m, &op->target);
	return v->bundle == b && v->dtype == b->dtype && v->pend == b->pend &&
	    axis_list_equal(&v->flat, &b->flat);
}

/* Results of these follow from the callee, the twin, the carries or where
 * they go. */
static bool
types_follow(const struct printer *p, const struct op *op)
{
	return op->nout == 0 || op->code == OP_CALL || op->code == OP_FOR ||
	    op->code == OP_LOAD || op->code == OP_WAIT || is_as_target(p, op);
}

static void
print_tail(struct printer *p, const struct op *op)
{
	print_slots(p, op->out, op->nout);
	if (op->scratch)
		buf_printf(&p->b, " using %s",
		    slot_short(p->m, p->f, op->scratch));
	if (op->group >= 0)
		buf_printf(&p->b, " #%d", op->group);
	end_line(p, op->at);
}

/* Results from i on that have the type of result i: T, or T x2. */
static int
alike(const struct op *op, int i)
{
	int n = 1;

	while (!op->out[i]->bundle && i + n < op->nout &&
	    !op->out[i + n]->bundle &&
	    op->out[i + n]->type == op->out[i]->type)
		n++;
	return n;
}

static void
print_types(struct printer *p, const struct op *op)
{
	if (types_follow(p, op))
		return;
	for (int i = 0, n; i < op->nout; i += n) {
		buf_puts(&p->b, i ? ", " : " : ");
		print_type_of(p, op->out[i]);
		n = alike(op, i);
		if (n > 1)
			buf_printf(&p->b, " x%d", n);
	}
}

static void
print_args(struct printer *p, const struct op *op)
{
	int n = op->nin - op->into;

	for (int i = 0; i < op->nin; i++) {
		buf_puts(&p->b, i == n ? " into " : i ? ", " : " ");
		print_arg(p, &op->in[i]);
	}
}

/* on axes, on axis from>to, by axis+n */
static void
print_hops(struct printer *p, const struct op *op)
{
	for (int i = 0; i < op->nhop; i++) {
		const struct hop *h = &op->hop[i];

		if (i == 0)
			buf_puts(&p->b, h->by ? " by " : " on ");
		else
			buf_puts(&p->b, h->by || h->to ? ", " : ",");
		buf_puts(&p->b, p->m->axis[h->axis].name);
		if (h->by)
			buf_printf(&p->b, "%+d", h->by);
		if (op->code == OP_A2A)
			buf_printf(&p->b, " %s", h->from);
		if (h->to)
			buf_printf(&p->b, ">%s", h->to);
	}
}

static void
print_when(struct printer *p, const struct cond *c)
{
	if (!c->set)
		return;
	buf_puts(&p->b, " when ");
	print_affine(&p->b, &c->a);
	buf_putc(&p->b, c->cmp);
	print_bound(&p->b, &c->b);
}

static void
print_call(struct printer *p, const struct op *op)
{
	buf_printf(&p->b, " %s(", op->callee->name);
	if (op->indexed)
		print_affine(&p->b, &op->index);
	for (int i = 0; i < op->nin; i++) {
		buf_puts(&p->b, i || op->indexed ? ", " : "");
		print_arg(p, &op->in[i]);
	}
	buf_putc(&p->b, ')');
}

static void print_region(struct printer *p, const struct region *r, int depth);

/* The carry's type is that of its start unless a ring turns it. */
static void
print_carry(struct printer *p, const struct op *op, int i)
{
	const struct value *c = op->carry[i];
	const struct type *t = arg_type(p->m, &op->in[i]);

	buf_printf(&p->b, "%s%s = ", c->future ? "~" : "", c->name);
	print_arg(p, &op->in[i]);
	if (c->type != t) {
		buf_puts(&p->b, " : ");
		print_type_of(p, c);
	}
	print_slots(p, &op->carry[i], 1);
}

static void
print_for(struct printer *p, const struct op *op, int depth)
{
	size_t body;

	buf_printf(&p->b, " %s=", op->var);
	print_bound(&p->b, &op->lo);
	buf_puts(&p->b, "..");
	print_bound(&p->b, &op->hi);
	buf_puts(&p->b, op->rev ? " rev (" : " (");
	if (p->nloop < MAX_SHOWN_LOOPS)
		p->loop[p->nloop] = op->var;
	p->nloop++;
	for (int i = 0; i < op->nin; i++) {
		buf_puts(&p->b, i ? "; " : "");
		print_carry(p, op, i);
	}
	buf_puts(&p->b, ") {");
	body = p->b.len;
	end_line(p, op->at);
	print_region(p, &op->body, depth + 1);
	p->nloop--;
	indent(p, depth);
	buf_putc(&p->b, '}');
	if (!p->apart && print_is_short(&op->body))
		print_fold(&p->b, body);
}

static void
print_op(struct printer *p, const struct op *op, int depth)
{
	indent(p, depth);
	if (op->lane != LANE_C)
		buf_printf(&p->b, "%s | ", lane_name[op->lane]);
	print_results(p, op);
	buf_puts(&p->b, op_info[op->code].name);
	if (op->code == OP_FOR) {
		print_for(p, op, depth);
	} else if (op->code == OP_CALL) {
		print_call(p, op);
	} else {
		if (op->code == OP_FETCH)
			buf_printf(&p->b, " %s.%s", op->callee->name, op->kept);
		print_args(p, op);
		if (op->indexed) {
			buf_puts(&p->b, " at ");
			print_affine(&p->b, &op->index);
		}
	}
	print_hops(p, op);
	print_when(p, &op->when);
	print_attrs(p, op);
	print_types(p, op);
	print_tail(p, op);
}

static void
print_region(struct printer *p, const struct region *r, int depth)
{
	for (int i = 0; i < r->n; i++) {
		const struct op *next = i + 1 < r->n ? r->op[i + 1] : NULL;
		size_t from = p->b.len;

		print_op(p, r->op[i], depth);
		if (i > 0 && !p->apart &&
		    print_together(r->op[i - 1], r->op[i], next))
			print_join(&p->b, from);
	}
}

static void
print_func(struct printer *p, const struct func *f)
{
	const char *sep = "";

	p->f = f;
	p->said = print_said(p->m, f);
	buf_printf(&p->b, "\nfn %s(", f->name);
	if (f->index) {
		buf_printf(&p->b, "%s:%s", f->index, f->index_dim);
		sep = ", ";
	}
	for (int i = 0; i < f->nparam; i++) {
		buf_printf(&p->b, "%s%s%s : ", sep,
		    f->param[i]->future ? "~" : "", f->param[i]->name);
		if (f->param[i]->bundle)
			buf_printf(&p->b, "@%s ", f->param[i]->bundle->name);
		print_type_of(p, f->param[i]);
		print_slots(p, &f->param[i], 1);
		sep = ", ";
	}
	buf_puts(&p->b, ") {");
	end_line(p, f->at);
	print_region(p, &f->body, 1);
	buf_puts(&p->b, "}\n");
}

static void
find_lines(struct printer *p)
{
	const struct source *src = p->m->diag->src;
	uint32_t n = 1;

	for (uint32_t i = 0; i < src->len; i++)
		n += src->text[i] == '\n';
	p->line = NEW_N(p->m->mem, uint32_t, n);
	p->nline = 1;
	for (uint32_t i = 0; i < src->len; i++)
		if (src->text[i] == '\n')
			p->line[p->nline++] = i + 1;
}

void
module_print(const struct module *m, const struct print_options *o, FILE *out)
{
	struct printer p = {.m = m};

	p.locations = o && o->locations && m->diag && m->diag->src;
	p.apart = p.locations || (o && o->apart);
	if (p.locations)
		find_lines(&p);
	alias_choose(&p.aliases, m);
	print_header(&p.b, m, &p.aliases);
	for (int i = 0; i < m->nfunc; i++)
		print_func(&p, m->func[i]);
	fwrite(buf_text(&p.b), 1, p.b.len, out);
	buf_free(&p.b);
}
