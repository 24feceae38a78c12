#!/bin/sh
# The CUDA backend against a driver that only pretends, and does everything as
# late as it may: what is called in which order, and what is said when it fails.
top=$(pwd)
. "${srcdir:-.}/tests/runtime/lib.sh"
# the libraries that pretend are not what is tested for leaks
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
export LD_LIBRARY_PATH="$top/tests/gpu/libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

unset CUDA_HOME CUDA_PATH

# the tests of calls and moves once more; products by the library, too
for t in check_calls check_move_device; do
	TEST_DEVICE=cuda FAKE_CUDA_LOG=chosen "$top/$t" >log 2>&1 || {
		echo "FAIL: $t on the fake driver"
		tail -n 20 log
		failed=1
	}
done

# each rank with a GPU of its own: over NCCL
TEST_DEVICE=cuda FAKE_CUDA_COUNT=16 "$top/check_move_device" >log 2>&1 || {
	echo "FAIL: moves over the fake NCCL"
	tail -n 20 log
	failed=1
}
said log 'ranks 0 and 1 are on one GPU of '

# breaks "NAME=VALUE" TEXT: the moves end with that message
breaks() {
	if env "$1" TEST_DEVICE=cuda FAKE_CUDA_COUNT=16 \
	    "$top/check_move_device" >log 2>&1; then
		echo "FAIL: $1 breaks nothing"
		failed=1
	fi
	said log "$2"
	unsaid log 'Received signal' # no rank reads what another has left
}
breaks FAKE_NCCL_VERSION=21703 'NCCL 2.17.3 is here; 2.18 or later is needed'
breaks LD_LIBRARY_PATH="$top/tests/gpu/libs/empty:$LD_LIBRARY_PATH" \
    'NCCL 0.0.0 is here, without ncclGetVersion; 2.18 or later is needed'
ldconfig -p 2>/dev/null | grep -q libnccl.so.2 ||
    [ -e /usr/local/cuda/lib64/libnccl.so.2 ] || {
	mkdir driver
	ln -s "$top/tests/gpu/libs/libcuda.so.1" driver
	breaks LD_LIBRARY_PATH="$dir/driver" \
	    'libnccl.so.2 is not here; ranks with a GPU each need it'
}
breaks FAKE_NCCL_ERROR=1:6 \
    'line: NCCL: remote process exited or there was a network error'

for n in 0 1; do
	said chosen "algorithm $n"
	said chosen "fp8 algorithm $n"
done

text 8000 text
t='--data text --peak 1 --steps 4'
export FAKE_DEVICE=cuda

# the same losses as on a CPU
FAKE_DEVICE='' "$train" $t --log cpu >out 2>err
with FAKE_CUDA_LOG=calls run 0 $t --log cuda
for f in cpu cuda; do
	sed -n 's/.*"loss":\([-0-9.e]*\).*/\1/p' $f >$f.losses
done
[ -s cpu.losses ] || { echo 'FAIL: no losses'; failed=1; }
same cpu.losses cuda.losses

# one allocation per arena and one for words, all given back
[ "$(grep -c ^alloc calls)" = 5 ] || { echo 'FAIL: allocations'; failed=1; }
grep ^alloc calls | sort | sed s/alloc/free/ >a
grep ^free calls | sort >b
same a b
said calls 'launch obey 1 1 1 of 32, 0 bytes, on 0'

# processes: ids travel from the first of a group to the others, over their
# own transport, which also tells those who wait for NCCL that one is gone
unset RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE OMPI_COMM_WORLD_SIZE PMI_SIZE
mkdir -m 700 own
(
	export XDG_RUNTIME_DIR="$dir/own" FAKE_CUDA_COUNT=2 FAKE_MESH=2 \
	    FAKE_NCCL_LOG="$dir/ids"
	exec timeout 60 "$train" $t --nproc 2 --rdzv auto --quiet
) >out 2>err &
all=$!
for i in $(seq 300); do
	[ "$(grep -c . ids 2>/dev/null)" = 2 ] && break
	sleep 0.1
done
[ "$(sort ids | sed 's/of [0-9]*,/of one,/')" = 'id 1 of one, rank 0 of 2
id 1 of one, rank 1 of 2' ] || { cat ids; failed=1; }
[ "$(sed 's/,.*//' ids | uniq | wc -l)" = 1 ] || { cat ids; failed=1; }
first=$(sed -n 's/^id 1 of \([0-9]*\),.*/\1/p;1q' ids)
start=$(date +%s)
kill -9 "$first"
wait $all
got=$?
[ $got = 69 ] || { echo "FAIL: exit $got without rank 0"; failed=1; }
[ $(($(date +%s) - start)) -lt 20 ] || { echo 'FAIL: not at once'; failed=1; }
said err 'rank 1: rank 0 is gone'

# a timeline by the device's events
run 0 $t --trace trace.json
awk '/"name":"obey"/ { sub(/.*"dur":/, ""); if ($0 + 0 > 0) n++ }
    END { exit n != 2 }' trace.json || { echo 'FAIL: trace'; failed=1; }

# a launch that fails, a kernel that fails
export FAKE_DEVICE
with FAKE_CUDA_FAIL=cuLaunchKernel:3:700 run 70 $t
said err 'launching obey (bigram.lt:9 obey), 1 x 1 x 1 blocks of 32 threads: CUDA_ERROR_ILLEGAL_ADDRESS'
with FAKE_CUDA_FAIL=obey:3:700 run 70 $t
said err 'GPU 0, Fake 0: computing in kernel obey (bigram.lt:9 obey): CUDA_ERROR_ILLEGAL_ADDRESS (an illegal'
with FAKE_CUDA_FAIL=obey:3:214 run 1 $t
said err 'has an error that ECC cannot correct, found computing in kernel obey (bigram.lt:9 obey); the last checkpoint is whole'

# what was saved before is whole: a run goes on from it, to the same end
"$train" $t --out whole >out 2>err
dies() {
	rm -rf broken
	with "FAKE_CUDA_FAIL=$1" run "$2" $t --out broken --save-every 1
	[ "$(grep -c 'error:' err)" = 1 ] ||
	    { echo "FAIL: $1: not one message"; cat err; failed=1; }
	[ -d broken/step-000002 ] ||
	    { echo "FAIL: $1: nothing saved"; ls broken; failed=1; }
	run 0 $t --out broken --resume
	same whole/step-000004/model.safetensors \
	    broken/step-000004/model.safetensors
}
dies obey:9:214 1
dies obey:9:700 70
dies cuLaunchKernel:10:700 70

# drivers and GPUs that do not fit
with FAKE_CUDA_VERSION=11040 fails 78 'the NVIDIA driver here is for CUDA 11.4' $t
with FAKE_CUDA_COUNT=0 fails 78 'the NVIDIA driver shows no GPU' $t
with FAKE_CUDA_ARCH=75 fails 78 'GPU 0, Fake 0, is sm_75; sm_80 is the oldest' $t
with FAKE_CUDA_MEMORY=1000000 fails 78 "of the device's memory" $t
with 'FAKE_CUDA_MEMORY=1000000 FAKE_CUDA_LOG=small' run 78 $t
[ "$(grep -c ^alloc small)" = 1 ] || # of words, to begin with
    { echo 'FAIL: allocated before it was compared'; cat small; failed=1; }
with FAKE_CUDA_FAIL=cuModuleLoadData:1:222 fails 78 \
    'rank 0: the kernels of all do not load on Fake 0, sm_90, with a driver for CUDA 13.0' $t
LD_LIBRARY_PATH='' fails 78 'no NVIDIA driver: libcuda.so.1 is not here' $t

# another GPU than the code is for: it is compiled here and kept
export XDG_CACHE_HOME="$dir/cache" FAKE_CUDA_ARCH=80
"$train" $t --dry-run >out 2>err
if "$train" $t >out 2>err; then
	said err 'compiling  all for sm_80'
	[ "$(ls -ld cache/loongc | cut -c 1-10)" = drwx------ ] ||
	    { ls -ld cache/loongc; failed=1; }
	run 0 $t
	unsaid err 'compiling'
	printf x >>"$(ls cache/loongc/*.cubin)"
	run 0 $t
	said err 'compiling'
	run 0 $t
	unsaid err 'compiling'
	chmod 777 cache/loongc
	run 0 $t
	said err 'is not used to keep kernels: others own it or can write it'
	said err 'compiling'
	chmod 700 cache/loongc
	if chown 65534 cache/loongc 2>/dev/null; then
		run 0 $t
		said err 'is not used to keep kernels: others own it or can'
		said err 'compiling'
		chown "$(id -u)" cache/loongc
		chown 65534 cache/loongc/*.cubin # not believed
		run 0 $t
		said err 'compiling'
	fi
	rm -rf cache/loongc
	: >cache/loongc
	run 0 $t
	said err 'is not used to keep kernels: Not a directory'
	said err 'compiling'
else
	said err 'was made without kernels for Fake 0 (loongc --arch=sm_80'
	said err 'no libnvrtc.so.13'
fi
end
