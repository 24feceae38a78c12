#!/bin/sh
# From a model to one that has learnt: compile, train, stop, go on.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
cd "$tmp" || exit 99

# A language of twelve words: 45 kB of text.
awk 'BEGIN {
	srand(1)
	n = split("the cat dog house tree sees likes under over small red a", w)
	for (i = 0; i < 9000; i++)
		printf "%s%s", w[1 + int(rand() * n)], i % 9 == 8 ? ".\n" : " "
}' >corpus.txt

# build NAME ARGS...: the quickstart's trainer, small.
build() {
	name=$1
	shift
	"$loongc" "$src/examples/quickstart.lt" --set s=64 --set e=48 \
		--set f=96 --set d=8 --set recipe.batch=256 \
		--set recipe.warmup=5 --set recipe.lr=5e-3 "$@" -o "$name" ||
		{ fail "compiling $name"; exit 1; }
}

# held_out LOG: held-out losses, first and last, on one line.
held_out() {
	awk -F '"loss":' '/"event":"eval"/ {
		if (!n++) first = $2 + 0
		last = $2 + 0
	}
	END { print first, last }' "$1"
}

# learns NAME LOSS ARGS...: trains; the held-out loss must end below LOSS,
# uniform guesses being 5.545 nats.
learns() {
	name=$1 bound=$2
	shift 2
	./"$name" --data corpus.txt --steps 60 --log "$name.jsonl" "$@" \
		>"$name.out" 2>&1 || fail "$name: $(cat "$name.out")"
	held_out "$name.jsonl" | awk -v bound="$bound" \
		'{ exit !(NF == 2 && $1 > 5 && $2 < bound) }' ||
		fail "$name: held-out losses $(held_out "$name.jsonl")"
}

# same_end DIR DIR: the last checkpoints hold the same tensors.
same_end() {
	n=0
	for f in "$1"/step-000060/*.safetensors; do
		cmp "$f" "$2/step-000060/${f##*/}" || return 1
		n=$((n + 1))
	done
	test $n -ge 1
}

build train
learns train 2.4 --out straight --sample 40

# Stopped by a signal wherever it is, it goes on to the same bytes.
./train --data corpus.txt --steps 60 --log stopped.jsonl --out stopped \
	>stopped.out 2>&1 &
pid=$!
steps() {
	cat stopped.jsonl 2>/dev/null | grep -c '"event":"step"'
}
while test "$(steps)" -lt 5 && kill -0 $pid 2>/dev/null; do
	sleep 0.02
done
kill -TERM $pid 2>/dev/null
wait $pid
status=$?
test $status -eq 75 || test $status -eq 0 || fail "SIGTERM: exit $status"
./train --data corpus.txt --steps 60 --out stopped --resume >resumed.out 2>&1 ||
	fail "--resume: $(cat resumed.out)"
same_end straight stopped || fail "resumed training ends elsewhere"

# Other ways to the same: recomputation, two microbatches, bf16.
build full --set plan.recompute=full
learns full 2.4 --out full.run
same_end straight full.run ||
	fail "recomputation changes the result"
build micro --set plan.micro=2
learns micro 2.4
build half --set recipe.precision=bf16
learns half 2.4

# What was trained in f32 does not silently go on in bf16.
./half --data corpus.txt --steps 61 --out straight --resume >other.out 2>&1
test $? -eq 65 || fail "another precision: exit is not 65"
grep -q 'precision is bf16 here and f32 in the checkpoint' other.out ||
	fail "another precision: $(cat other.out)"
exit $bad
