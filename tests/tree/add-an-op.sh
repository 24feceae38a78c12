#!/bin/sh
# doc/add-an-op.md is true: the lines that its changes stand beside are in the
# files it names, in that order, and the lines it adds are not there yet.
set -eu
root=$(cd "${srcdir:-.}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

awk '/^```/ { on = 0 } on { print } /^```diff$/ { on = 1 }' \
    "$root/doc/add-an-op.md" >"$tmp/diff"

# check DIFF: each context line at or after the last one found
check()
{
	file= at=0 seen=0
	while IFS= read -r line; do
		text=${line#?}
		case $line in
		'+++ b/'*)
			file=$root/${line#+++ b/}
			at=0
			[ -f "$file" ] || { echo "no $file"; return 1; } ;;
		'@@') at=0 ;;
		' '*)
			n=$(tail -n +$((at + 1)) "$file" |
			    grep -n -F -x -e "$text" | head -1 | cut -d: -f1)
			[ -n "$n" ] || { echo "$file has no: $text"; return 1; }
			at=$((at + n)) seen=$((seen + 1)) ;;
		'+'*)
			! grep -q -F -x -e "$text" "$file" ||
			    { echo "$file has: $text"; return 1; } ;;
		esac
	done <"$1"
	[ "$seen" -gt 6 ]
}

check "$tmp/diff"

# It must bite: a context that is gone, a change that is made already.
sed 's/^ OP(SIGMOID/ OP(SIGMA/' "$tmp/diff" >"$tmp/gone"
sed 's/^+OP(SQUARE,.*/+OP(EXP,      "exp",       1, 1, MAP,    same,    "e to the x")/' \
    "$tmp/diff" >"$tmp/made"
for bad in gone made; do
	if check "$tmp/$bad" >/dev/null; then
		echo "the check does not see what is $bad"
		exit 1
	fi
done
