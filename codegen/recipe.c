/*
 * The recipe and the plan as the trainer knows them: a struct of defaults, and
 * lines of text to compare a checkpoint's with.
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/emit.h"

/* Does the value change what is learnt, or only what is shown and kept? */
enum effect { COURSE, HABIT };

struct number_row {
	const char *key, *field; /* module setting, field of lt_recipe */
	double dflt;
	bool integer;
	uint8_t effect;
};

static const struct number_row numbers[] = {
	{"recipe.steps", "steps", 100, true, COURSE},
	{"recipe.warmup", "warmup", 0, true, COURSE},
	{"recipe.lr", "lr", 3e-4, false, COURSE},
	{"recipe.lr_min", "lr_min", 0, false, COURSE},
	{"recipe.decay_fraction", "decay_fraction", 0.2, false, COURSE},
	{"recipe.beta1", "beta1", 0.9, false, COURSE},
	{"recipe.beta2", "beta2", 0.95, false, COURSE},
	{"recipe.eps", "eps", 1e-8, false, COURSE},
	{"recipe.wd", "wd", 0.1, false, COURSE},
	{"recipe.clip", "clip", 0, false, COURSE},
	{"recipe.seed", "seed", 1, true, COURSE},
	{"recipe.val_fraction", "val_fraction", 0.1, false, COURSE},
	{"recipe.eos", "eos", -1, true, COURSE},
	{"recipe.ignore", "ignore", -100, true, COURSE},
	{"recipe.s", "s", 0, true, HABIT}, /* dim s may be longer: padding */
	{"recipe.eval_every", "eval_every", 0, true, HABIT},
	{"recipe.eval_batches", "eval_batches", 8, true, HABIT},
	{"recipe.save_every", "save_every", 0, true, HABIT},
	{"recipe.keep_last", "keep_last", 2, true, HABIT},
	{"recipe.log_every", "log_every", 1, true, HABIT},
};

struct word_row {
	const char *key, *field;
	const char *word, *value; /* setting word and its C constant */
};

/* The first word of a key is its default. */
static const struct word_row words[] = {
	{"recipe.schedule", "schedule", "constant", "LT_CONSTANT"},
	{"recipe.schedule", "schedule", "cosine", "LT_COSINE"},
	{"recipe.schedule", "schedule", "wsd", "LT_WSD"},
	{"recipe.nan", "nan_policy", "stop", "LT_NAN_STOP"},
	{"recipe.nan", "nan_policy", "skip", "LT_NAN_SKIP"},
};

static const char *const texts[][2] = { /* setting, default */
	{"recipe.train", ""},
	{"recipe.val", ""},
	{"recipe.format", "auto"},
	{"recipe.precision", "f32"},
};

static int64_t
whole(double v)
{
	return v >= 0x1p62 ? INT64_MAX : v <= -0x1p62 ? INT64_MIN : (int64_t)v;
}

/* The part of a setting's name after the first dot. */
static const char *
short_name(const char *key)
{
	return strchr(key, '.') + 1;
}

void
emit_recipe(struct emit *e)
{
	const struct module *m = e->m;

	fputs("\t.recipe = {\n", e->out);
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		const struct number_row *r = &numbers[i];
		double v = module_number(m, r->key, r->dflt);

		if (r->integer)
			fprintf(e->out, "\t\t.%s = %" PRId64 ",\n", r->field,
			    whole(v));
		else
			fprintf(e->out, "\t\t.%s = %a, /* %g */\n", r->field,
			    v, v);
	}
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcmp(module_text(m, words[i].key, ""),
		    words[i].word) == 0)
			fprintf(e->out, "\t\t.%s = %s,\n", words[i].field,
			    words[i].value);
	fputs("\t\t.train = ", e->out);
	emit_quoted(e->out, module_text(m, "recipe.train", NULL));
	fputs(",\n\t\t.val = ", e->out);
	emit_quoted(e->out, module_text(m, "recipe.val", NULL));
	fputs(",\n\t\t.format = ", e->out);
	emit_quoted(e->out, module_text(m, "recipe.format", "auto"));
	fputs(",\n\t},\n", e->out);
}

/* Control characters would end the line or the value. */
static void
write_text(FILE *out, const char *key, const char *value)
{
	fprintf(out, "%s=", key);
	for (; *value; value++)
		fputc((unsigned char)*value < 32 ? '?' : *value, out);
	fputc('\n', out);
}

static void
write_number(FILE *out, const char *key, double v)
{
	char text[40];

	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	write_text(out, key, text);
}

static uint64_t
dim_or(const struct module *m, const char *dim, uint64_t dflt)
{
	const struct dimdef *d = module_dim(m,
	    module_namez((struct module *)m, dim));

	return d ? d->size : dflt;
}

static void
write_recipe(const struct module *m, FILE *out)
{
	uint64_t s = dim_or(m, "s", 1), b = dim_or(m, "b", 1);

	s = (uint64_t)module_number(m, "recipe.s", (double)s);

	fprintf(out, "s=%" PRIu64 "\nbatch=%" PRIu64 "\n", s,
	    s * b * dim_or(m, "mb", 1));
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		if (numbers[i].effect == COURSE)
			write_number(out, short_name(numbers[i].key),
			    module_number(m, numbers[i].key,
			    numbers[i].dflt));
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (i == 0 || strcmp(words[i].key, words[i - 1].key) != 0)
			write_text(out, short_name(words[i].key),
			    module_text(m, words[i].key, words[i].word));
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		write_text(out, short_name(texts[i][0]),
		    module_text(m, texts[i][0], texts[i][1]));
}

static void
write_mesh(const struct module *m, FILE *out)
{
	if (!m->naxis)
		return;
	fputs("mesh=", out);
	for (int i = 0; i < m->naxis; i++)
		fprintf(out, "%s%s=%u", i ? "," : "", m->axis[i].name,
		    m->axis[i].size);
	fputc('\n', out);
}

static void
write_plan(const struct module *m, FILE *out)
{
	write_mesh(m, out);
	fprintf(out, "micro=%" PRIu64 "\n", dim_or(m, "b", 1));
	write_text(out, "recompute",
	    module_text(m, "plan.recompute", "none"));
}

static void
print_lines(struct emit *e, const char *field,
    void (*write)(const struct module *m, FILE *out))
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		abort();
	write(e->m, f);
	fclose(f);
	fprintf(e->out, "\t.%s =\n\t    ", field);
	emit_quoted(e->out, text);
	fputs(",\n", e->out);
	free(text);
}

void
emit_identity(struct emit *e)
{
	print_lines(e, "recipe_text", write_recipe);
	print_lines(e, "plan_text", write_plan);
}
