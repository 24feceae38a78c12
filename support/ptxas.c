#include "config.h"

#include "support/ptxas.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* After "Compiling entry function 'NAME' for ..". */
static void
begin(struct ptxas_kernel *k, const char *line)
{
	const char *at = strchr(line, '\'');
	size_t n = at ? strcspn(at + 1, "'") : 0;

	*k = (struct ptxas_kernel){.registers = 0};
	if (n >= sizeof k->name)
		n = sizeof k->name - 1;
	if (n)
		memcpy(k->name, at + 1, n);
}

/* The number that stands right before `what`, or 0. */
static int
number_before(const char *line, const char *what)
{
	const char *at = strstr(line, what);
	int value = 0, scale = 1;

	while (at && at > line && at[-1] == ' ')
		at--;
	for (; at && at > line && at[-1] >= '0' && at[-1] <= '9'; at--) {
		value += (at[-1] - '0') * scale;
		scale *= scale < 100000000 ? 10 : 1;
	}
	return value;
}

static void
read_line(struct ptxas_kernel *k, const char *line)
{
	if (strstr(line, "bytes spill stores")) {
		k->stack = number_before(line, "bytes stack frame");
		k->spill_stores = number_before(line, "bytes spill stores");
		k->spill_loads = number_before(line, "bytes spill loads");
	} else if (strstr(line, "registers") && strstr(line, "Used")) {
		k->registers = number_before(line, "registers");
		k->shared = number_before(line, "bytes smem");
	}
}

/* Of the kernel that a line says it is about: ".. in function 'NAME'". */
static struct ptxas_kernel *
named(struct ptxas_kernel *kernel, int n, const char *line)
{
	const char *at = strstr(line, "function '");
	struct ptxas_kernel x;

	if (!at)
		return NULL;
	begin(&x, at);
	for (int i = 0; i < n; i++)
		if (strcmp(kernel[i].name, x.name) == 0)
			return &kernel[i];
	return NULL;
}

/* Advisories stand before all kernels, whichever they are about; what names
 * none counts for the first. */
static void
advise(struct ptxas_kernel *kernel, int n, const char *line)
{
	const char *advice = strstr(line, "(C75");
	struct ptxas_kernel *k = advice ? named(kernel, n, line) : NULL;

	if (!advice || !n)
		return;
	k = k ? k : kernel;
	if (!k->advisories++)
		snprintf(k->advice, sizeof k->advice, "%s", advice);
}

/* The next line of the log, without its end; false: there is none. */
static bool
next_line(const char **log, char line[1024])
{
	size_t len = strcspn(*log, "\n");
	size_t cut = len < 1024 ? len : 1023;

	if (!**log)
		return false;
	memcpy(line, *log, cut);
	line[cut] = '\0';
	*log += len + ((*log)[len] == '\n');
	return true;
}

int
ptxas_read(const char *log, struct ptxas_kernel *kernel, int most)
{
	struct ptxas_kernel *k = NULL;
	const char *at = log;
	char line[1024];
	int n = 0;

	while (next_line(&at, line)) {
		if (strstr(line, "Compiling entry function")) {
			k = n < most ? &kernel[n] : NULL;
			n++;
			if (k)
				begin(k, line);
		} else if (k) {
			read_line(k, line);
		}
	}
	for (at = log; next_line(&at, line);)
		advise(kernel, n < most ? n : most, line);
	return n;
}
