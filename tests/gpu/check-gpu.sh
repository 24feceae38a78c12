#!/bin/sh
# make check-gpu: everything that needs a GPU, on the first one of this machine,
# within ten minutes.  Prints a table, a line a check; ends with 1 if one
# failed and with 77 if there is no GPU.
#
#	conformance  each primitive of lk.h, device against emulator's reference
#	kernels      all kernels against f64
#	trainers     1 rank, and 4 and 8 on the one GPU, against a CPU's losses
#	graph        a step at once and kernel by kernel: the same bits
#	timeline     every kernel of a step is in --trace
#	sanitizer    compute-sanitizer's memcheck and racecheck, where it is
#	resume       100 steps, and 50 and 50: the same bits
#
# A program that hangs is ended after two minutes, or CHECK_GPU_LIMIT seconds,
# and all of them when the ten minutes are over.
set -u
start=$(date +%s)
build=$(pwd)
src=$(cd "${srcdir:-.}" && pwd)
loongc=${LOONGC:-$build/loongc}
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
bad=0 ran=0

# row NAME STATUS SECONDS [NOTE]
row() {
	case $2 in
	0) result=passed ran=$((ran + 1)) ;;
	77) result=skipped ;;
	*) result=FAILED bad=1 ;;
	esac
	printf '%-34s %-8s %5s s  %s\n' "$1" "$result" "$3" "${4-}"
}

# within COMMAND...: as long as it may take.
within() {
	left=$((start + 590 - $(date +%s)))
	test $left -le "${CHECK_GPU_LIMIT:-120}" ||
		left=${CHECK_GPU_LIMIT:-120}
	test $left -gt 0 || left=1
	timeout -k 5 "$left" "$@"
	ended=$?
	case $ended in
	124 | 137) echo "ended after $left seconds" ;;
	esac
	return $ended
}

# try NAME COMMAND...: the last line it prints is the note.
try() {
	name=$1
	shift
	begin=$(date +%s)
	("$@") >"$tmp/out" 2>&1 # its variables are its own
	status=$?
	row "$name" $status $(($(date +%s) - begin)) "$(tail -n 1 "$tmp/out")"
	test $status -eq 0 -o $status -eq 77 || sed 's/^/    /' "$tmp/out" |
		tail -n 20
	return $status
}

printf '%-34s %-8s %7s\n' check result time
try 'conformance of primitives' within "$build/dev_emulator" lanes_exchange \
	functions memory_of_each_type rounding_to_bf16 mma_multiplies
test $? -ne 77 || exit 77
try 'conformance of sm_90 primitives' within "$build/dev_emulator" \
	wgmma_multiplies wgmma_of_each_width warpgroups_take_turns bulk_copies
for t in memory sums gemm fp8; do
	try "kernels: $t" within "$build/dev_kernels_$t"
done
try 'kernels: attention, sm_80' within "$build/dev_attn_sm80"
try 'kernels: attention, sm_90' within "$build/dev_attn_sm90"

# ---- trainers ----

cd "$tmp" || exit 99
awk 'BEGIN {
	n = split("the cat sat on a mat and saw the dog run to it", w, " ")
	x = 1
	for (i = 0; i < 4000; i++) {
		x = (x * 16807) % 2147483647
		printf "%s%s", w[x % n + 1], x % 31 == 0 ? ".\n" : " "
	}
}' >text
model=$src/tests/train/cuda.lt
sets='--set recipe.steps=40'
# Code for this GPU alone, if it says what it is: others take their time.
arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader -i 0 \
	2>/dev/null | tr -d .)
case $arch in
8[0-9]) cuda="--target=cuda --arch=sm_$arch" ;;
[1-9][0-9] | [1-9][0-9][0-9]) cuda="--target=cuda --arch=sm_${arch}a" ;;
*) cuda=--target=cuda ;;
esac

steps() {
	sed -n 's/.*"event":"step","step":\([0-9]*\),.*"loss":\([-0-9.e]*\).*"grad_norm":\([-0-9.e]*\).*/\1 \2 \3/p' "$1"
}
# learn NAME LOONGC-ARGS...: 40 steps, to NAME.steps.
learn() {
	name=$1
	shift
	# shellcheck disable=SC2086
	"$loongc" "$model" $sets "$@" -o "$name" &&
		within ./"$name" --data text --quiet --log "$name.jsonl" || return 1
	steps "$name.jsonl" >"$name.steps"
}
# The bound of tests/train/cuda.sh grows with the steps, one of which makes the
# difference of weights at most as large again as that of its gradients: twice
# after three steps, as sqrt(n) for n.
as_cpu() {
	learn "$@" || return 1
	paste "$1.steps" cpu.steps | awk '
		{ e = 5e-3 * sqrt($1 > 3 ? $1 / 3 : 1); d = $2 - $5
		  if (d < 0) d = -d
		  if (NF != 6 || $1 != $4 || d > e) bad = 1
		  if (d / e > far) far = d / e; n++ }
		END { printf "%d losses, at most %.2f of the bound\n", n, far
		  exit bad || n != 40 }'
}
try 'trainer for CPUs' learn cpu
# shellcheck disable=SC2086
try 'trainer, 1 rank' as_cpu one $cuda
# shellcheck disable=SC2086
try 'trainer, 4 ranks (hp=2, cp=2)' as_cpu four --plan four $cuda
# shellcheck disable=SC2086
try 'trainer, 8 ranks (dp, hp, cp = 2)' as_cpu eight --mesh dp=2,hp=2,cp=2 \
	$cuda

# ---- graphs and timelines ----

graph() {
	for how in '' --no-graph; do
		# shellcheck disable=SC2086
		within ./one --data text --steps 20 --log "graph$how" $how \
			2>err || return 1
		steps "graph$how" >"graph$how.steps"
		if test -z "$how" && grep 'graph  *none' err; then
			return 1
		fi
	done
	cmp graph.steps graph--no-graph.steps || return 1
	for how in '' --no-graph; do
		sed -n 's/.*"step":20,.*"ms":\([0-9.]*\).*/\1 ms/p' "graph$how"
	done | paste -sd' ' | sed 's/ ms / ms a step, /; s/$/ without a graph/'
}
try 'a step as a CUDA graph' graph
timeline() {
	# shellcheck disable=SC2086
	"$loongc" "$model" $sets $cuda --emit=c >one.c &&
		within ./one --data text --steps 4 --trace trace.json &&
		awk -v ranks=1 -v device=1 -f "$src/tests/train/trace.awk" \
			one.c trace.json || return 1
	echo "$(grep -c '"tid":3,"ts"' trace.json) kernels of two steps"
}
try 'the timeline of a step' timeline

# ---- the sanitizer of NVIDIA ----

sanitize() {
	sanitizer=$(command -v compute-sanitizer ||
		ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
	test -n "$sanitizer" || { echo 'no compute-sanitizer'; return 77; }
	within "$sanitizer" --tool "$1" --error-exitcode 1 ./one --data text \
		--steps 2 --eval-every 0 --quiet && echo 'clean'
}
try 'compute-sanitizer memcheck' sanitize memcheck
try 'compute-sanitizer racecheck' sanitize racecheck

# ---- resuming ----

resume() {
	# shellcheck disable=SC2086
	"$loongc" "$model" --set recipe.steps=100 $cuda -o hundred &&
		within ./hundred --data text --quiet --out whole &&
		within ./hundred --data text --quiet --out parts --steps 50 &&
		within ./hundred --data text --quiet --out parts --resume || return 1
	for f in model optimizer; do
		cmp "whole/step-000100/$f.safetensors" \
			"parts/step-000100/$f.safetensors" || return 1
	done
	echo 'the same bits'
}
try 'resume at 50 of 100 steps' resume
test $bad -eq 0 && echo "$ran checks passed" || echo 'checks FAILED'
exit $bad
