#!/bin/sh
# bench/gpu as far as it goes without a GPU: its models fit one, its program
# runs on the fake driver, its scripts are Python.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
build=$(pwd)
for model in llama_1b block_8b; do
	"$loongc" "$src/bench/gpu/$model.lt" --target=cuda --emit=plan \
		>"$tmp/plan" || fail "$model"
done
python=$(command -v python3) || python=
for script in run peer.py; do
	test -z "$python" || PYTHONDONTWRITEBYTECODE=1 "$python" -c \
		'import ast, sys; ast.parse(open(sys.argv[1]).read())' \
		"$src/bench/gpu/$script" || fail "$script"
done
# The search for the longest sequence; what fails keeps nothing from running.
test -z "$python" || PYTHONDONTWRITEBYTECODE=1 "$python" - \
	"$src/bench/gpu/run" "$loongc" <<'END' || fail "bench/gpu/run"
import importlib.machinery
import importlib.util
import sys
loader = importlib.machinery.SourceFileLoader('run', sys.argv[1])
run = importlib.util.module_from_spec(
    importlib.util.spec_from_loader('run', loader))
loader.exec_module(run)
for n in range(40):
    for most in (1, 2, 7, 16, 20):
        assert run.last_that(lambda k: k <= n, most) == min(n, most), (n, most)


class Args:
    loongc = sys.argv[2]


b = run.Bench(Args, '/nowhere')
sets, gpu, host = b.plan_of(64, 139 << 30, 110 << 30)
assert 'recipe.s=65536' in sets and gpu < 139 << 10 and host < 110 << 10
assert b.plan_of(64, 139 << 30, 0)[2] == 0, 'more than the host has'
assert b.plan_of(1024, 139 << 30, 110 << 30) is None
assert run.moved('kernel ..\nk3_add sm_90a 1 2 3 0 456  x.lt:1\n'
                 'attn sm_90a 1 2 3 0 0\n') == {'k3_add': 456}
assert run.durations('{"name":"k3_add","ph":"X","tid":3,"ts":1.0,"dur":7.5,'
                     '"args":{}},\n{"name":"step 2","dur":9.0}') == {
                         'k3_add': [7.5]}
b.attempt('this', lambda: {}['one'])
assert b.bad
END

"$loongc" "$src/tests/train/cuda.lt" --target=cuda --arch=sm_90a --emit=c \
	-v -o "$tmp/gen.c" 2>/dev/null || fail "no C"
"$loongc" -v "$src/tests/driver/tiny.lt" -o "$tmp/exe" 2>"$tmp/cc" ||
	fail "no trainer"
# The compiler's line without its program: -o to the end.
flags=$(sed -n 's/^  \(.*\) -o .* -x c - -x none\( .*\)$/\1 -w -x c FILE -x none\2/p' \
	"$tmp/cc" | head -n 1)
test -n "$flags" || fail "the compiler's line: $(cat "$tmp/cc")"
printf '#define GENERATED "%s"\n#include "%s"\n' "$tmp/gen.c" \
	"$src/bench/gpu/kernels.c" >"$tmp/main.c"
# shellcheck disable=SC2086
eval "$(echo "$flags" | sed "s|FILE|$tmp/main.c|") -o $tmp/kernels" ||
	fail "kernels.c does not compile"
LD_LIBRARY_PATH=$build/tests/gpu/libs FAKE_CUDA_ARCH=90
# What libraries of others leak is not counted.
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
export LD_LIBRARY_PATH FAKE_CUDA_ARCH ASAN_OPTIONS
for what in 'copy 1000000' 'rows 100000' 'attn 64 8 4 512 1 2'; do
	# shellcheck disable=SC2086
	"$tmp/kernels" $what >"$tmp/out" 2>"$tmp/err" &&
		grep -q '^{".*_ms": [0-9.]*' "$tmp/out" ||
		fail "kernels $what: $(cat "$tmp/out" "$tmp/err")"
done
exit $bad
