#!/bin/sh
# --verify finds nothing wrong with the models of the tree; --run trains.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
checked=0
for model in "$src"/examples/*.lt "$src"/tests/golden/*.lt; do
	"$loongc" --verify "$model" >"$tmp/out" 2>&1 || {
		fail "$model"
		cat "$tmp/out"
	}
	grep -q '^  autodiff .* values' "$tmp/out" || fail "$model: no stages"
	grep -q '^  slopes .* gradients agree' "$tmp/out" || fail "$model: slopes"
	grep -q '^  plan .* slots' "$tmp/out" || fail "$model: no plan"
	grep -q '^  C .* agree' "$tmp/out" || fail "$model: no C"
	checked=$((checked + 1))
done
test $checked -ge 12 || fail "only $checked models"

"$loongc" --set recipe.clip=0 --set plan.update=layer --verify \
	"$src/bench/models/gpt2_b4_t64.lt" >"$tmp/out" 2>&1 &&
	grep -q '^  C .* agree' "$tmp/out" || fail "by layer: $(cat "$tmp/out")"

"$loongc" --run "$src/tests/driver/tiny.lt" >"$tmp/out" || fail "--run"
test "$(grep -c '^step . *loss' "$tmp/out")" -eq 5 || fail "$(cat "$tmp/out")"
awk '/^step/ { if (!first) first = $4; last = $4 }
	END { exit !(last < first) }' "$tmp/out" || fail "$(cat "$tmp/out")"
says 1 "too large for the interpreter" --run "$src/examples/llama3-8b.lt"

"$loongc" --after=memory "$src/examples/llama3-8b.lt" >"$tmp/large.lir"
"$loongc" --verify "$tmp/large.lir" >"$tmp/out" 2>&1
test $? -eq 1 && grep -q "sizes stay as they are" "$tmp/out" ||
	fail "a large plan: $(cat "$tmp/out")"
"$loongc" --verify=static "$tmp/large.lir" >"$tmp/out" 2>&1 &&
	grep -q '^  plan .* slots' "$tmp/out" || fail "$(cat "$tmp/out")"
for pass in autodiff memory; do
	"$loongc" --after=$pass "$src/tests/driver/tiny.lt" >"$tmp/dump.lir"
	"$loongc" --verify "$tmp/dump.lir" >"$tmp/out" 2>&1 &&
		grep -q '^  C .* agree' "$tmp/out" ||
		fail "--verify after $pass: $(cat "$tmp/out")"
done

# A dump of any stage reads back and ends in the same program; the places that
# comments give are those of the dump.
cd "$tmp" || exit 99
program() {
	"$loongc" --emit=c "$1" | sed 's/ *([^()]*:[0-9]*)//; s/"[^" ]*\.li*[tr]:[0-9]* /"/'
}
tiny=$src/tests/driver/tiny.lt
passes=$("$loongc" --time-passes --emit=plan "$tiny" 2>&1 >plan |
	awk '/checks/ { print $1 }')
grep -q '"total": [0-9]*, "not_in_total": "work: ' plan || fail "$(cat plan)"
program "$tiny" >want.c
for pass in read $passes; do
	"$loongc" --after="$pass" "$tiny" >dump.lir || fail "--after=$pass"
	program dump.lir | cmp - want.c || fail "from $pass: another program"
done
test "$(echo "$passes" | wc -l)" -ge 6 || fail "passes: $passes"
"$loongc" dump.lir -o train && ./train --help >/dev/null ||
	fail "a trainer from a dump"
"$loongc" --print-after=all --after=fuse "$tiny" >out 2>err
test "$(grep -c '^// after ' err)" -ge 5 || fail "--print-after=all"
exit $bad
