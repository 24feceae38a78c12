#include "config.h"

#include "driver/arch.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "driver/say.h"

static const char known[] = "--arch takes architectures from sm_80 on "
    "(" arch_default "), or emu: a trainer whose kernels are emulated on a "
    "CPU";

/* sm_NN or sm_NNN, and maybe a letter: a for what only this one has. */
static bool
parse_one(struct arch *a, const char *word, size_t len)
{
	size_t i = 3;

	if (len < 5 || len >= sizeof a->name || memcmp(word, "sm_", 3) != 0)
		return false;
	memcpy(a->name, word, len);
	a->name[len] = '\0';
	for (a->number = 0; i < len && isdigit((unsigned char)word[i]); i++)
		a->number = 10 * a->number + word[i] - '0';
	if (i < len && (word[i] == 'a' || word[i] == 'f'))
		i++;
	return i == len && a->number >= 80 && a->number < 1000;
}

static bool
is_there(const struct arch_list *a, const struct arch *x)
{
	for (int i = 0; i < a->n; i++)
		if (a->arch[i].number == x->number)
			return true;
	return false;
}

static bool
add(struct arch_list *a, const char *word, size_t len)
{
	struct arch x;

	if (!parse_one(&x, word, len))
		return say_usage("'%.*s' is no architecture; %s", (int)len,
		    word, known);
	if (strcmp(x.name, "sm_90") == 0)
		return say_usage("attention for sm_90 uses what only sm_90a "
		    "has: --arch=sm_90a");
	if (is_there(a, &x))
		return say_usage("--arch names %d twice", x.number);
	if (a->n == ARCH_MAX)
		return say_usage("--arch takes at most %d", ARCH_MAX);
	a->arch[a->n++] = x;
	return true;
}

bool
arch_parse(struct arch_list *a, const char *text)
{
	*a = (struct arch_list){.n = 0};
	if (!text)
		text = arch_default;
	a->emulated = strcmp(text, "emu") == 0;
	while (!a->emulated) {
		size_t len = strcspn(text, ",");

		if (!add(a, text, len))
			return false;
		if (!text[len])
			break;
		text += len + 1;
	}
	return true;
}
