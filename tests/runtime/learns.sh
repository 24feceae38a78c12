#!/bin/sh
# A run from start to end: it learns, says what it does, and repeats itself.
. "${srcdir:-.}/tests/runtime/lib.sh"

text 20000 text
run 0 --data text --steps 120 --log log --sample 40 --threads 1
said err 'model      bigram: 65536 parameters'
said err 'bytes allocated'
said err 'step 1/120'
said err 'step 120/120'
said err 'held-out loss'

# planned and allocated are the same number
planned=$(sed -n 's/^memory *\([0-9]*\) bytes planned.*/\1/p' err)
allocated=$(sed -n 's/^ *\([0-9]*\) bytes allocated/\1/p' err)
[ -n "$planned" ] && [ "$planned" = "$allocated" ] || {
	echo "FAIL: planned '$planned', allocated '$allocated'"
	failed=1
}

# held out: log 256 before (weights of 0.02), far less after.  The words of
# the text have 2.0 nats per byte or less given one byte of context.
loss() {
	sed -n 's/.*"event":"eval","step":'"$1"',"loss":\([0-9.]*\).*/\1/p' log
}
awk -v a="$(loss 0)" -v b="$(loss 120)" \
    'BEGIN { exit !(a > 5.4 && a < 5.7 && b > 0.5 && b < 2.2) }' || {
	echo "FAIL: held-out loss went from $(loss 0) to $(loss 120)"
	failed=1
}
[ "$(grep -c '"event":"step"' log)" = 120 ] || {
	echo "FAIL: not 120 steps in the log"
	failed=1
}

# the same again, with other threads: same losses, same sample
cp out first
sed -n 's/.*"loss":\([^,]*\).*/\1/p' log >losses
rm log
run 0 --data text --steps 120 --log log --sample 40 --threads 3
same out first
sed -n 's/.*"loss":\([^,]*\).*/\1/p' log >again
same losses again

# another seed is another run
rm log
run 0 --data text --steps 120 --log log --sample 40 --seed 8
sed -n 's/.*"loss":\([^,]*\).*/\1/p' log >again
if cmp -s losses again; then
	echo "FAIL: the seed changes nothing"
	failed=1
fi
# not on a terminal: the first step, the last, and one in ten seconds
began=$(date +%s)
with FAKE_SLEEP=50 run 0 --data text --steps 60 --threads 1 --peak 100
most=$((2 + ($(date +%s) - began + 1) / 10))
lines=$(grep -c '^step .* tok/s' err)
[ "$lines" -ge 2 ] && [ "$lines" -le $most ] || {
	echo "FAIL: $lines lines of progress"
	failed=1
}
end
