#!/bin/sh
# --emit=timeline: lanes of a step and of its functions; slower links stall.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
model=$src/examples/llama3-8b.lt
show() { # links' bytes per second
	"$loongc" "$model" --mesh dp=2,hp=2,cp=4,inner=2 --set s=131072 \
		--set recipe.batch=262144 --set plan.intra="$1" \
		--set plan.inter="$1" --emit=timeline >"$tmp/out" || fail "$1"
}
stalled() {
	sed -n 's/^step .*stalled \([0-9.]*\) ms$/\1/p' "$tmp/out"
}
show 250e9
grep -q '^layer  .* ms, compute stalled' "$tmp/out" || fail "no layer"
grep -q '^ c|.*A.*|' "$tmp/out" || fail "no attention"
grep -q '^ki|.*=.*|' "$tmp/out" || fail "no inner ring"
fast=$(stalled)
show 1e9
slow=$(stalled)
awk "BEGIN { exit !($slow > 2 * $fast && $fast >= 0) }" ||
	fail "stalls: $fast ms, with slow links $slow ms"

# Copies to the host and back have lanes, and hide behind a layer's work.
"$loongc" "$model" --mesh dp=2,hp=4 --emit=timeline \
	--set 'plan.recompute=save(z, offload(x, o))' >"$tmp/out" || fail "host"
grep -A4 '^layer  ' "$tmp/out" | grep -q '^ho|.*=.*|' || fail "no lane to the host"
grep -A6 '^layer.bwd' "$tmp/out" | grep -q '^hi|.*=.*|' ||
	fail "no lane from the host"
host=$(stalled)
"$loongc" "$model" --mesh dp=2,hp=4 --emit=timeline \
	--set 'plan.recompute=save(x, attention)' >"$tmp/out" || fail "no host"
awk "BEGIN { exit !($host <= 1.001 * $(stalled)) }" ||
	fail "stalls: $host ms with the host, $(stalled) without"
exit $bad
