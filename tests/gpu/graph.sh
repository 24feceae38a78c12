#!/bin/sh
# Steps as CUDA graphs, on a driver that pretends: every kernel of a trainer
# runs, as late as streams and events allow, and the losses have the same bits
# with graphs and without.
top=$(pwd)
. "${srcdir:-.}/tests/runtime/lib.sh"

# the libraries that pretend are not what is tested for leaks
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
export LD_LIBRARY_PATH="$top/tests/gpu/libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
unset CUDA_HOME CUDA_PATH

loongc=${LOONGC:?}
text 8000 text
go='--data text --threads 1 --peak 1'

wrap=-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign
# build NAME ARGS...: a trainer for that driver
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
	${CC:-cc} -std=gnu11 -O0 -w -DPROGRAM="\"$dir/$name.c\"" -I"$source" \
	    -c -o $name.main.o "$source/tests/gpu/late.c" &&
	    ${CXX:-c++} -rdynamic $SANITIZE -o $name $name.main.o $objects \
		$wrap "$top/libloong_rt.a" -ljansson -lm -ldl -lpthread || exit 1
	train=$dir/$name
}
SANITIZE=$("$loongc" -v "$source/tests/train/tiny.lt" -o flags 2>&1 |
    grep -o -- '-fsanitize=[^ ]*' | sort -u | tr '\n' ' ')

# steps LOG: loss and norm of each
steps() {
	sed -n 's/.*"event":"step","step":\([0-9]*\),.*"loss":\([-0-9.e]*\).*"grad_norm":\([-0-9.e]*\).*/\1 \2 \3/p' "$1"
}

# counts: what was run last has allocated nothing in its steps
counts() {
	grep -q '^[1-9][0-9]* calls, 0 allocations$' counted && return
	echo "FAIL: $name: steps allocate: $(cat counted)"
	grep counted: err
	failed=1
}

# graphs LAUNCHES ARGS...: so many launches of graphs in five steps, and the
# same bits as without
graphs() {
	launches=$1
	shift
	rm -f calls with without counted
	with 'COUNTED=counted FAKE_CUDA_LOG=calls' run 0 $go "$@" --steps 5 --eval-every 2 \
	    --log with --comm
	counts
	mv out with.out
	[ "$(grep -c '^graph on' calls)" = "$launches" ] || {
		echo "FAIL: $(grep -c '^graph on' calls) graphs, not $launches"
		grep capture calls
		grep graph err
		failed=1
	}
	rm -f counted
	with COUNTED=counted run 0 $go "$@" --steps 5 --eval-every 2 \
	    --log without --no-graph --comm
	counts
	steps with >a
	steps without >b
	[ "$(wc -l <a)" = 5 ] || { echo "FAIL: no losses"; failed=1; }
	same a b
	same with.out out
}

build one
graphs 4
grep -q '^captured: 0, [1-9][0-9]* nodes' calls || { echo 'FAIL: no capture'; failed=1; }
launched=$(sed -n '/^captured/,$p' calls | grep -c '^launch step_return')
[ "$launched" = 0 ] || { echo "FAIL: steps are enqueued after the capture"; failed=1; }

# a timeline is of kernels that are started one by one, until it is written
rm -f calls
with FAKE_CUDA_LOG=calls run 0 $go --steps 5 --trace trace.json
[ "$(grep -c '^graph on' calls)" = 2 ] || { echo 'FAIL: graphs and traces'; failed=1; }
said trace.json '"name":"attn_fwd_sm90_d64"'
said trace.json '"name":"cublasLtMatmul"'

# a kernel that fails in a graph is named: the 12th update of the second step
with FAKE_CUDA_FAIL=adamw:14:700 run 70 $go --steps 5
said err 'computing in kernel adamw (cuda.lt'

# where the driver makes no graphs
with FAKE_CUDA_FAIL=cuGraphInstantiate:1:801 run 0 $go --steps 5 --log none
said err 'graph      none, kernels are started one by one: making a graph: '
steps none >b
same a b
with FAKE_CUDA_FAIL=cuStreamBeginCapture:1:801 run 0 $go --steps 5
said err 'graph      none, kernels are started one by one: '

# what the host keeps travels in the graph
build host --set 'plan.recompute=save(z, offload(x, o))'
graphs 4

# four ranks with a GPU each: over NCCL
build four --plan four
export FAKE_CUDA_COUNT=4
graphs 16
run 0 $go --steps 3 --trace trace.json
awk -v ranks=4 -v device=1 -f "$source/tests/train/trace.awk" four.c \
    trace.json || { echo 'FAIL: the timeline of four ranks'; failed=1; }
# all that was reserved would have been allocated else, and that is noticed
rm -f counted
with 'COUNTED=counted COUNTED_UNREHEARSED=1' run 0 $go --steps 1
grep -q '^[1-9][0-9]* calls, [1-9][0-9]* allocations$' counted ||
    { echo "FAIL: no allocations without a rehearsal"; failed=1; }
# one allocation for each of five arenas, words and messages of a rank, all
# before the first step
rm -f calls
with FAKE_CUDA_LOG=calls run 0 $go --steps 2 --no-graph
sed -n '/^launch .*step_return/q;p' calls | grep -c ^alloc >a
grep -c ^alloc calls >b
same a b
[ "$(cat b)" = $((4 * 7)) ] || { echo "FAIL: $(cat b) allocations"; failed=1; }
# a transfer that does not come is named, in a graph too
for how in '' --no-graph; do
	with FAKE_NCCL_LOSE=1:150 run 69 $go --steps 9 --comm-timeout 3 $how
	grep -q 'the GPU has done nothing for [3-6].* s, and [a-z.]*[a-z0-9A-Z._]* on lane [a-z][a-z]* has not come' err || {
		echo "FAIL: lost transfer $how"
		cat err
		failed=1
	}
done
# a rank that is lost in a step leaves what was saved whole: a run goes on from it
with FAKE_NCCL_LOSE=1:400 run 69 $go --steps 9 --comm-timeout 3 \
    --out lost --save-every 1
[ "$(grep -c 'error:' err)" = 1 ] || { echo 'FAIL: not one message'; cat err; failed=1; }
ls -d lost/step-00000[1-8] >/dev/null 2>&1 || { echo 'FAIL: nothing saved'; failed=1; }
run 0 $go --steps 9 --out lost --resume
[ -d lost/step-000009 ] || { echo 'FAIL: not resumed'; failed=1; }
# four ranks on one GPU wait for each other on the host
export FAKE_CUDA_COUNT=1
graphs 0
# a rank's streams: of what it computes, two of the host, and one of each lane
lanes=$(sed -n 's/.*\.kind = LT_.*\.lane = \([0-9]*\),.*/\1/p' four.c | sort -u | wc -l)
[ "$lanes" -gt 3 ] && [ "$(grep -c '^stream ' calls)" = $((4 * (3 + lanes))) ] || {
	echo "FAIL: $(grep -c '^stream ' calls) streams of four ranks, $lanes lanes"
	failed=1
}
moving=$(sed -n 's/^launch nest_.* on //p' calls | sort -u | wc -l)
[ "$moving" -gt 8 ] || { echo "FAIL: moves are on $moving streams"; failed=1; }
end
