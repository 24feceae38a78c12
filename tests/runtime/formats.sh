#!/bin/sh
# The same tokens in every format give the same run.
. "${srcdir:-.}/tests/runtime/lib.sh"

text 3000 text
# widen IN WIDTH: each byte as a little-endian number
widen() {
	od -An -v -tu1 "$1" | awk -v w="$2" '{
		for (i = 1; i <= NF; i++) {
			printf "\\%03o", $i
			for (j = 1; j < w; j++) printf "\\000"
		}
		print ""
	}' | while IFS= read -r line; do printf "$line"; done
}
le() {
	n=$1 i=0
	while [ $i -lt "$2" ]; do
		printf "\\$(printf %03o $((n % 256)))"
		n=$((n / 256)) i=$((i + 1))
	done
}
widen text 2 >nano.bin
{ le 20240520 4; le 1 4; le 3000 4; head -c 1012 /dev/zero; cat nano.bin; } \
    >gpt2.bin
{ le 20240801 4; le 7 4; le 3000 4; head -c 1012 /dev/zero; widen text 4; } \
    >llama3.bin
index() { # DTYPE WIDTH: runs of 1000, 0 and 2000 tokens after 7 bytes
	printf 'MMIDIDX\0\0'
	le 1 8; le "$1" 1; le 3 8; le 3 8
	le 1000 4; le 0 4; le 2000 4
	le 7 8; le $((7 + 1000 * $2)) 8; le $((7 + 1000 * $2)) 8
	le 0 8; le 1 8; le 3 8
}
{ printf 1234567; cat nano.bin; } >mega.bin
index 8 2 >mega.idx
{ printf 1234567; widen text 4; } >wide.bin
index 4 4 >wide.idx
{ printf 1234567; widen text 8; } >wider.bin
index 5 8 >wider.idx

losses() {
	sed -n 's/.*"loss":\([^,]*\).*/\1/p' "$1"
}
one() { # FILE WHAT-IS-SAID
	rm -f log
	run 0 --data "$1" --steps 5 --log log --threads 1
	said err "$2; 2700 tokens"
	losses log >"$1.losses"
	same text.losses "$1.losses"
}
one text 'bytes, each a token'
[ "$(wc -l <text.losses)" -ge 7 ] || { echo "FAIL: too few losses"; failed=1; }
one nano.bin 'nanoGPT tokens (16 bits each)'
one gpt2.bin 'llm.c tokens (.bin)'
one llama3.bin 'llm.c tokens (.bin)'
one mega.bin 'Megatron tokens (.bin with .idx)'
one mega 'Megatron tokens (.bin with .idx)'
one wide.idx 'Megatron tokens (.bin with .idx)'
one wider.bin 'Megatron tokens (.bin with .idx)'

# a file of its own for held-out data
head -c 2700 text >train
tail -c 300 text >val
rm -f log
run 0 --data train --val val --steps 5 --log log --threads 1
losses log >apart
same text.losses apart

# the name of a format overrules the look of the file
run 0 --data nano.bin --format bytes --steps 1 --threads 1
said err 'bytes, each a token; 5400 tokens'
# ... and the recipe's may be of another file
doubt='nano.bin looks like nanoGPT tokens (16 bits each), but the recipe says bytes; --format overrules it'
with FAKE_FORMAT=bytes run 0 --data nano.bin --dry-run
said err "$doubt"
with FAKE_FORMAT=bytes run 0 --data text --dry-run
unsaid err 'looks like'
with FAKE_FORMAT=bytes run 0 --data nano.bin --format nanogpt --dry-run
unsaid err 'looks like'
with 'FAKE_FORMAT=bytes FAKE_TRAIN=nano.bin' run 0 --dry-run
unsaid err 'looks like'

# a prompt of token numbers, and its errors
run 0 --data nano.bin --steps 1 --threads 1 --sample 3 --prompt '116, 104 101'
grep -qE '^116 104 101( [0-9]+){3} $' out || { cat out; failed=1; }
fails 2 "'256' does not begin with a token number from 0 to 255" \
    --data nano.bin --out run --sample 3 --prompt '116 256'
fails 2 "'the' does not begin with a token number" \
    --data nano.bin --out run --sample 3 --prompt the
with FAKE_LOGITS=none fails 78 'this program computes no logits' \
    --data nano.bin --out run --sample 3

# bytes as text, with nothing that commands a terminal
run 0 --data text --steps 1 --threads 1 --sample 1 \
    --prompt "$(printf 'a\033[2Jb\tc\303\251\302\233d\377e\\')"
printf 'a\\x1b[2Jb\tc\303\251\\xc2\\x9bd\\xffe\\' >wanted
head -c "$(wc -c <wanted)" out >got
same wanted got
if [ -w /dev/full ]; then
	"$train" --data text --steps 1 --quiet --sample 3 >/dev/full 2>err
	[ $? -eq 74 ] || { echo "FAIL: sample to a full disk"; failed=1; }
	said err 'cannot write the sample: No space left'
fi
end
