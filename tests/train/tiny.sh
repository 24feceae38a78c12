#!/bin/sh
# A compiled trainer learns, alone on its machine, within its planned memory;
# how the plan cuts the work, and how often it is stopped, changes nothing.
. "${srcdir:-.}/tests/runtime/lib.sh"

loongc=${LOONGC:?}
text 8000 text
# compile NAME SETTINGS...
compile() {
	name=$1
	shift
	"$loongc" "$source/tests/train/tiny.lt" "$@" -o "$name" || {
		echo "FAIL: compile $name"
		exit 1
	}
}
# go NAME ARGUMENTS...: to NAME.log, with nothing but the trainer around
go() {
	train=$dir/$1
	shift
	run 0 --peak 100 --log "$train.log" "$@"
}
# loss NAME EVENT STEP
loss() {
	sed -n 's/.*"event":"'"$2"'","step":'"$3"',"loss":\([0-9.]*\).*/\1/p' \
	    "$1.log"
}
# near A B RELATIVE
near() {
	awk -v a="$1" -v b="$2" -v r="$3" 'BEGIN {
		d = a > b ? a - b : b - a
		exit !(a > 0 && d <= r * a)
	}' || {
		echo "FAIL: $1 and $2 differ by more than $3"
		failed=1
	}
}
weights() {
	(cd "$1/step-000060" && cat -- *.safetensors)
}

compile whole
if command -v ldd >/dev/null && ! grep -q __asan_init whole; then
	ldd whole | grep -vE '(linux-vdso|libm|libc|ld-linux[^ ]*)\.so' &&
	    { echo "FAIL: the trainer needs libraries of others"; failed=1; }
fi
PATH=/nowhere "$dir/whole" --data text --steps 1 --quiet || failed=1
go whole --data text --threads 1 --out one
said err 'tiny: 28832 parameters in 11 tensors'
planned=$(sed -n 's/^memory *\([0-9]*\) bytes planned.*/\1/p' err)
allocated=$(sed -n 's/^ *\([0-9]*\) bytes allocated/\1/p' err)
[ -n "$planned" ] && [ "$planned" = "$allocated" ] || {
	echo "FAIL: planned '$planned', allocated '$allocated'"
	failed=1
}

# log 256 = 5.55 at first; a bigram model of these twelve words is at 1.4
near 5.5452 "$(loss whole eval 0)" 0.01
awk -v l="$(loss whole eval 60)" 'BEGIN { exit !(l > 0.5 && l < 1.2) }' || {
	echo "FAIL: held-out loss is $(loss whole eval 60) in the end"
	failed=1
}

# other threads, and a stop on the way: the same bits
train=$dir/whole
"$train" --data text --threads 2 --peak 100 --out two --log two.log \
    >out 2>err &
pid=$!
await '"step":5,' two.log $pid
kill -TERM $pid
wait $pid
got=$?
# it may have been done already
[ $got -eq 75 ] || [ $got -eq 0 ] || { echo "FAIL: exit $got"; failed=1; }
run 0 --data text --threads 3 --peak 100 --out two --resume
weights one >one.bin
weights two >two.bin
[ -s one.bin ] || failed=1
same one.bin two.bin

# the same sums in another order: f32 sums of a few hundred terms differ in
# the sixth digit, and 60 steps of Adam amplify that
compile micro --set plan.micro=2
go micro --data text
near "$(loss whole step 1)" "$(loss micro step 1)" 1e-5
near "$(loss whole eval 60)" "$(loss micro eval 60)" 1e-2
compile again --set plan.recompute=full
go again --data text
near "$(loss whole step 1)" "$(loss again step 1)" 1e-6
near "$(loss whole eval 60)" "$(loss again eval 60)" 1e-2

# eight bits of mantissa: 2^-9 relative per rounding
compile half --set recipe.precision=bf16
go half --data text
near "$(loss whole step 1)" "$(loss half step 1)" 4e-3
near "$(loss whole eval 60)" "$(loss half eval 60)" 5e-2

# a checkpoint of another model or precision
train=$dir/micro
run 0 --data text --out one --resume
compile other --set f=47
train=$dir/other
fails 65 'one' --data text --out one --resume
end
