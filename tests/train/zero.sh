#!/bin/sh
# Shared parameters, gradients and state: the same training as on one rank.
#
# Tolerance in f32: loss and norm of each of six steps are sums of at most 2048
# terms in another order.  Their relative error is that of the gradients, 2048
# u at worst with u = 2^-24 and about sqrt(2048) u in practice, and each update
# hands a part of it on: 1e-5, the size of 170 u, is ten times what was seen.
# In bf16 a sum in another order rounds to another number (2^-9 of it) in some
# places: 1e-2 for the norm.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
cd "$tmp" || exit 99

awk 'BEGIN {
	srand(1)
	n = split("the cat dog house tree sees likes under over small red a", w)
	for (i = 0; i < 9000; i++)
		printf "%s%s", w[1 + int(rand() * n)], i % 9 == 8 ? ".\n" : " "
}' >corpus.txt

# train NAME ARGS...: six steps; their losses and norms into NAME.txt.
train() {
	name=$1
	shift
	"$loongc" "$src/examples/quickstart.lt" --set s=32 --set e=48 \
		--set f=80 --set k=2 --set g=2 --set d=8 \
		--set recipe.batch=256 --set recipe.warmup=5 "$@" \
		-o "$name" >"$name.out" 2>&1 &&
		./"$name" --data corpus.txt --steps 6 --log "$name.jsonl" \
		--quiet >"$name.out" 2>&1 ||
		fail "$name: $* $(cat "$name.out")"
	sed -n 's/.*"event":"step".*"loss":\([^,]*\),"grad_norm":\([^,]*\),.*/\1 \2/p' \
		"$name.jsonl" >"$name.txt"
}

# same NAME NAME BOUND: relative differences, over six lines.
same() {
	paste "$1.txt" "$2.txt" | awk -v bound="$3" '
	function far(a, b) { return (a > b ? a - b : b - a) > bound * a }
	far($1, $3) || far($2, $4) { bad = 1; print "step", NR, $0 }
	END { exit bad || NR != 6 }' || fail "$2 does not train as $1"
}

train one
mesh='--mesh dp=2,hp=2,cp=2'
n=0
while read -r set; do
	n=$((n + 1))
	# shellcheck disable=SC2086
	train "share$n" $mesh $set
	same one "share$n" 1e-5
done <<-'LIST'
	--set plan.shard=over(dp,cp,hp) --set plan.stage=1
	--set plan.shard=over(dp,cp,hp) --set plan.stage=2
	--set plan.shard=over(dp,cp,hp) --set plan.stage=3 --set plan.micro=1
	--set plan.params=over(hp) --set plan.grads=over(hp,cp) --set plan.optimizer=over(dp,cp,hp)
	--set plan.rest_optimizer=over(dp) --set plan.matrices_params=over(hp) --set plan.matrices_grads=over(hp) --set plan.matrices_optimizer=over(hp,dp) --set plan.recompute=full
LIST

# A share is a part of the state: masters, gradients and moments of 8 ranks.
state() {
	"$loongc" "$src/examples/quickstart.lt" "$@" --emit=plan |
		sed -n 's/.*"arenas": {"state": \([0-9]*\).*/\1/p'
}
all=$(state $mesh)
part=$(state $mesh --set 'plan.shard=over(dp,cp,hp)' --set plan.stage=3)
[ $((part * 6)) -lt "$all" ] || fail "state: $part of $all bytes"

train bf16 --set recipe.precision=bf16
train bf16share $mesh --set recipe.precision=bf16 \
	--set 'plan.shard=over(dp,cp,hp)' --set plan.stage=3
same bf16 bf16share 1e-2
exit $bad
