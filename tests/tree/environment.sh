#!/bin/sh
# Every environment variable that loongc or a trainer reads is in a manual:
# between backquotes in doc/*.md, or in bold in doc/*.1.
set -eu
LC_ALL=C
export LC_ALL
cd "${srcdir:-.}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# names DIR...: strings like NAME in files that call getenv, some through a
# table or a function of their own, and in the table of launchers.
names()
{
	{
		find "$@" -name '*.[ch]' -exec grep -l 'getenv(' {} +
		find "$@" -name launch.def
	} | xargs grep -ho '"[A-Z][A-Z0-9_]*[A-Z0-9]"' | tr -d '"' | sort -u
}

# Words of code of a page.
told()
{
	grep -ho '`[^`]*`' "$1"/*.md
	sed -n 's/\\-/-/g; s/^\.B *//p; s/^\\fB\(.*\)\\fR$/\1/p' "$1"/*.1
}

missing()
{
	told "$1" | tr -c 'A-Z0-9_\n' '\n' | sort -u >"$tmp/told"
	shift
	names "$@" | comm -23 - "$tmp/told"
}

# In a message, not a variable.
bad=$(missing doc support ir frontend plan passes codegen driver runtime |
	grep -vx 'CUDA' || :)
if [ -n "$bad" ]; then
	printf 'no manual tells of these variables:\n%s\n' "$bad"
	exit 1
fi

# The rule must bite: one variable of a table is told of, one is not.
mkdir "$tmp/doc" "$tmp/src"
echo 'Set `TOLD=1`.  SECRET is not code here.' >"$tmp/doc/a.md"
printf '.TP\n.B ALSO, TOO\n' >"$tmp/doc/a.1"
cat >"$tmp/src/a.c" <<'END'
static const char *const names[] = {"TOLD", "SECRET", "ALSO", "TOO"};
const char *s = getenv(names[0]);
END
test "$(missing "$tmp/doc" "$tmp/src")" = SECRET ||
	{ echo "the test does not look"; exit 1; }
