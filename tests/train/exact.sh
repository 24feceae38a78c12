#!/bin/sh
# Programs whose sums are all exact train alike to the last bit on every mesh:
# the loss, and all parameters and moments after a step.
#
# Parameters are integers (integers.h) and 256 labels count, so that losses and
# gradients are integers times powers of two; sums of such numbers below 2^24
# units do not depend on their order.  AdamW makes of each sum what it does
# element by element.  The norm of the gradient, a sum of squares, is too
# large to be exact: there is no clip.  A token that attention brings to
# another place, rank or head changes integers.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
rt=$PWD/libloong_rt.a
cc=${CC:-cc}
sanitize=$("$loongc" -v "$src/tests/train/gqa.lt" -o "$tmp/flags" 2>&1 |
	grep -o -- '-fsanitize=[^ ]*')
cd "$tmp" || exit 99

# bytes from 1 to 127, of which 127 in a row differ
LC_ALL=C awk 'BEGIN { for (i = 0; i < 5000; i++) printf "%c", i * 5 % 127 + 1 }' \
	>text

# program NAME ARGS...: the model in NAME.lir, on a mesh; attention within
# "documents" of equal tokens: every token sees itself, blocks move all the same
program() {
	name=$1
	shift
	"$loongc" "$src/tests/train/exact.lt" "$@" --emit=ir --after=read |
		sed 's/call layer(l, \([a-z0-9]*\), doc)/call layer(l, \1, tok)/' \
		>"$name.lir"
	grep -q 'call layer(l, [a-z0-9]*, tok)' "$name.lir" || {
		fail "no program of $*"
		exit 1
	}
}

# begin SEED: begin/ is step 0 with those integers
begin() {
	rm -rf begin
	./begin.exe integers "$1" "$identity" begin || {
		fail "no integers"
		exit 1
	}
}

# go NAME: one step from begin/, its loss in NAME.loss, its state in NAME.out
go() {
	rm -rf "$1.out" log
	cp -r begin "$1.out"
	"./$1" --data text --quiet --peak 1 --log log --resume --out "$1.out" ||
		fail "$1: exit $?"
	sed -n 's/.*"event":"step".*"loss":\([^,]*\),.*/\1/p' log >"$1.loss"
	test -s "$1.loss" || fail "$1: no step"
}

program one
"$loongc" one.lir -o one && "$loongc" one.lir --emit=c -o one.c &&
	$cc -std=gnu11 -O0 $sanitize -I"$src" -o begin.exe one.c \
		"$src/tests/train/begin.c" "$rt" -ljansson -lm -lpthread || {
	fail "compiling"
	exit 1
}
./one --data text --quiet --peak 1 --out first || fail "one rank"
identity=$(sed -n 's/.*"identity": "\(.*\)".*/\1/p' first/step-000001/manifest.json)
seeds='1 2 3'
for seed in $seeds; do
	begin $seed
	go one
	mkdir -p want
	mv begin want/begin.$seed
	mv one.out/step-000001 want/$seed
	mv one.loss want/loss.$seed
done
cmp -s want/1/model.safetensors want/2/model.safetensors &&
	fail "seeds make no difference"

n=0
while read -r mesh settings; do
	# shellcheck disable=SC2086
	program many --mesh $mesh $settings
	"$loongc" many.lir -o many || fail "compiling $mesh $settings"
	for seed in $seeds; do
		rm -rf begin
		cp -r want/begin.$seed begin
		go many
		cmp many.loss want/loss.$seed || fail "$mesh $settings: loss"
		for file in model optimizer; do
			cmp many.out/step-000001/$file.safetensors \
				want/$seed/$file.safetensors ||
				fail "$mesh $settings: $file"
		done
	done
	n=$((n + 1))
done <<END
dp=2
hp=2
cp=2
dp=4,hp=1,cp=2
hp=2,cp=4
hp=2,cp=4,inner=2 --set plan.recompute=full
hp=4,cp=2
hp=4,cp=2,place=context_first --set plan.ring=q
hp=2,cp=4,place=context_first --set plan.ring=kv
hp=3
hp=3,cp=2 --set plan.micro=1
hp=6,cp=2 --set plan.micro=2 --set plan.ring=q
hp=12
cp=3
cp=6,inner=2
cp=6,inner=3 --set plan.ring=q
hp=3,cp=6,inner=2 --set plan.ring=kv
hp=2,cp=6,inner=3 --set plan.recompute=full
cp=8,inner=4 --set plan.ring=q
cp=5
dp=2,hp=3,cp=3
dp=4,hp=4
dp=2,hp=2,cp=4,inner=2 --set plan.stage=1 --set plan.shard=over(dp,cp,hp)
dp=2,hp=4,cp=2 --set plan.stage=2 --set plan.shard=over(cp,hp)
dp=2,hp=2,cp=2 --set plan.stage=3 --set plan.shard=over(dp,cp,hp)
dp=2,hp=3,cp=2 --set plan.matrices_params=over(hp) --set plan.matrices_grads=over(hp,cp) --set plan.matrices_optimizer=over(hp,cp,dp) --set plan.rest_optimizer=over(cp)
END
test $n -ge 26 || fail "only $n meshes"
exit $bad
