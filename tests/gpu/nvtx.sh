#!/bin/sh
# Ranges for a profiler, here one that only writes them down: steps, layers and
# statements, by their names, nested, for each rank.
top=$(pwd)
. "${srcdir:-.}/tests/runtime/lib.sh"

# the library that pretends is not what is tested for leaks
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

loongc=${LOONGC:?}
text 8000 text
"$loongc" "$source/tests/train/gqa.lt" --mesh dp=2 -o t || exit 1
train=$dir/t
go='--data text --steps 2 --threads 1 --peak 1'

with "NVTX_INJECTION64_PATH=$top/tests/gpu/libs/libnvtx.so FAKE_NVTX_LOG=ranges" \
    run 0 $go --log with
unsaid err warning
run 0 $go --log without
for f in with without; do
	sed -n 's/.*"loss":\([-0-9.e]*\).*/\1/p' $f >$f.losses
done
same with.losses without.losses

# Everything a rank does is in a step or in an evaluation; a statement is
# named after its line, and stands in its layer.
awk '
	{ name = $3; for (i = 4; i <= NF; i++) name = name " " $i }
	$2 == 0 { if (name != "end") bad = 1; ends[$1]++; next }
	$2 == 1 { outer[$1] = name; if (name ~ /^step/) steps[$1]++
		if (name !~ /^(step|evaluation) [0-9]+$/) bad = 2; next }
	$2 == 2 { layer[$1] = name; next }
	$2 > 3 { bad = 3 }
	outer[$1] ~ /^step/ && layer[$1] == "layer 2" && name == "gqa.lt:12 attn" {
		found[$1]++ }
	END {
		for (r = 0; r < 2; r++) {
			t = "rank-" r
			if (steps[t] != 2 || found[t] != 2 || ends[t] < 4)
				bad = 4
		}
		if (bad)
			print "bad " bad
		exit bad
	}' ranges || { echo 'FAIL: ranges'; head -n 40 ranges; failed=1; }

# a library that is none, or does not start
with NVTX_INJECTION64_PATH=nowhere.so run 0 $go
said err 'warning: there are no ranges for the profiler: nowhere.so cannot be'
with "NVTX_INJECTION64_PATH=$top/tests/gpu/libs/libcuda.so.1" run 0 $go
said err 'is no library for NVTX'
with "NVTX_INJECTION64_PATH=$top/tests/gpu/libs/libnvtx.so FAKE_NVTX_FAIL=1" \
    run 0 $go
said err 'libnvtx.so does not start'
end
