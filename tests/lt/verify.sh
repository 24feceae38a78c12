#!/bin/sh
# What the language can say is the same at every stage and in the emitted C:
# loongc --verify on the programs that say it.
set -u
loongc=${LOONGC:-./loongc}
src=${srcdir:-.}/tests/lt
bad=0

for name in bf16 functions names rename rename_all repeat_carries repeat_in_block \
	repeats; do
	"$loongc" --verify "$src/$name.lt" >verify.$$ 2>&1 || {
		echo "$name.lt:"
		cat verify.$$
		bad=1
	}
done
# Operands of 8 bits are the same numbers wherever they are rounded.
for plan in one four full; do
	"$loongc" --verify --plan $plan "$src/fp8.lt" >verify.$$ 2>&1 || {
		echo "fp8.lt, plan $plan:"
		cat verify.$$
		bad=1
	}
done
rm -f verify.$$
exit $bad
