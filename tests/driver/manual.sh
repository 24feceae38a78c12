#!/bin/sh
# The examples of loongc(1) run as they stand, one after the other.
set -eu
. "${srcdir:-.}/tests/driver/common.sh"

mkdir "$tmp/bin" "$tmp/work"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$(cd "$(dirname "$loongc")" && pwd)/${loongc##*/}" \
    >"$tmp/bin/loongc"
chmod +x "$tmp/bin/loongc"
cp "$src"/examples/*.lt "$tmp/work"
sed -n '/^\.SH EXAMPLES/,$s/^\\fB\(.*\)\\fR$/\1/p' "$src/doc/loongc.1" |
    sed 's/\\-/-/g' >"$tmp/lines"
test "$(wc -l <"$tmp/lines")" -ge 4 || fail "$(cat "$tmp/lines")"
! grep '\\' "$tmp/lines" || fail "roff that this test does not know"
cd "$tmp/work"
while read -r line; do
	PATH=$tmp/bin:$PATH CFLAGS=-O0 sh -eu -c "$line" >out 2>err || {
		fail "$line"
		cat err
	}
done <"$tmp/lines"
test -s step.lir && test -x train || fail "no step.lir or no train"
exit $bad
