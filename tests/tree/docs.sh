#!/bin/sh
# A document names files that exist: `folder/file` in backquotes, `file.c`, and
# the targets of links.
set -eu
cd "${srcdir:-.}"

# names FILE: what it names, one a line.  Blocks of code are left out.
names()
{
	awk '/^ *```/ { code = !code; next } !code' "$1" >"$tmp/text"
	grep -o '`[^`]*`' "$tmp/text" | tr -d '`' | grep -E "^(\./)?(\
(support|ir|frontend|passes|codegen|runtime|driver|tools|tests|bench|examples|\
doc|m4|build-aux|\.ci)/[A-Za-z0-9._/-]*|[A-Za-z0-9_-]+\.(c|h|def|md|mk|sh))\$" || :
	grep -o '](\([^)]*\))' "$tmp/text" | sed 's/^](//; s/)$//; s/#.*//' |
	    grep -v '^[a-z]*:' | grep . || :
}

# exists FILE NAME: from the root, beside FILE, or a base name anywhere
exists()
{
	[ -e "$2" ] || [ -e "$(dirname "$1")/$2" ] || {
		case $2 in */*) return 1 ;; esac
		[ -n "$(find [a-z]* -path 'build*' -prune -o -name "$2" -print)" ]
	}
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
documents=$(find README.md doc bench tests -name '*.md')
bad=$(for f in $documents; do
	names "$f" | while read -r name; do
		exists "$f" "$name" || echo "$f names $name, which is not there"
	done
done)
[ -z "$bad" ] || {
	echo "$bad"
	exit 1
}

# The README's program is a part of the example, but for indents and comments.
plain()
{
	sed 's|//.*||; s/^[ 	]*//; s/[ 	]*$//' "$1"
}
awk '/^```/ { on = 0 } on { print } /^```lt$/ { on = 1 }' README.md \
    >"$tmp/shown.lt"
plain "$tmp/shown.lt" >"$tmp/part"
plain examples/quickstart.lt >"$tmp/whole"
awk 'NR == FNR { want = want $0 "\n"; next } { got = got $0 "\n" }
    END { exit !(want != "" && index(got, want)) }' \
    "$tmp/part" "$tmp/whole" || {
	echo "README.md shows what examples/quickstart.lt does not have"
	exit 1
}

# Its figures of speed are those of the benchmarks.
speed()
{
	awk '/^## / { on = 0 } on && /^\|/ { print } /^## Speed/ { on = 1 }' \
	    README.md | grep -o '[0-9][0-9]*\(\.[0-9]*\)\{0,1\} [mM]i\{0,1\}[sB]' |
	    sed 's/ .*//'
}
[ "$(speed | wc -l)" -ge 8 ]
for n in $(speed); do
	grep -qw "$n" bench/README.md || {
		echo "README.md has $n, bench/README.md does not"
		exit 1
	}
done

# The rule must bite.
printf 'See `ir/no.c`, `ir/ir.h`, [this](gone.md#top).\n' >"$tmp/x.md"
[ "$(names "$tmp/x.md" | tr '\n' ' ')" = 'ir/no.c ir/ir.h gone.md ' ]
exists x.md ir/ir.h
! exists x.md ir/no.c
! exists x.md gone.md
