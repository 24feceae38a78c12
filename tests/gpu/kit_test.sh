#!/bin/sh
# The kit for a machine with a GPU, away from the folders that it comes from: it
# compiles a trainer, and without a GPU its check is skipped.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
test -f Makefile && test -x dev_kernels_gemm ||
	{ echo "not in a build folder: skipped"; exit 77; }
unset LOONGC_RUNTIME
srcdir=$src sh "$src/bench/gpu/kit" dev_kernels_memory dev_kernels_gemm ||
	fail "no kit"
mv gpu-kit.tar.gz "$tmp" && cd "$tmp" && tar xf gpu-kit.tar.gz || exit 1
gpu-kit/dev_kernels_memory >out 2>&1
case $? in
0 | 77) ;;
*) fail "dev_kernels_memory: $(cat out)" ;;
esac

# A driver that does not want to.
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "skipped: $LIBRARY_PATH"\nexit 77\n' >gpu-kit/dev_emulator
chmod +x gpu-kit/dev_emulator
gpu-kit/check-gpu >out 2>&1
test $? -eq 77 || fail "check-gpu is not skipped: $(cat out)"
grep -q "skipped: $tmp/gpu-kit/lib/loongc" out || fail "$(cat out)"

# Trainers are compiled, and what bench/gpu compiles.
LIBRARY_PATH=$tmp/gpu-kit/lib/loongc gpu-kit/bin/loongc \
	gpu-kit/src/tests/train/cuda.lt -o train 2>err && ./train --help \
	>/dev/null || fail "no trainer: $(cat err)"
cat >gen.c <<'END'
#include "runtime/gpu/gpu.h"
#include "runtime/loong_rt.h"
#include <math.h>
static const struct lt_program program;
int main(void) { return 0; }
END
${CC:-cc} -std=gnu11 -w -Igpu-kit/src "-DGENERATED=\"$tmp/gen.c\"" -c \
	gpu-kit/src/bench/gpu/kernels.c || fail "kernels.c does not compile"
command -v python3 >/dev/null || exit $bad
PYTHONDONTWRITEBYTECODE=1 gpu-kit/bench --help | grep -q -- --only ||
	fail "bench"
exit $bad
