#!/bin/sh
# --why has a line for every op of the dump that sends; --diff has the
# statements that a pass changed, each on a line: all are in the dump behind it.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
model=$src/examples/quickstart.lt
set -- "$model" --mesh dp=2,hp=2,cp=2 \
	--set 'plan.shard=over(cp,hp)' --set plan.stage=3

"$loongc" "$@" --after=zero >"$tmp/dump" || fail "--after=zero"
"$loongc" "$@" --after=zero --why >"$tmp/why" || fail "--why"
sends=$(grep -oE '= (a2a|gather|rscatter|allreduce|shift) ' "$tmp/dump" |
	wc -l)
lines=$(grep -c 'bytes a rank' "$tmp/why")
test "$sends" -eq "$lines" || fail "$sends ops send, $lines lines say why"
# Queries of 192 f32 a token, 4*256/8 tokens a rank, half of which stay there:
# 4*256/8 * 192 * 4 / 2 = 49152 bytes; 4 layers.
grep -q "quickstart.lt:[0-9]*:[0-9]*: fn layer: .* = a2a on hr: 49152 bytes a rank, 4 times a step, within machines; partition: tokens for heads" "$tmp/why" ||
	fail "an all-to-all: $(cat "$tmp/why")"
grep -q 'fn layer: w = gather .*zero: a layer' "$tmp/why" || fail "zero"
grep -q 'shift by cp: .* 4 times .*ring: blocks' "$tmp/why" || fail "ring"
grep -q '^a rank sends [0-9]* bytes a step' "$tmp/why" || fail "no sum"
says 2 "makes nothing: leave out -o, --emit" "$model" --why --emit=c
says 2 "makes nothing: leave out -o, --emit" "$model" --why -o "$tmp/no"
test ! -e "$tmp/no" || fail "--why made a file"

# What was decided and its price: with -v, in the plan, in the dump.
set -- "$src/examples/llama3-8b.lt" --plan two_nodes \
	--set plan.recompute=best --set plan.memory=24G
"$loongc" "$@" -v --emit=plan >"$tmp/plan" 2>"$tmp/said" || fail "best"
"$loongc" "$@" --emit=ir --after=ring >"$tmp/dump" || fail "best"
for key in recompute.layer recompute.memory recompute.rates ring.layer.bwd; do
	text=$(sed -n "s/^$key: //p" "$tmp/said")
	test -n "$text" || fail "-v does not tell $key"
	grep -qF "\"$key\": \"$text\"" "$tmp/plan" || fail "plan: no $key"
	grep -qF "$key = \"$text\"" "$tmp/dump" || fail "dump: no $key"
done
grep -q '^recompute.layer: drops .*y (896 MiB, .* ms).*; keeps .*o z' \
	"$tmp/said" || fail "$(cat "$tmp/said")"
set -- "$model" --mesh dp=2,hp=2,cp=2 \
	--set 'plan.shard=over(cp,hp)' --set plan.stage=3

# What the host keeps: x and o of 256 tokens, 192 f32 each, in 4 layers, go
# there and come back; the plan says the same.
"$loongc" "$model" --mesh dp=2,cp=2 --why \
	--set 'plan.recompute=save(z, offload(x, o))' >"$tmp/why" || fail "--why"
n=$((256 * 192 * 4))
grep -q "fn layer: x_host.* = offload: $n bytes to the host, 4 times a step; recompute: the host keeps it" "$tmp/why" ||
	fail "sent to the host: $(cat "$tmp/why")"
grep -q "fn layer.bwd: .* = fetch: $n bytes from the host, 3 times a step; rotate: what the host keeps" "$tmp/why" ||
	fail "fetched: $(cat "$tmp/why")"
grep -q "^a rank copies $((8 * n)) bytes a step to its host, $((8 * n)) from it" "$tmp/why" ||
	fail "no sum of copies: $(tail -1 "$tmp/why")"
"$loongc" "$model" --mesh dp=2,cp=2 --emit=plan \
	--set 'plan.recompute=save(z, offload(x, o))' >"$tmp/plan" || fail "plan"
grep -q "\"op\": \"offload\", \"lane\": \"ho\", \"bytes\": $n, \"calls\": 4}" "$tmp/plan" ||
	fail "copies of the plan: $(grep -A9 copies "$tmp/plan")"
grep -q "\"host\": $((8 * n))," "$tmp/plan" || fail "bytes on the host"

statements() {
	tr ';{}' '\n\n\n' | sed 's/^ *//; s/ *$//' | sort
}

for pass in partition recompute ring zero schedule; do
	"$loongc" "$@" --print-after=all --after=$pass 2>"$tmp/all" \
		>"$tmp/behind" || fail "$pass"
	"$loongc" "$@" --emit=ir --after=$pass --diff >"$tmp/diff" ||
		fail "--diff $pass"
	grep '^+' "$tmp/diff" | sed 's/^+//' | statements >"$tmp/new"
	statements <"$tmp/behind" | comm -13 - "$tmp/new" >"$tmp/unknown"
	test ! -s "$tmp/unknown" || fail "$pass: $(cat "$tmp/unknown")"
	grep -q "^+after  $pass" "$tmp/diff" || fail "$pass: no change"
done
says 2 "goes with --emit=ir" "$model" --diff --emit=c
exit $bad
