#!/bin/sh
# What changes no bit of a trainer's losses.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
cat "$src"/doc/*.md >"$tmp/text"
cd "$tmp" || exit 99
steps=12

# build NAME ARGS...
build() {
	"$loongc" "$src/tests/train/gqa.lt" -o "$@" || {
		fail "compiling $*"
		exit 1
	}
}

# train NAME ARGS...: its losses and norms in NAME.txt
train() {
	name=$1
	shift
	rm -f log
	"./$name" --data text --steps $steps --log log --quiet --peak 1 \
	    --eval-every 0 "$@" || fail "$name: exit $?"
	sed -n 's/.*"event":"step".*"loss":\([^,]*\),"grad_norm":\([^,]*\),.*/\1 \2/p' \
	    log >"$name.txt"
	test "$(wc -l <"$name.txt")" -eq $steps || fail "$name: steps"
}

# The same bits.  Who shares state decides where a sum is kept, not its order;
# what is computed again is computed the same way; transfers and threads come
# in any order but sums do not.  The norm, which the clip multiplies by, adds
# squares by blocks of what a rank keeps, so it is not clipped here and not
# compared.
bits() {
	name=$1
	shift
	build "$name" --mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9 "$@"
	train "$name" ${run:-}
	cut -d' ' -f1 "$name.txt" >"$name.bits"
	test "$name" = plain || cmp plain.bits "$name.bits" ||
		fail "$name: other bits"
}
bits plain
bits again --set plan.recompute=full
bits stage1 --set 'plan.shard=over(dp,cp,hp)' --set plan.stage=1
bits stage2 --set 'plan.shard=over(dp,cp,hp)' --set plan.stage=2
bits stage3 --set 'plan.shard=over(dp,cp,hp)' --set plan.stage=3
run=--serial-comm bits serial
run='--threads 16' bits threads

exit $bad
