#!/bin/sh
# Going on from any checkpoint, and after any kill, ends at the same bytes as
# never having stopped; what is damaged or different is named.
. "${srcdir:-.}/tests/runtime/lib.sh"

text 20000 text
text 20001 other
go='--data text --steps 20 --threads 2 --quiet'

# Never stopped, with checkpoints on the way.
run 0 $go --out whole --save-every 5 --keep-last 9
[ "$(ls whole | tr '\n' ' ')" = \
    'lock step-000005 step-000010 step-000015 step-000020 ' ] || {
	echo "FAIL: whole holds: $(ls whole)"
	failed=1
}

# From each of them again, with another number of threads, to the same end.
for from in 05 10 15; do
	mkdir again
	cp -r whole/step-0000$from again
	run 0 $go --out again --resume --threads 1
	for file in model.safetensors optimizer.safetensors; do
		same whole/step-000020/$file again/step-000020/$file
	done
	rm -r again
done

# Killed at any moment, again and again: it gets there all the same.
with=0
mkdir killed
while [ ! -d killed/step-000020 ] && [ $with -lt 60 ]; do
	with=$((with + 1))
	FAKE_SLEEP=5 timeout -s KILL "0.$((with % 7 + 1))" "$train" $go \
	    --out killed --resume --save-every 1 >/dev/null 2>&1
done
for file in model.safetensors optimizer.safetensors; do
	same whole/step-000020/$file killed/step-000020/$file
done

# A folder that holds a run is not begun anew.
fails 1 'holds checkpoints already' $go --out whole

# Another seed, data, recipe: which, here and there.
fails 65 'seed: 8 here and 7 in the checkpoint' $go --out whole --resume \
    --seed 8
fails 65 'data: ' $go --out whole --resume --data other
said err '(other) here and'
run 0 $go --out whole --resume --steps 25
said err 'steps is 25 here and 20 in the checkpoint'

# One flipped bit.
cp -r whole damaged
printf '\377' | dd of=damaged/step-000025/model.safetensors bs=1 seek=100000 \
    conv=notrunc 2>dd
fails 65 'damaged: the hash of tensor bigram.w differs' $go --out damaged \
    --resume
said err 'step-000020 is intact: --resume-valid goes on from it'
run 0 $go --steps 25 --out damaged --resume-valid
said err 'damaged/step-000025 is kept as step-000025.bad'
same whole/step-000025/model.safetensors damaged/step-000025/model.safetensors

end
