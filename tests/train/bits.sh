#!/bin/sh
# Layouts whose sums have one order train alike to the last bit: losses, norms
# where squares are added up alike, parameters and moments.  doc/ir.md, "The
# order of sums", says which these are and why.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
cat "$src"/doc/*.md >"$tmp/text"
cd "$tmp" || exit 99

# train OPTIONS...: the trainer of build(), four steps
train() {
	rm -rf log out
	./one --data text --steps 4 --quiet --peak 1 --eval-every 0 \
		--log log --out out "$@" || fail "$line: exit $?"
	sed -n 's/.*"event":"step".*"loss":\([^,]*\),"grad_norm":\([^,]*\),.*/\1 \2/p' \
		log >steps
	test "$(wc -l <steps)" -eq 4 || fail "$line: steps"
	cut -d' ' -f1 steps >losses
}

# alike WHAT...: each line of the input, "options of loongc | options of the
# trainer", has WHAT (files) of the first
alike() {
	n=0
	while IFS='|' read -r line options; do
		# shellcheck disable=SC2086
		"$loongc" "$src/tests/train/gqa.lt" $line -o one || {
			fail "compiling $line"
			exit 1
		}
		# shellcheck disable=SC2086
		train $options
		n=$((n + 1))
		for file in "$@"; do
			got=$(basename $file)
			test $n -gt 1 || cp $file want.$got
			cmp want.$got $file || fail "$line $options: $got"
		done
	done
	test $n -gt 1 || fail "nothing to compare"
}
# apart: no line of the input has the parameters of the first
apart() {
	n=0
	while read -r line; do
		# shellcheck disable=SC2086
		"$loongc" "$src/tests/train/gqa.lt" $line -o one || {
			fail "compiling $line"
			exit 1
		}
		train
		n=$((n + 1))
		got=out/step-000004/model.safetensors
		if test $n -eq 1; then
			cp $got first
		else
			! cmp -s first $got || fail "$line: as the first one"
		fi
	done
	test $n -gt 1 || fail "nothing to compare"
}
state='out/step-000004/model.safetensors out/step-000004/optimizer.safetensors'

# All ranks in one sum: nothing is shared, or all over all axes in their order.
# The norm is not: blocks are other pieces than tensors.
# shellcheck disable=SC2086
alike losses $state <<END
--mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9
--mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9 --set plan.recompute=full
--mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9 --set plan.recompute=save(x,attention)
--mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9 --set plan.stage=1 --set plan.shard=over(dp,cp,hp)
--mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9 --set plan.stage=3 --set plan.shard=over(dp,cp,hp)
--mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9 | --serial-comm
--mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9 | --threads 16
END
# Within machines, then between them: stages share one order, and the norm.
# shellcheck disable=SC2086
alike steps $state <<END
--mesh dp=2,hp=2,cp=2 --set plan.stage=1 --set plan.shard=over(cp,hp)
--mesh dp=2,hp=2,cp=2 --set plan.stage=2 --set plan.shard=over(cp,hp)
--mesh dp=2,hp=2,cp=2 --set plan.stage=3 --set plan.shard=over(cp,hp)
--mesh dp=2,hp=2,cp=2 --set plan.stage=3 --set plan.shard=over(cp,hp) --set plan.prefetch=0
--mesh dp=2,hp=2,cp=2 --set plan.stage=3 --set plan.shard=over(cp,hp) --set plan.recompute=full | --serial-comm
END
# First dp, then the others, whoever keeps the sum.
# shellcheck disable=SC2086
alike losses $state <<END
--mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9 --set plan.stage=1 --set plan.shard=over(dp)
--mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9 --set plan.stage=3 --set plan.shard=over(dp)
--mesh dp=2,hp=2,cp=2 --set recipe.clip=1e9 --set plan.params=over(dp) --set plan.grads=over(dp) --set plan.optimizer=over(dp,cp,hp)
END
# Two blocks of a ring: a sum of two has one order, whatever travels.
# shellcheck disable=SC2086
alike steps $state <<END
--mesh hp=2,cp=2,place=context_first --set plan.ring=kv
--mesh hp=2,cp=2,place=context_first,inner=2 --set plan.ring=q
--mesh hp=2,cp=2,place=context_first --set plan.ring=kv --set plan.recompute=full
END
# One ring is one ring, as inner or as outer one.
# shellcheck disable=SC2086
alike steps $state <<END
--mesh cp=4,inner=1
--mesh cp=4,inner=4
--mesh cp=4,inner=4 --set plan.recompute=save(x,attention) | --serial-comm
END
# Blocks that come in another order, or gradients added up elsewhere, are not.
apart <<END
--mesh cp=4,inner=4
--mesh cp=4,inner=2
--mesh cp=4,inner=4 --set plan.ring=q
END
exit $bad
