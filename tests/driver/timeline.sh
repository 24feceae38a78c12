#!/bin/sh
# --emit=timeline: lanes of a step and of its functions; slower links stall.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
model=$src/examples/llama3-8b.lt
show() { # links' bytes per second
	"$loongc" "$model" --mesh dp=2,hp=2,cp=4,inner=2 --set s=131072 \
		--set recipe.batch=262144 --set plan.intra="$1" \
		--set plan.inter="$1" --emit=timeline >"$tmp/out" || fail "$1"
}
stalled() {
	sed -n 's/^step .*stalled \([0-9.]*\) ms$/\1/p' "$tmp/out"
}
show 250e9
grep -q '^layer  .* ms, compute stalled' "$tmp/out" || fail "no layer"
grep -q '^ c|.*A.*|' "$tmp/out" || fail "no attention"
grep -q '^ki|.*=.*|' "$tmp/out" || fail "no inner ring"
fast=$(stalled)
show 1e9
slow=$(stalled)
awk "BEGIN { exit !($slow > 2 * $fast && $fast >= 0) }" ||
	fail "stalls: $fast ms, with slow links $slow ms"

# Each stall has the move that it waits for: its lane, the place in the source
# and the function that started it.  They add up to what is stalled, in the
# step and in each function (in the last place, each is rounded).
line() { # of the text in the model
	grep -nF "$1" "$model" | cut -d: -f1
}
grep -q "^ *[0-9.]* ms for h, 32 times: .*llama3-8b.lt:$(line 'return wo(att'):[0-9]*: fn layer: oT1 = a2a on hp\$" \
	"$tmp/out" || fail "who is awaited: $(cat "$tmp/out")"
awk '/stalled/ {
		if (n > 0 && (sum - all > n / 1000 || all - sum > n / 1000))
			print all " ms stalled, listed are " sum
		all = $(NF - 1); sum = n = 0; ends++
	}
	/ ms for / { sum += $1; n++; lines++ }
	END { if (ends < 3 || lines < 6) print ends " sums of " lines }
' "$tmp/out" - <<END >"$tmp/wrong"
stalled 0 ms
END
test ! -s "$tmp/wrong" || fail "stalls: $(cat "$tmp/wrong")"

# A lane is shown as it is while the function runs, whoever started what moves
# there: every lane that is listed has a bar, and no more work than time.
"$loongc" "$model" --plan two_nodes --emit=timeline >"$tmp/out" || fail "zero"
grep -A8 '^layer.bwd' "$tmp/out" | grep -q '^zr|.*=.*|' ||
	fail "no lane of gradients: $(cat "$tmp/out")"
awk '/compute stalled/ { all = $2 }
	/^ ?[a-z]+[|]/ {
		split($0, part, "|")
		if (part[2] !~ /[#A=]/ || part[3] + 0 > all + 0.001)
			print "in " all " ms: " $0
	}' "$tmp/out" >"$tmp/wrong"
test ! -s "$tmp/wrong" || fail "lanes: $(cat "$tmp/wrong")"

# Copies to the host and back have lanes, and hide behind a layer's work.
"$loongc" "$model" --mesh dp=2,hp=4 --emit=timeline \
	--set 'plan.recompute=save(z, offload(x, o))' >"$tmp/out" || fail "host"
grep -A4 '^layer  ' "$tmp/out" | grep -q '^ho|.*=.*|' || fail "no lane to the host"
grep -A6 '^layer.bwd' "$tmp/out" | grep -q '^hi|.*=.*|' ||
	fail "no lane from the host"
host=$(stalled)
"$loongc" "$model" --mesh dp=2,hp=4 --emit=timeline \
	--set 'plan.recompute=save(x, attention)' >"$tmp/out" || fail "no host"
awk "BEGIN { exit !($host <= 1.001 * $(stalled)) }" ||
	fail "stalls: $host ms with the host, $(stalled) without"
exit $bad
