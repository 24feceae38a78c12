/* loongc: the command. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "driver/arch.h"
#include "driver/compile.h"
#include "driver/load.h"
#include "driver/options.h"
#include "driver/say.h"
#include "passes/pass.h"
#include "support/buf.h"
#include "support/diag.h"

static int
usage(const char *why)
{
	say_usage("%s", why);
	return EXIT_USAGE;
}

static int
finish_print(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	say_file("standard output", "%s", strerror(errno));
	return EXIT_ERRORS;
}

static int
explain(const char *code)
{
	if (strcmp(code, "all") == 0)
		diag_list(stdout);
	else if (!diag_explain(code, stdout))
		return usage("no diagnostic has this code; "
			     "--explain all lists them");
	return finish_print();
}

/* Options that print something and need no file. */
static bool
informs(const struct options *o)
{
	if (o->help)
		options_help(stdout);
	else if (o->manual)
		options_manual(stdout);
	else if (o->version)
		printf("loongc %s\n", VERSION);
	else
		return false;
	return true;
}

static bool
emits_kernels(const struct options *o)
{
	return o->emit == EMIT_CUDA || o->emit == EMIT_PTX ||
	    o->emit == EMIT_CUBIN || o->emit == EMIT_KERNELS;
}

/* What fits together; NULL if all does. */
static const char *
find_clash(struct options *o)
{
	if (!o->file)
		return "no file to compile";
	if (file_kind(o->file) == FILE_OTHER)
		return "the file's name must end in .lt or .lir";
	if (o->target == TARGET_CPU && (o->arch || o->unit || emits_kernels(o)))
		return "--arch, --unit and --emit=cuda, ptx, cubin or kernels "
		       "go with --target=cuda";
	if (o->launcher && o->emit != EMIT_LAUNCH)
		return "--launcher goes with --emit=launch";
	if (o->unit && !emits_kernels(o))
		return "--unit goes with --emit=cuda, ptx, cubin or kernels";
	if (file_kind(o->file) == FILE_LIR &&
	    (o->model || o->recipe || o->plan))
		return "a dump has one model, recipe and plan: no --model, "
		       "--recipe or --plan";
	if (o->why && (o->run || o->verify || o->emit || o->output))
		return "--why prints what sends and makes nothing: leave out "
		       "-o, --emit, --run and --verify";
	if (o->why)
		return NULL;
	if (o->run && o->verify)
		return "--run or --verify, one at a time";
	if ((o->run || o->verify) && (o->emit || o->output || o->after))
		return "--run and --verify make nothing: no -o, --emit or "
		       "--after";
	if (o->run || o->verify)
		return NULL;
	if (o->after && o->emit == EMIT_EXE)
		o->emit = EMIT_IR;
	if (o->after && o->emit != EMIT_IR)
		return "--after goes with --emit=ir only";
	if (o->diff && o->emit != EMIT_IR)
		return "--diff goes with --emit=ir only";
	if (o->emit == EMIT_AST && file_kind(o->file) != FILE_LT)
		return "--emit=ast needs a .lt file";
	/* A file that is not there is the first thing to say. */
	if (o->emit == EMIT_EXE && access(o->file, F_OK) == 0 &&
	    (!o->output || strcmp(o->output, "-") == 0))
		return "where to put the trainer? -o PATH";
	return NULL;
}

static bool
no_pass(const char *option, const char *name, const char *const *names)
{
	const char *near = diag_nearest(name, names);
	struct buf b = {0};

	if (near)
		buf_printf(&b, "; did you mean '%s'?", near);
	buf_puts(&b, "  Passes:");
	for (; *names; names++)
		buf_printf(&b, " %s", *names);
	say_usage("--%s: no pass is called '%s'%s", option, name, buf_text(&b));
	buf_free(&b);
	return false;
}

/* name is "read", a pass or, if that is one of the words, "all". */
static bool
check_pass(const char *option, const char *name, const char *all)
{
	const char *names[64] = {"read"};
	int n = 1;

	for (int i = 0; pipeline[i] && n < 62; i++)
		names[n++] = pipeline[i]->name;
	names[n] = all;
	for (int i = 0; name && names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return !name || no_pass(option, name, names);
}

static bool
arch_is_known(const struct options *o)
{
	struct arch_list a;

	return arch_parse(&a, o->arch);
}

static bool
passes_exist(const struct options *o)
{
	return check_pass("after", o->after, NULL) &&
	    check_pass("print-after", o->print_after, "all");
}

int
main(int argc, char **argv)
{
	struct options o;
	const char *clash;
	int status;

	if (!options_parse(&o, argc, argv))
		return EXIT_USAGE;
	if (informs(&o))
		status = finish_print();
	else if (o.explain)
		status = explain(o.explain);
	else if ((clash = find_clash(&o)))
		status = usage(clash);
	else if (!passes_exist(&o) || !arch_is_known(&o))
		status = EXIT_USAGE;
	else
		status = driver_compile(&o);
	options_free(&o);
	return status;
}
