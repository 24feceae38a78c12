/* Limits around the JSON library. */
#include "runtime/state/json.h"

enum { DEPTH_MAX = 8 };

bool
lt_json_whole(const json_t *j, uint64_t *out)
{
	if (!json_is_integer(j) || json_integer_value(j) < 0)
		return false;
	*out = (uint64_t)json_integer_value(j);
	return true;
}

/*
 * What the library would spend memory or stack on: nesting, and many values
 * in few bytes.  The densest honest text is a tensor of rank 8: 11 commas in
 * 60 bytes.
 */
static const char *
scan(const char *s, uint64_t n)
{
	uint64_t commas = 0;
	int depth = 0;
	bool quoted = false;

	for (uint64_t i = 0; i < n; i++) {
		if (quoted && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			quoted = !quoted;
		else if (!quoted && (s[i] == '{' || s[i] == '['))
			depth++;
		else if (!quoted && (s[i] == '}' || s[i] == ']'))
			depth--;
		else if (!quoted && s[i] == ',')
			commas++;
		if (depth > DEPTH_MAX)
			return "nested too deep";
	}
	return commas > n / 4 + 64 ? "too many values" : NULL;
}

json_t *
lt_json_load(const char *text, uint64_t n, json_error_t *error,
    const char **why)
{
	json_t *root;

	*why = scan(text, n);
	if (*why != NULL)
		return NULL;
	root = json_loadb(text, n, JSON_REJECT_DUPLICATES, error);
	*why = error->text;
	return root;
}
