#!/bin/sh
# The documents' commands run and print what the documents say.
#
#   ```sh test        run from a folder that looks like the top of the source
#                     tree, with the build tree as ./build
#   ```text output    the whole of what the commands before it print
#   ```text excerpt   lines that follow one another somewhere in it
#
# Blocks with other words after the fence are for reading alone.
set -eu
src=$(cd "${srcdir:-.}" && pwd)
top=$PWD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# split FILE DIR: block N of the kinds above to DIR/N.KIND, N of two digits
split()
{
	awk -v dir="$2" '
	/^```/ && out { close(out); out = ""; next }
	/^```sh test$/ || /^```text (output|excerpt)$/ {
		out = sprintf("%s/%02d.%s", dir, ++n, $2)
		printf "" >out
		next
	}
	/^```/ { skip = !skip }
	out { print >out }' "$1"
}

# excerpt WANT GOT: the lines of WANT follow one another in GOT
excerpt()
{
	awk 'NR == FNR { want = want $0 "\n"; next }
	{ got = got $0 "\n" }
	END { exit !(want != "" && index("\n" got, "\n" want)) }' "$1" "$2"
}

# check NAME DIR: runs and compares the blocks of one document
check()
{
	mkdir "$2/work"
	for f in "$src"/*; do
		ln -s "$f" "$2/work/"
	done
	rm -f "$2/work/build"
	ln -s "$top" "$2/work/build"
	: >"$2/got"
	for block in "$2"/[0-9]*; do
		case $block in
		*.test)
			(cd "$2/work" && sh -eu "$block") </dev/null \
			    >"$2/got" 2>"$2/err" || {
				echo "$1: these commands fail:"
				cat "$block" "$2/got" "$2/err"
				return 1
			} ;;
		*.output)
			diff -u "$block" "$2/got" || {
				echo "$1: the document (-) and the truth (+)"
				return 1
			} ;;
		*.excerpt)
			excerpt "$block" "$2/got" || {
				echo "$1: the commands print no such lines:"
				cat "$block"
				return 1
			} ;;
		esac
	done
}

# The comparison must bite.
mkdir "$tmp/self"
printf '```sh test\nseq 3\n```\n```text excerpt\n1\n3\n```\n' >"$tmp/x.md"
split "$tmp/x.md" "$tmp/self"
! check x.md "$tmp/self" >/dev/null
printf '2\n3\n' >"$tmp/self/02.excerpt"
rm -rf "$tmp/self/work"
check x.md "$tmp/self"

n=0
status=0
for f in "$src"/README.md "$src"/doc/*.md; do
	n=$((n + 1))
	mkdir "$tmp/$n"
	split "$f" "$tmp/$n"
	ls "$tmp/$n"/*.test >/dev/null 2>&1 || continue
	check "${f#"$src"/}" "$tmp/$n" || status=1
done
exit $status
