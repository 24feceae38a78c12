#!/bin/sh
# recompute = best with a link to the host: by the plan's own prices a step is
# no slower than without, for memories from ample to narrow; what the device
# needs fits; a slow link is not worth much; and the result trains alike
# whatever is chosen (tests/train/offload.sh has the bits).
set -u
. "${srcdir:-.}/tests/driver/common.sh"

# plan MEMORY [SETTINGS...]: ms of a step, GiB of the device, bytes of the host
plan() {
	memory=$1
	shift
	"$loongc" "$src/examples/llama3-8b.lt" --mesh dp=2,hp=4 "$@" \
		--set 'plan.shard=over(dp,hp)' --set plan.stage=3 \
		--set plan.recompute=best --set "plan.memory=$memory" \
		--emit=plan >"$tmp/plan" || fail "$memory $*"
	"$loongc" "$src/examples/llama3-8b.lt" --mesh dp=2,hp=4 "$@" \
		--set 'plan.shard=over(dp,hp)' --set plan.stage=3 \
		--set plan.recompute=best --set "plan.memory=$memory" \
		--emit=timeline >"$tmp/time" || fail "$memory $*"
	ms=$(sed -n 's/^step  *\([0-9]*\)\..*/\1/p' "$tmp/time")
	host=$(sed -n 's/.*"host": \([0-9]*\), "total".*/\1/p' "$tmp/plan")
	total=$(sed -n 's/.*"total": \([0-9]*\).*/\1/p' "$tmp/plan")
	test "$total" -le "$((${memory%G} << 30))" || fail "$memory: $total bytes"
}
for memory in 30G 26G 25G; do
	plan $memory
	test "$host" -eq 0 || fail "$memory: the host keeps $host bytes unasked"
	alone=$ms
	plan $memory --set plan.host=25e9
	test "$host" -gt 0 || fail "$memory: nothing on the host"
	test "$ms" -le "$alone" || fail "$memory: $ms ms with a host, $alone without"
	fast=$host
	plan $memory --set plan.host=1e9
	test "$host" -lt "$fast" || fail "$memory: a slow link, and $host bytes"
done
plan 26G
alone=$ms
plan 26G --set plan.host=25e9
test $((ms * 100)) -lt $((alone * 98)) || fail "26G: $ms ms, not well below $alone"

# Two buffers of each value on the host may be too much, too: what a policy by
# hand can do, best can.
for policy in best "save(offload(x, attention))"; do
	"$loongc" "$src/examples/llama3-8b.lt" --plan one --target=cuda \
		--set recipe.s=131072 --set recipe.batch=131072 \
		--set plan.host=5e10 --set recipe.clip=0 \
		--set plan.update=layer --set plan.memory=139G \
		--set "plan.recompute=$policy" --emit=plan >"$tmp/plan" ||
		fail "139G, 131072 tokens: $policy does not fit"
done

# What is dropped is priced by the device that makes it again: for GPUs by the
# plan's figures, said or not, for CPUs, unless they are said, by those of a core.
decision() {
	"$loongc" "$src/examples/llama3-8b.lt" --plan one --set s=8192 \
		--set plan.recompute=best --set plan.memory=150G "$@" \
		--emit=ir --after=recompute >"$tmp/dump" || fail "$*"
	sed -n 's/^set .*\(recompute.layer = .*\)/\1/p' "$tmp/dump"
}
core=$(decision)
gpu=$(decision --target=cuda)
# (On GPUs parameters have all their copies.)
figures='--set plan.flops=400e12 --set plan.bandwidth=3e12'
# shellcheck disable=SC2086
for same in "$(decision $figures --set plan.copies=all)" "$(decision $figures --target=cuda)"; do
	test "$gpu" = "$same" || fail "GPUs: $gpu; by their figures: $same"
done
test "$core" != "$gpu" || fail "a core's prices for GPUs: $gpu"

# The figures are told, and which of them nobody has said.
rates() { # WANT SETTINGS...
	want=$1
	shift
	decision "$@" >"$tmp/no"
	grep -qF "recompute.rates = \"$want\"" "$tmp/dump" ||
		fail "not $want: $(grep 'recompute\.rates' "$tmp/dump")"
}
rates "those of one desktop core: flops 1.5e+11 in f32 and 6e+11 in bf16, \
bandwidth 1e+10 (assumed; plan.flops and plan.bandwidth set others)"
rates "flops 4e+14 (assumed), bandwidth 3e+12 (assumed)" --target=cuda
rates "flops 2e+12, bandwidth 3e+12 (assumed)" --set plan.flops=2e12
rates "flops 2e+12, bandwidth 1e+11, host 1e+10" --set plan.flops=2e12 \
	--set plan.bandwidth=1e11 --set plan.host=1e10
exit $bad
