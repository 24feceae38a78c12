#!/bin/sh
# A model of 7e10 parameters on 1,024 ranks: each plan of the example becomes
# a program, proved and written as C, in a moment (a second of processor time
# is what users are promised; sanitizers may take ten).
set -u
. "${srcdir:-.}/tests/driver/common.sh"
model=$src/examples/llama3-70b.lt

for plan in cluster ulysses ring usp; do
	(
		ulimit -t 10
		"$loongc" "$model" --recipe long_context --plan $plan \
			--verify=static >"$tmp/out" 2>&1 &&
			"$loongc" "$model" --recipe long_context --plan $plan \
				--emit=c -o "$tmp/$plan.c" 2>"$tmp/err"
	) || fail "$plan: $(cat "$tmp/out" "$tmp/err")"
	grep -q 'on 1024 ranks' "$tmp/out" || fail "$plan: $(cat "$tmp/out")"
	grep -q '^  trace .* complete' "$tmp/out" || fail "$plan: trace"
	test -s "$tmp/$plan.c" || fail "$plan: no C"
done

# Advice and `best` know what rings and shared state will need.
small="--mesh hp=2,cp=2,dp=2 --set plan.micro=2 --set plan.memory=32000000"
# shellcheck disable=SC2086
says 1 "help: fits with recompute" $small --set plan.recompute=none \
	--emit=c -o "$tmp/no.c" "$src/examples/quickstart.lt"
says 1 "help: fits with micro = 1" $small --set plan.memory=30000000 \
	--set plan.recompute=none --emit=c -o "$tmp/no.c" \
	"$src/examples/quickstart.lt"
"$loongc" $small --set plan.recompute=best --emit=c -o "$tmp/best.c" \
	"$src/examples/quickstart.lt" || fail "best"
says 1 "a dump has its mesh" --mesh dp=2 --run "$src/tests/driver/read.lir"
says 1 "give --mesh with the .lt" --mesh dp=2 --emit=c \
	-o "$tmp/no.c" "$src/tests/driver/read.lir"

# advice is not what the plan has already
tiny=$src/tests/train/tiny.lt
says 1 "not even if all ranks share all state, zero { stage = 3; } over all axes: take more ranks" \
	"$tiny" --mesh dp=2,cp=2 --emit=plan --set plan.memory=10000
says 1 "not even if all ranks share all state, zero { stage = 3; } over all axes: take more ranks" \
	"$tiny" --mesh dp=2,cp=2 --emit=plan --set plan.memory=10000 --set plan.stage=3 \
	--set 'plan.shard=over(dp)'
says 1 "ranks share all they can: take more" \
	"$tiny" --mesh dp=2,cp=2 --emit=plan --set plan.memory=10000 --set plan.stage=3 \
	--set 'plan.shard=over(dp,cp)'

# advice is the truth: state that is shared, with that microbatch
says 1 "fits with zero { shard = over(dp, cp, hp); stage = 3; }, micro = 2: 3" \
	"$tiny" --mesh dp=2,cp=2 --emit=plan --set plan.memory=400000
"$loongc" "$tiny" --mesh dp=2,cp=2 --emit=plan --set plan.memory=400000 \
	--set 'plan.shard=over(dp,cp,hp)' --set plan.stage=3 \
	--set plan.micro=2 >"$tmp/plan" || fail "as advised"

# what ends a document is a token in a dump, too
"$loongc" "$tiny" --emit=ir --after=read >"$tmp/tiny.lir" || fail "a dump"
says 1 "recipe.eos = 256 is no token: the table has v = 256 rows" \
	"$tmp/tiny.lir" --set recipe.eos=256 --emit=c -o "$tmp/no.c"
"$loongc" "$tmp/tiny.lir" --set recipe.eos=255 --emit=c -o "$tmp/tiny.c" ||
	fail "the last token ends documents"
exit $bad
