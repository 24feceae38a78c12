#!/bin/sh
# When shared parameters come and gradients leave changes no bit: trainers
# that fetch one or two layers ahead have the losses and the checkpoint of trainers that
# fetch it when it is needed, whatever is shared over which axes.  (What is
# shared does: the sum of squares for the norm is added up in other shares.)
. "${srcdir:-.}/tests/runtime/lib.sh"

loongc=${LOONGC:?}
text 8000 text
train=$dir/tiny
# go OUT SETTINGS...: six steps of a trainer
go() {
	out=$1
	shift
	"$loongc" "$source/tests/train/tiny.lt" --mesh dp=2,hp=2 "$@" \
	    -o tiny || { echo "FAIL: compile $*"; failed=1; return; }
	run 0 --data text --steps 6 --out "$out" --log "$out.log" --quiet
	sed -n 's/.*"event":"step","step":\([0-9]*\),"loss":\([0-9.]*\).*/\1 \2/p' \
	    "$out.log" >"$out.losses"
}
n=0
# both SETTINGS...
both() {
	n=$((n + 1))
	go late$n "$@" --set plan.prefetch=0
	for ahead in 1 2; do
		early=early$n.$ahead
		go $early "$@" --set plan.prefetch=$ahead
		[ -s late$n.losses ] && diff -u late$n.losses $early.losses || {
			echo "FAIL: losses $ahead ahead with $*"
			failed=1
		}
		for f in model optimizer; do
			cmp late$n/step-000006/$f.safetensors \
			    $early/step-000006/$f.safetensors || failed=1
		done
	done
}
both --set 'plan.shard=over(dp, hp)' --set plan.stage=2
both --set 'plan.params=over(hp)' --set 'plan.grads=over(hp)' \
    --set 'plan.optimizer=over(hp, dp)'
both --set 'plan.shard=over(dp)' --set plan.stage=3 --set plan.micro=1
# Fewer layers than are fetched ahead.
both --set 'plan.shard=over(dp, hp)' --set plan.stage=3 --set L=1
exit "$failed"
