#!/bin/sh
# --trace: every statement, kernel and transfer of a step is in the timeline,
# on its track, for every rank; the training does not change.
. "${srcdir:-.}/tests/runtime/lib.sh"

# MPI libraries keep memory to the end: what they leave is not ours to mend.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

loongc=${LOONGC:?}
text 8000 text
train=$dir/t
go='--data text --steps 3 --threads 1 --quiet --trace trace.json'

# build MODEL ARGS...: the trainer t and its program t.c
build() {
	model=$source/tests/train/$1
	shift
	"$loongc" "$model" "$@" -o t && "$loongc" "$model" "$@" \
	    --emit=c >t.c || { echo "FAIL: compile $*"; failed=1; }
}

# shows RANKS [-v device=1]: what the trace has to show
shows() {
	ranks=$1
	shift
	awk -v ranks="$ranks" "$@" -f "$source/tests/train/trace.awk" t.c \
	    trace.json >wrong || { echo "FAIL: trace of $ranks ranks:";
		head -n 20 wrong; failed=1; }
	! command -v python3 >/dev/null || python3 -c '
import json
t = json.load(open("trace.json"))["traceEvents"]
assert {e["ph"] for e in t} == {"X", "M"}
' || { echo 'FAIL: not JSON'; failed=1; }
}

losses() {
	sed -n 's/.*"event":"step","step":\([0-9]*\),"loss":\([0-9.]*\).*/\1 \2/p' "$1"
}

# one rank, the default steps; the same losses as without
build tiny.lt
run 0 $go --log with
run 0 --data text --steps 3 --threads 1 --quiet --log without
losses with >a
losses without >b
same a b
shows 1
said trace.json '"first_step":2,"last_step":3}'
said trace.json '"name":"layer 1"'
grep -q '"name":"tiny.lt:[0-9]* attn",.*"step":2' trace.json || {
	echo 'FAIL: no attention'
	failed=1
}

# four ranks as threads, microbatches, rings; one step
build gqa.lt --mesh dp=2,cp=2 --set plan.micro=1 \
    --set 'plan.recompute=save(x, offload(attention))'
run 0 $go --trace-steps 3
shows 4
said trace.json '"name":"rank 3: dp=1 cp=1"'
said trace.json '"name":"microbatch 1"'
grep -q '"name":"lane ho"' trace.json || { echo 'FAIL: no lane ho'; failed=1; }
unsaid trace.json '"step":2'

# steps that the run has not, files that cannot be
fails 2 '--trace-steps 4:9: this run has the steps 1 to 3' $go \
    --trace-steps 4:9
fails 74 '--trace nowhere/t: No such file' --data text --steps 3 --trace nowhere/t

# a run that does not come so far, or is killed, leaves a timeline all the same:
# an empty one
"$train" --data text --steps 100000 --threads 1 --quiet --trace trace.json \
    --trace-steps 100000 --log killed 2>err &
pid=$!
await '"step":1,' killed $pid
kill -KILL $pid
wait $pid 2>wrong
said trace.json '"traceEvents":['
[ "$(tail -n 1 trace.json)" = ']}' ] || { cat trace.json; failed=1; }
! command -v python3 >/dev/null || python3 -m json.tool trace.json >wrong || {
	echo 'FAIL: a killed run leaves no JSON'
	failed=1
}

# as processes, into one file
for mpi in openmpi mpich; do
	command -v mpirun.$mpi >/dev/null || continue
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	rm -f trace.json
	timeout 120 ./t $go --nproc 4 --mpi $mpi --steps 2 2>err || {
		grep -q 'knows\|without MPI' err && continue
		cat err
		failed=1
		continue
	}
	shows 4
done

# kernels of a device, here the emulator, one rank and four
if command -v "${CXX:-c++}" >/dev/null; then
	build cuda.lt --plan four --target=cuda --arch=emu
	LOONG_EMU_GUARD=0 run 0 $go --steps 2
	shows 4 -v device=1
	for k in attn_fwd attn_bwd_keys adamw gemm step_check; do
		grep -q "\"name\":\"$k[a-z0-9_]*\",.*\"source\":" trace.json ||
		    { echo "FAIL: no kernel $k"; failed=1; }
	done
	said trace.json '"name":"exchange ki"'
	grep -q '"name":"cuda.lt:[0-9]* attn.step","ph":"X","pid":2,"tid":2' \
	    trace.json || { echo 'FAIL: no statement'; failed=1; }
fi
end
