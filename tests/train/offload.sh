#!/bin/sh
# What the host keeps for backward changes no bit: trainers that offload have
# the losses and the checkpoint of trainers that keep everything, on one rank
# and on several, with rings, microbatches and shared state, fetched when it is
# needed or a layer ahead.
. "${srcdir:-.}/tests/runtime/lib.sh"

loongc=${LOONGC:?}
text 8000 text
train=$dir/tiny
# go OUT SETTINGS...: six steps of a trainer
go() {
	out=$1
	shift
	"$loongc" "$source/tests/train/tiny.lt" "$@" -o tiny ||
		{ echo "FAIL: compile $*"; failed=1; return; }
	run 0 --data text --steps 6 --out "$out" --log "$out.log" --quiet --comm
	mv out "$out.comm"
	sed -n 's/.*"event":"step","step":\([0-9]*\),"loss":\([0-9.]*\).*/\1 \2/p' \
	    "$out.log" >"$out.losses"
}
n=0
more=
# both POLICY SETTINGS...; more: settings of the one that offloads
both() {
	policy=$1
	shift
	n=$((n + 1))
	go kept$n "$@" --set plan.recompute=none
	go sent$n "$@" --set "plan.recompute=$policy" $more
	[ -s kept$n.losses ] && diff -u kept$n.losses sent$n.losses || {
		echo "FAIL: losses of $policy with $*"
		failed=1
	}
	for f in model optimizer; do
		cmp kept$n/step-000006/$f.safetensors \
		    sent$n/step-000006/$f.safetensors || failed=1
	done
	# what the compiler says that a rank copies, and what all have
	"$loongc" "$source/tests/train/tiny.lt" "$@" --why \
	    --set "plan.recompute=$policy" $more | sed -n 's/^a rank copies \(.*\) bytes a step to its host, \(.*\) from it$/offload \1\nfetch \2/p' >told
	awk '$2 == "host" { print $1, int($5) }' sent$n.comm >had
	[ -s told ] && diff -u told had || {
		echo "FAIL: copies of $policy with $*"
		failed=1
	}
	grep -q host kept$n.comm && failed=1
	"$loongc" "$source/tests/train/tiny.lt" "$@" --emit=plan \
	    --set "plan.recompute=$policy" $more | grep -q '"host": [1-9]' || {
		echo "FAIL: the plan of $policy has nothing on the host"
		failed=1
	}
}
both 'save(offload(x, attention))'
both 'save(attention, offload(x))' --set L=1 --set plan.micro=2
both 'save(offload(attention))' --set plan.prefetch=0 --set plan.micro=2
both 'save(offload(x, attention))' --mesh dp=2,hp=2 \
    --set 'plan.shard=over(dp, hp)' --set plan.stage=3 --set plan.prefetch=2
both 'save(x, offload(attention))' --mesh dp=2,cp=2 --set plan.micro=1
more='--set plan.memory=1400K --set plan.host=25e9 --set plan.latency=0'
both best --set L=6
exit "$failed"
