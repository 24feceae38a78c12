#!/bin/sh
# Options: numbers are checked, mistakes are named, and the help, the man
# page and the exit codes come from the same tables.
. "${srcdir:-.}/tests/runtime/lib.sh"

text 4000 text
use() {
	message=$1
	shift
	fails 2 "$message" "$@" --out run --log log
}
use "unknown option '--step'; did you mean '--steps'?" --step 5
use "unknown option '--evalevery=3'; did you mean '--eval-every'?" --evalevery=3
use "unknown option '--xyzzy'; --help lists the options" --xyzzy
use "unexpected argument 'text'" text
use "unexpected argument '-x'" -x
use "unexpected argument '--'" --
for n in 5x x -1 1e3 0x10 99999999999999999999 ' 5' +5 1.5; do
	use "--steps: '$n' is not a whole number from 0 to" "--steps=$n"
done
use "--steps: '' is not a whole number" --steps=
use "--seed: '9007199254740992' is not a whole number from 0 to 9007199254740991" \
    --seed 9007199254740992
use "--threads: '4097' is not a whole number from 0 to 4096" --threads 4097
use "--keep-last: '0' is not a whole number from 1 to" --keep-last 0
for n in x nan inf -0.1 101 '' 1e999; do
	use "--temperature: '$n' is not a number from 0 to 100" "--temperature=$n"
done
use "--data: the value is empty" --data=
use "--mpi foo: is openmpi or mpich" --data text --mpi foo
use "--quiet takes no value" --quiet=yes
for n in x 0 0:3 3:2 3: :3 2:3x -1:2 ' 2'; do
	use "--trace-steps: '$n' is not A:B" --trace t.json "--trace-steps=$n"
done
use '--trace-steps needs --trace FILE' --trace-steps 2:3
fails 2 "--steps needs a value" --steps
fails 2 "--sm-margin: '-1' is not a whole number" --sm-margin -1
fails 2 "--resume needs --out DIR" --data text --resume

# the machine and the program
fails 78 '--nproc 2: this trainer was compiled for 1 rank' --data text \
    --nproc 2 --out run
started() {
	with "$1" fails 78 "$2" --data text --out run
}
started 'RANK=3 WORLD_SIZE=4' \
    'torchrun started this as rank 3 of 4, but it was compiled for 1 rank'
started 'OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2' 'mpirun started this'
started 'SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2 SLURM_STEP_ID=0' 'srun started'
alone() {
	with "$1" run 0 --data text --steps 1 --quiet
}
alone 'SLURM_PROCID=0 SLURM_NTASKS=2 SLURM_STEP_NUM_TASKS=2'
alone 'RANK=0 WORLD_SIZE=1'
alone 'RANK=0 WORLD_SIZE=many'
with "FAKE_ABI=99" fails 70 'generated for runtime version 99' --data text --out run
with "FAKE_HUGE=1000000" fails 78 'no memory for the plan' --data text --out run

# output that cannot be written
fails 74 '--log nowhere/log: No such file' --data text --log nowhere/log
fails 74 '--tensorboard nowhere/tb: No such file' --data text \
    --tensorboard nowhere/tb

# stdout is for what was asked for
run 0 --version
said out 'bigram, compiled by loongc test'
run 0 --help
cp out help
run 0 -h
same out help
said help '--steps N'
said help 'stop after step N [20]'
unsaid help '--man'
unsaid help '[-1]'
[ -s err ] && { echo "FAIL: --help wrote to stderr"; failed=1; }
awk 'length > 80 { print "FAIL: long line: " $0; bad = 1 } END { exit bad }' \
    help || failed=1
for code in 0 1 2 65 69 70 74 75 76 78; do
	grep -qE "^  $code +[a-z]" help || {
		echo "FAIL: --help lacks exit code $code"
		failed=1
	}
done
if [ -w /dev/full ]; then
	"$train" --help >/dev/full 2>err
	[ $? -eq 74 ] || { echo "FAIL: --help to a full disk"; failed=1; }
fi

# the man page: the committed one, and every option that --help has
run 0 --man
cp out man
same man "$source/doc/loong-train.1"
sed -n 's/^  --\([a-z-]*\).*/\1/p' help | while read -r name; do
	sed 's/\\-/-/g' man | grep -qE "^\.B --$name( |\$)" || echo "$name"
done >lacking
[ -s lacking ] && { echo "FAIL: not in the man page:"; cat lacking; failed=1; }

# the examples run as they stand, one after the other
mkdir examples
(cd examples && ln -s "$train" . && text 4000 book.txt)
sed -n '/^Examples:/,/^$/s/^  //p' help >examples/lines
[ "$(wc -l <examples/lines)" = 2 ] || { cat help; failed=1; }
while read -r line; do
	(cd examples && sh -c "$line" >sample 2>err) || {
		echo "FAIL: $line"
		cat examples/err
		failed=1
	}
done <examples/lines
[ -d examples/run/step-002000 ] || { ls -R examples; failed=1; }

# a dry run prints the plan and touches nothing; the data are optional
mkdir dry
cp text dry
(cd dry && "$train" --data text --steps 30 --out run --log log --dry-run \
    >../out 2>../err) || failed=1
[ "$(ls dry)" = text ] || { echo "FAIL: a dry run wrote"; failed=1; }
said out '65536 parameters in 1 tensors'
said out '30 steps, cosine, warmup 2, learning rate 0.05 to 0.005'
said out 'text: bytes, each a token; 3600 tokens, 111 sequences, read 2.16 times'
said out 'held out   the end of text; 400 tokens'
grep -qE '^memory +[0-9]+ bytes planned' out || failed=1
[ -s err ] && { cat err; failed=1; }
run 0 --dry-run
said out 'none given (--data PATH)'
fails 65 'missing: No such file' --dry-run --data missing
with "FAKE_HUGE=1000000" run 0 --dry-run

# the recipe's data are the default
with "FAKE_TRAIN=text" run 0 --steps 1 --threads 1

# quiet: not a word, whatever is not a terminal
run 0 --data text --steps 3 --threads 1 --quiet
[ -s err ] && { echo "FAIL: --quiet said"; cat err; failed=1; }
[ -s out ] && { echo "FAIL: wrote to stdout"; failed=1; }

# errors also go where torchrun looks
with "TORCHELASTIC_ERROR_FILE=$dir/error.json" run 65 --data missing
said error.json '{"message":{"message":"missing: No such file or directory"'
end
