#!/bin/sh
# Trainers for GPUs, all kernels in the emulator: a tiny Llama in bf16 on one
# rank and on four (hp=2, cp=2) learns what the trainer for CPUs learns.  The
# emulator closes the device's memory to the host between calls, and looks for
# accesses to shared memory in no order.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
cd "$tmp" || exit 99

awk 'BEGIN {
	n = split("the cat sat on a mat and saw the dog run to it", w, " ")
	x = 1
	for (i = 0; i < 4000; i++) {
		x = (x * 16807) % 2147483647
		printf "%s%s", w[x % n + 1], x % 31 == 0 ? ".\n" : " "
	}
}' >text

# build NAME ARGS...; go NAME LOG OPTION...: three steps, to LOG.steps.
build() {
	name=$1
	shift
	"$loongc" "$src/tests/train/cuda.lt" "$@" -o "$name" ||
		{ fail "compiling $name"; exit 1; }
}
go() {
	program=$1
	log=$2
	shift 2
	./"$program" --data text --steps 3 --threads 1 --quiet --log "$log.jsonl" \
		"$@" >"$log.out" 2>&1 || fail "$log: $(cat "$log.out")"
	sed -n 's/.*"event":"step","step":\([123]\),.*"loss":\([-0-9.e]*\).*"grad_norm":\([-0-9.e]*\).*/\1 \2 \3/p' \
		"$log.jsonl" >"$log.steps"
}

# near NAME NAME.  Both round to bf16 what a layer hands on, by 2^-9 at most,
# some 30 values deep, and what attention multiplies where they like: two runs
# are apart by 2^-9 sqrt(30) = 1e-2 of an activation, independently in each of
# them.  The loss is a mean over 192 tokens of logits of the order of one:
# 1e-2 / sqrt(192) = 8e-4; the norm is that of gradients that are so much off
# each.  Three steps, and a factor of two for bad luck.
near() {
	paste "$1.steps" "$2.steps" | awk '
		function within(x, y, e) { return (x - y)^2 <= e * e }
		NF == 6 && $1 == $4 && within($2, $5, 5e-3) &&
			within($3 / $6, 1, 2e-2) { ok++ }
		END { exit ok != 3 }' || {
		fail "$1 and $2 differ"
		paste "$1.steps" "$2.steps"
	}
}

LOONG_EMU_RACE=1
export LOONG_EMU_RACE
build cpu
go cpu cpu
build gpu --target=cuda --arch=emu
go gpu gpu
near gpu cpu
build four --plan four --target=cuda --arch=emu
go four four
near four cpu

# Linear maps in fp8.  Both sides round alike what is alike; what bf16 left 2^-8
# apart falls to both sides of the middle between two numbers of 3 bits, 2^-3
# apart, in one case of 32, and then differs by 2^-3: sqrt(1/32) 2^-3 = 2e-2 of
# an operand.  Independent in 8 products, one after the other, that is 6e-2 of
# an activation and 6e-2 / sqrt(192) = 4e-3 of the loss: within 5e-3.
build cpu8 --set recipe.linear=fp8
go cpu8 cpu8
build gpu8 --target=cuda --arch=emu --set recipe.linear=fp8
go gpu8 gpu8
near gpu8 cpu8
build four8 --plan four --target=cuda --arch=emu --set recipe.linear=fp8
go four8 four8
near four8 cpu8
cmp cpu.steps cpu8.steps >/dev/null && fail "fp8 changes nothing"

# The same bits where the host keeps what backward needs, on streams of its own.
build host --target=cuda --arch=emu \
	--set 'plan.recompute=save(z, offload(x, o))'
go host host
cmp host.steps gpu.steps || fail "what the host keeps changes the result"

# The same bits by however many blocks.
go gpu margin --sm-margin 3
cmp gpu.steps margin.steps || fail "the margin changes the result"

# The same bits whatever the threads of a block do first.
LOONG_EMU_MODE=random
export LOONG_EMU_MODE
go gpu again
cmp gpu.steps again.steps || fail "the order of threads changes the result"
exit $bad
