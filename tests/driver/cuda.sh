#!/bin/sh
# Kernels for GPUs, looked at without one: sources, code and the table.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
model="$src/tests/train/cuda.lt"
go() { "$loongc" --target=cuda "$model" "$@"; }

says 2 "'sm_70' is no architecture" --target=cuda --arch=sm_70 "$model" -o t
says 2 "'sm_90b' is no architecture" --target=cuda --arch=sm_90b "$model" -o t
says 2 "'' is no architecture" --target=cuda --arch=sm_90a, "$model" -o t
says 2 "what only sm_90a has" --target=cuda --arch=sm_80,sm_90 "$model" -o t
says 2 "--arch names 90 twice" --target=cuda --arch=sm_90a,sm_90a "$model" -o t
says 1 "no unit is called 'frob'; there are:" --target=cuda --unit=frob \
	--emit=cuda "$model"
says 1 "NVRTC compiles nothing of it" --target=cuda --arch=emu --emit=ptx \
	"$model"

says 1 "E0601" --target=cuda --set recipe.precision=f32 "$model" -o t
says 1 "set compute = bf16" --target=cuda --set recipe.precision=f32 \
	"$model" -o t
says 1 "has kernels for 16, 32, 64, 80, 96, 128, 256" --target=cuda \
	--set d=24 "$model" -o t

go --emit=cuda >"$tmp/all.cu" || fail "--emit=cuda"
go --emit=cuda >"$tmp/again.cu"
cmp "$tmp/all.cu" "$tmp/again.cu" || fail "another source"
test "$(grep -c '^// ---- unit' "$tmp/all.cu")" -ge 3 || fail "too few units"
go --emit=cuda --unit=fused >"$tmp/one.cu" || fail "--unit=fused"
test "$(grep -c '^// ---- unit' "$tmp/one.cu")" -eq 1 || fail "not one unit"
grep -q 'asm volatile' "$tmp/all.cu" || fail "no PTX"
go --emit=cuda --arch=emu >"$tmp/emu.cc" || fail "--arch=emu"

# Kernels that no statement calls are left out: attention's, products'.
for unit in fused embed gemm nest attn_sm80; do
	grep -q "^// ---- unit $unit," "$tmp/all.cu" || fail "no unit $unit"
done

# What backward computes again is forward's kernel.
go --set plan.recompute=full --emit=cuda --unit=fused >"$tmp/full.cu"
awk '
	function end() { if (text != "" && seen[text]++) print name; text = "" }
	/^struct k[0-9]*_/ { end(); name = $2; sub(/_args$/, "", name); on = 1 }
	/^\/\*/ { end(); on = 0 }
	on { line = $0; gsub(name, "", line); text = text line "\n" }
	END { end() }' "$tmp/full.cu" >"$tmp/twice"
test -s "$tmp/twice" && fail "twice the same: $(cat "$tmp/twice")"
go --set plan.recompute=full --emit=c --arch=emu -o "$tmp/full.c" || fail "C"
test "$(grep -c 'lt_gpu_launch(rt, K_k0_rmsnorm' "$tmp/full.c")" -ge 2 ||
	fail "no kernel has two launches"

# Without NVRTC the source is there, and it says what is not known.
(
	CUDA_HOME=$tmp CUDA_PATH=$tmp
	export CUDA_HOME CUDA_PATH
	go --emit=kernels --unit=fused --arch=sm_90a
) >"$tmp/table" 2>"$tmp/note" || fail "--emit=kernels: $(cat "$tmp/note")"
grep -q '^kernel .*regs' "$tmp/table" || fail "no table"
# 192 rows of 64 bf16 come and go, and so many weights come
grep -q '^k0_rmsnorm .* 49280  cuda.lt:20' "$tmp/table" ||
	fail "what kernels move: $(cat "$tmp/table")"
if grep -q 'not compiled' "$tmp/note"; then
	grep -q '^k0_.* ? ' "$tmp/table" || fail "$(cat "$tmp/table")"
	test $bad -eq 0 && { echo "no NVRTC: nothing was compiled"; exit 77; }
	exit $bad
fi
awk '/^k[0-9]/ { n++; if ($3 < 8 || $6 != 0) exit 1 } END { exit n < 5 }' \
	"$tmp/table" || fail "the table: $(cat "$tmp/table")"
go --emit=ptx --unit=fused --arch=sm_90a >"$tmp/p" || fail "--emit=ptx"
grep -q '^.target sm_90a' "$tmp/p" || fail "no PTX"
go --emit=cubin --unit=fused --arch=sm_90a -o "$tmp/c" || fail "--emit=cubin"
head -c 4 "$tmp/c" | grep -q ELF || fail "no cubin"
says 1 "a cubin is one unit for one architecture" --target=cuda --emit=cubin \
	--unit=fused --arch=sm_80,sm_90a "$model"
exit $bad
