#!/bin/sh
# Every code of a diagnostic is explained, is one code, and is what some
# program of the tests gets to see.
set -u
loongc=${LOONGC:-./loongc}
src=${srcdir:-.}
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
bad=0

"$loongc" --explain all >"$tmp/all" || bad=1
cut -d' ' -f1 "$tmp/all" >"$tmp/codes"
sort -u "$tmp/codes" | cmp - "$tmp/codes" || {
	echo "codes are not in order, or one is there twice"
	bad=1
}
test "$(wc -l <"$tmp/codes")" -ge 60 || { echo "too few codes"; bad=1; }
cat "$src"/tests/lt/*.lt "$src"/tests/lt/diag/*.lt "$src"/tests/lt/*.sh \
	>"$tmp/seen"
find "$src/tests" -name '*.lir' -exec cat {} + >>"$tmp/seen"
find "$src/tests" -path '*/driver/*.sh' -exec cat {} + >>"$tmp/seen"

while read -r code; do
	"$loongc" --explain "$code" >"$tmp/one" &&
		grep -q '^Way out: .' "$tmp/one" &&
		test "$(wc -l <"$tmp/one")" -eq 5 || {
		echo "$code is not explained"
		bad=1
	}
	grep -q "$code" "$tmp/seen" || { echo "no program gives $code"; bad=1; }
done <"$tmp/codes"

"$loongc" --explain E9999 >/dev/null 2>&1
test $? -eq 2 || { echo "E9999 is explained"; bad=1; }
exit $bad
