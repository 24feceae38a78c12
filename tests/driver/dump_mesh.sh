#!/bin/sh
# Dumps of programs on meshes: short, with names for layouts, and what is read
# back prints the same.
set -u
. "${srcdir:-.}/tests/driver/common.sh"

again() { # model mesh pass
	"$loongc" "$src/examples/$1.lt" --mesh "$2" --emit=ir --after="$3" \
		>"$tmp/a.lir" || fail "$1 $2 $3"
	"$loongc" "$tmp/a.lir" --emit=ir --after="$3" >"$tmp/b.lir" &&
		cmp "$tmp/a.lir" "$tmp/b.lir" || fail "$1 $2 $3: read back"
}
for pass in partition ring zero schedule memory; do
	again llama3-8b dp=2,hp=2,cp=4,inner=2 $pass
	grep -q '^lay    T = b/dp,s/zz(co,ci)/hp$' "$tmp/a.lir" ||
		fail "$pass: no layout of tokens"
	test $pass = partition || grep -q '^type   KV' "$tmp/a.lir" || fail "$pass: no type of keys"
	test $pass = memory || test "$(wc -l <"$tmp/a.lir")" -le 215 ||
		fail "$pass: $(wc -l <"$tmp/a.lir") lines"
	again mistral-7b cp=4 $pass
	again qwen3-8b hp=16,cp=2 $pass
	again gpt2 dp=2,hp=2 $pass
done
exit $bad
