#!/bin/sh
# --verify on meshes: what is proved without execution of large plans, and
# values of all ranks of small ones.
set -u
. "${srcdir:-.}/tests/driver/common.sh"

proves() { # mesh model
	"$loongc" --verify=static --mesh "$1" "$2" >"$tmp/out" 2>&1 || {
		fail "$1 $2"
		cat "$tmp/out"
	}
	grep -q '^  types .* well typed' "$tmp/out" || fail "$1 $2: types"
	grep -q '^  trace .* complete' "$tmp/out" || fail "$1 $2: trace"
	grep -q '^  plan .* slots' "$tmp/out" || fail "$1 $2: no plan"
}
for model in llama3-8b qwen3-8b mistral-7b; do
	proves dp=2,hp=2,cp=4,inner=2 "$src/examples/$model.lt"
	grep -q '^  coverage .* once' "$tmp/out" || fail "$model: coverage"
	proves dp=16,hp=8,cp=8,place=context_first "$src/examples/$model.lt"
	grep -q 'on 1024 ranks' "$tmp/out" || fail "$(cat "$tmp/out")"
done

equals() { # mesh model [setting ...]
	mesh=$1 model=$2
	shift 2
	"$loongc" --verify --mesh "$mesh" "$model" "$@" >"$tmp/out" 2>&1 || {
		fail "$mesh $model"
		cat "$tmp/out"
	}
	grep -q '^  C .* agree' "$tmp/out" || fail "$mesh $model: no C"
	for pass in partition ring memory; do
		grep -q "^  $pass .* values" "$tmp/out" ||
			fail "$mesh $model: no $pass"
	done
}
tiny=$src/tests/driver/tiny.lt
equals dp=2 "$tiny"
equals hp=2,cp=2 "$tiny"
equals cp=4,inner=2 "$src/examples/quickstart.lt"
equals dp=2,hp=3,cp=2 "$src/examples/quickstart.lt"
equals dp=2,hp=2,cp=2 "$src/examples/quickstart.lt" \
	--set 'plan.shard=over(dp,cp,hp)' --set plan.stage=3
equals dp=2,cp=2 "$src/examples/quickstart.lt" \
	--set 'plan.shard=over(cp)' --set plan.stage=1 --set plan.micro=1
says 2 "takes one of all|static" --verify=some "$tiny"
exit $bad
