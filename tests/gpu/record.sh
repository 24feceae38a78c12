#!/bin/sh
# What the host programs of trainers call, written down: addresses of the plan
# alone, events before waits, no two streams at the same bytes without one, moves
# in the plan's order on all ranks.  And that programs broken on purpose are
# found to be.  And that steps allocate nothing.
top=$(pwd)
. "${srcdir:-.}/tests/runtime/lib.sh"

loongc=${LOONGC:?}
text 8000 text
LOONG_EMU_GUARD=0 # the recorder looks at the device's memory
export LOONG_EMU_GUARD
SANITIZE=$("$loongc" -v "$source/tests/train/tiny.lt" -o flags 2>&1 |
    grep -o -- '-fsanitize=[^ ]*' | sort -u | tr '\n' ' ')
cc="${CC:-cc} -std=gnu11 -g -O1 -Wall -Wextra $SANITIZE -I$source"

$cc -Werror -c -o record.o "$source/tests/gpu/record.c" &&
    $cc -Werror -c -o order.o "$source/tests/gpu/order.c" || exit 1

wrap=-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign
# build NAME ARGS...: a trainer that writes down what it calls, and one that
# counts what it allocates
build() {
	name=$1
	shift
	set -- "$source/tests/train/cuda.lt" --target=cuda --arch=emu "$@"
	"$loongc" "$@" --emit=c >$name.c || exit 1
	objects=
	for unit in $(sed -n '/^static const struct lt_unit units.* = {/,/^};/s/^	{"\([a-z0-9_]*\)".*/\1/p' $name.c); do
		"$loongc" "$@" --emit=cuda --unit=$unit >$name.$unit.cpp &&
		    ${CXX:-c++} -std=c++17 -O1 -w -I"$source" -c \
			-o $name.$unit.o $name.$unit.cpp || exit 1
		objects="$objects $name.$unit.o"
	done
	$cc -w -DPROGRAM="\"$dir/$name.c\"" -c -o $name.main.o \
	    "$source/tests/gpu/recorded.c" &&
	    ${CXX:-c++} -rdynamic $SANITIZE -o $name $name.main.o record.o \
		order.o $objects "$top/libloong_rt.a" -ljansson -lm -ldl \
		-lpthread || exit 1
	$cc -w -DPROGRAM="\"$dir/$name.c\"" -c -o $name.counted.o \
	    "$source/tests/train/counted.c" &&
	    ${CXX:-c++} -rdynamic $SANITIZE -o counted.$name $name.counted.o \
		$wrap $objects "$top/libloong_rt.a" -ljansson -lm -ldl \
		-lpthread || exit 1
	train=$dir/$name
}

# allocates nothing in its steps, evaluations and logits, on as many ranks
counts() {
	rm -f counted
	train=$dir/counted.$name
	with COUNTED=counted run 0 --data text --threads 1 --peak 1 --steps 2 \
	    --eval-every 1 --sample 2 --prompt a
	grep -q '^[1-9][0-9]* calls, 0 allocations$' counted || {
		echo "FAIL: $name: steps allocate: $(cat counted)"
		grep counted: err
		failed=1
	}
}

# finds WAITS: the share of waits in percent; of all else, all
finds() {
	run 0 --data text --threads 1 --peak 1 --steps 2 --quiet
	cat out
	awk -v waits="$1" '
		$1 == "wait" { bad += $4 * 100 < waits * $2 }
		$1 != "wait" && $3 == "made" { bad += $4 != $2 }
		$3 == "made" { kinds++; all += $2 }
		END { exit bad || kinds != 4 || all < 20 }' out || {
		echo "FAIL: $name: broken programs are not found"
		failed=1
	}
}

build one
finds 100
counts
build four --plan four
finds 70
[ "$(awk '$1 == "swap" { print $2 }' out)" -gt 50 ] ||
    { echo 'FAIL: no moves'; failed=1; }
counts
build host --set 'plan.recompute=save(z, offload(x, o))'
finds 80
[ "$(awk '$1 == "wait" { print $2 }' out)" -gt 4 ] ||
    { echo 'FAIL: no waits for the host'; failed=1; }
counts
end
