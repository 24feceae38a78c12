#!/bin/sh
# Dumps of programs on meshes: short, with names for layouts, and what is read
# back prints the same, and is the same C: all values are where they were.
set -u
. "${srcdir:-.}/tests/driver/common.sh"

again() { # model mesh pass
	"$loongc" "$src/examples/$1.lt" --mesh "$2" --emit=ir --after="$3" \
		>"$tmp/a.lir" || fail "$1 $2 $3"
	"$loongc" "$tmp/a.lir" --emit=ir --after="$3" >"$tmp/b.lir" &&
		cmp "$tmp/a.lir" "$tmp/b.lir" || fail "$1 $2 $3: read back"
}
bare_c() { # file arguments: the C without the places in the source
	"$loongc" "$@" --emit=c | sed 's/([^( ]*\.li*[tr]:[0-9]*)//; s/"[^" ]*\.li*[tr]:[0-9]* /"/'
}
same_c() { # model mesh
	bare_c "$src/examples/$1.lt" --mesh "$2" >"$tmp/a.c"
	bare_c "$tmp/a.lir" >"$tmp/b.c"
	test -s "$tmp/a.c" && cmp "$tmp/a.c" "$tmp/b.c" || fail "$1 $2: C"
}
for pass in partition ring zero schedule memory; do
	again llama3-8b dp=2,hp=2,cp=4,inner=2 $pass
	grep -q '^lay    T = b/dp,s/zz(co,ci)/hp' "$tmp/a.lir" ||
		fail "$pass: no layout of tokens"
	test $pass = partition || grep -q '^type   KV' "$tmp/a.lir" || fail "$pass: no type of keys"
	most=205
	test $pass != memory || most=245
	test "$(wc -l <"$tmp/a.lir")" -le $most ||
		fail "$pass: $(wc -l <"$tmp/a.lir") lines"
	again mistral-7b cp=4 $pass
	again qwen3-8b hp=16,cp=2 $pass
	again gpt2 dp=2,hp=2 $pass
done
same_c gpt2 dp=2,hp=2
again llama3-8b dp=2,hp=2,cp=4,inner=2 memory
same_c llama3-8b dp=2,hp=2,cp=4,inner=2
exit $bad
