#!/bin/sh
# A model too large for this machine compiles, and its trainer says so at once.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
cd "$tmp" || exit 99
"$loongc" -v "$src/examples/llama3-8b.lt" -o train 2>cc || exit 1
plan=$("$loongc" "$src/examples/llama3-8b.lt" --emit=plan |
	sed -n 's/.*"total": \([0-9]*\).*/\1/p')
have=$(awk '/^MemTotal/ { print $2 * 1024 }' /proc/meminfo)
awk -v p="$plan" -v h="$have" 'BEGIN { exit !(p > h + 0) }' ||
	{ echo "this machine has room for $plan bytes"; exit 77; }

# llm.c's format of 32-bit tokens: a header of 256 words, then tokens.
little() {
	for n; do
		for shift in 1 256 65536 16777216; do
			printf "\\$(printf %03o $((n / shift % 256)))"
		done
	done
}
n=65536
{
	little 20240801 7 $n
	head -c $((1024 - 12 + 4 * n)) /dev/zero
} >tokens.bin
# Should it try all the same, it must not take the machine with it; sanitizers
# reserve more than that.
grep -q fsanitize cc && limit=unlimited || limit=16000000
(ulimit -v $limit; ./train --data tokens.bin --val tokens.bin --steps 1 \
	--out run) >out 2>&1
status=$?
test $status -eq 78 || fail "exit $status, not 78: $(cat out)"
grep -qi 'memory' out || fail "$(cat out)"
./train --data tokens.bin --val tokens.bin --dry-run >out 2>&1 ||
	fail "--dry-run needs the memory: $(cat out)"
# What the threads need to work comes on top of the plan.
awk -v p="$plan" '/^memory/ { exit !($2 >= p && $2 < p + 2 ^ 30) }' out ||
	fail "--dry-run does not plan $plan: $(cat out)"
exit $bad
