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
exit $bad
