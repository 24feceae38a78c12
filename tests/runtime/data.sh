#!/bin/sh
# Bad training data: what is wrong is said, with the exit code for data, and
# nothing is written.
. "${srcdir:-.}/tests/runtime/lib.sh"

text 4000 good
steps='--peak 100 --steps 2 --threads 1 --out run --log log'
bad() {
	text=$1
	shift
	fails 65 "$text" $steps "$@"
}

# le N WIDTH: a little-endian number
le() {
	n=$1 i=0
	while [ $i -lt "$2" ]; do
		printf "\\$(printf %03o $((n % 256)))"
		n=$((n / 256)) i=$((i + 1))
	done
}
zeros() {
	head -c "$1" /dev/zero
}

fails 2 'no training data' $steps
bad 'missing: No such file or directory' --data missing
mkdir folder
bad 'folder: not a regular file' --data folder
bad 'null: not a regular file' --data /dev/null
mkfifo pipe
bad 'pipe: not a regular file' --data pipe
: >empty
bad 'empty: the file is empty' --data empty
ln -s missing dangling
bad 'dangling: No such file' --data dangling

# shorter than a sequence of 32 and its last label
head -c 32 good >short
bad 'short: 32 tokens, shorter than one sequence of 32' --data short
head -c 33 good >enough
run 0 --data enough --steps 2 --threads 1
said err 'nothing is held out'
bad '32 tokens of held-out data, shorter' --data good --val short
bad 'missing: No such file' --data good --val missing
bad 'empty: the file is empty' --data good --val empty

# tokens outside the vocabulary, found where they are
head -c 2000 good >high
printf '\200' >>high
head -c 1000 good >>high
with FAKE_VOCAB=128 bad \
    "high: token 2000 is 128, but the model's vocabulary is 0..127" --data high
for position in 0 3599; do
	cp good corner
	printf '\377' | dd of=corner bs=1 seek=$position conv=notrunc 2>/dev/null
	with FAKE_VOCAB=128 bad "corner: token $position is 255" --data corner
done
{ printf '\377'; cat good; } >corner
with FAKE_VOCAB=128 fails 65 'corner: token 0 is 255' --data good \
    --val corner --steps 1 --threads 1

# nanoGPT
head -c 3999 good >odd.bin
bad 'odd.bin: truncated: an odd number of bytes' --data odd.bin
bad 'good: token' --data good --format nanogpt

# llm.c
{ le 20240520 4; le 1 4; le 1000 4; zeros 1012; zeros 1998; } >cut.bin
bad 'cut.bin: truncated: fewer tokens than the llm.c header' --data cut.bin
{ le 20240520 4; le 1 4; le 1000 4; zeros 1012; zeros 2002; } >long.bin
bad 'long.bin: more tokens than the llm.c header' --data long.bin
{ le 20240520 4; le 9 4; zeros 3000; } >version.bin
bad 'an llm.c file of an unknown version' --data version.bin --format llmc
bad 'wrong magic number' --data good --format llmc
bad 'shorter than an llm.c header' --data short --format llmc
{ le 20240801 4; le 7 4; le 4294967295 4; zeros 1012; zeros 400; } >neg.bin
bad 'negative token count' --data neg.bin

# Megatron
index() { # SEQUENCES DOCUMENTS DTYPE
	printf 'MMIDIDX\0\0'
	le 1 8
	le "$3" 1
	le "$1" 8
	le "$2" 8
}
zeros 800 >m.bin
m='--data m.bin'
printf 'MMIDIDX' >m.idx
bad 'the .idx file is shorter than its header' $m
{ printf 'MMIDIDY\0\0'; zeros 100; } >m.idx
bad 'wrong magic number in .idx' $m
{ printf 'MMIDIDX\0\0'; le 2 8; zeros 100; } >m.idx
bad 'a Megatron index of an unknown version' $m
{ index 1 2 7; zeros 100; } >m.idx
bad 'a type that is not of tokens' $m
{ index 1 2 99; zeros 100; } >m.idx
bad 'a type that is not of tokens' $m
{ index 2 2 8; le 200 4; le 200 4; le 0 8; le 400 8; le 0 8; } >m.idx
bad 'the .idx file is shorter than it says' $m
{ index 9223372036854775807 2 8; zeros 100; } >m.idx
bad 'the .idx file is shorter than it says' $m
{ index 1 2305843009213693952 8; zeros 100; } >m.idx
bad 'the .idx file is shorter than it says' $m
{ index 2 2 8; le 200 4; le 201 4; le 0 8; le 400 8; le 0 8; le 2 8; } >m.idx
bad 'a sequence of .idx lies outside .bin' $m
{ index 2 2 8; le 200 4; le 4294967295 4; le 0 8; le 400 8; le 0 8; le 2 8; } \
    >m.idx
bad 'a sequence in .idx has a negative length' $m
{ index 2 2 8; le 200 4; le 200 4; le 400 8; le 0 8; le 0 8; le 2 8; } >m.idx
bad 'the sequences in .idx are out of order' $m
{ index 2 2 8; le 200 4; le 200 4; le 0 8; le 400 8; le 0 8; le 3 8; } >m.idx
bad 'a document boundary in .idx is out of order' $m
rm m.idx
bad 'm.idx: No such file' $m --format megatron
{ index 2 2 8; le 200 4; le 200 4; le 0 8; le 400 8; le 0 8; le 2 8; } >m.idx
run 0 $m --steps 2 --threads 1
said err 'Megatron tokens (.bin with .idx); 360 tokens'
rm m.bin
bad 'm.bin: No such file' $m

fails 2 "unknown data format 'parquet'" --data good --format parquet

# a file that shrinks while it is read
cp good shrinks
: >err
FAKE_SLEEP=50 "$train" --data shrinks --steps 200 --threads 1 >out 2>err &
pid=$!
await '^step 1/' err $pid
: >shrinks
wait $pid
got=$?
[ $got -eq 65 ] || { echo "FAIL: shrinking file: exit $got"; failed=1; }
said err 'the file shrank while it was read'
end
