#!/bin/sh
# The kit for a machine with a GPU, away from the folders that it comes from: it
# compiles a trainer, and without a GPU its check is skipped.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
test -f Makefile && test -x dev_kernels_gemm ||
	{ echo "not in a build folder: skipped"; exit 77; }
unset LOONGC_RUNTIME
cp dev_kernels_gemm "$tmp/dev_emulator" # another one takes long to compile
srcdir=$src sh "$src/tests/gpu/kit.sh" dev_kernels_memory dev_kernels_gemm \
	"$tmp/dev_emulator" || fail "no kit"
mv gpu-kit.tar.gz "$tmp" && cd "$tmp" && tar xf gpu-kit.tar.gz || exit 1
test -f gpu-kit/dev_kernels_memory || fail "no program"
gpu-kit/check-gpu >out 2>&1
status=$?
case $status in
77) grep -q '^conformance of primitives  *skipped ' out || fail "$(cat out)" ;;
*) fail "check-gpu: exit $status: $(cat out)" ;;
esac
python=$(command -v python3) || exit $bad
gpu-kit/bench --help | grep -q -- --only || fail "bench"
cat >kernels.py <<'END'
import importlib.machinery
import importlib.util
import sys
loader = importlib.machinery.SourceFileLoader('run', 'gpu-kit/src/bench/gpu/run')
run = importlib.util.module_from_spec(
    importlib.util.spec_from_loader('run', loader))
loader.exec_module(run)


class Args:
    loongc = 'gpu-kit/bin/loongc'
    runtime = 'gpu-kit/lib/loongc/libloong_rt.a'


tell = run.tell # for one kind of GPU
run.tell = lambda cmd: tell(cmd + ['--arch=sm_90a'] * ('--emit=c' in cmd))
run.Bench(Args, '.').build()
END
LIBRARY_PATH=$tmp/gpu-kit/lib/loongc PYTHONDONTWRITEBYTECODE=1 \
	"$python" kernels.py >out 2>&1 && test -x kernels128 ||
	fail "bench's program: $(cat out)"
exit $bad
