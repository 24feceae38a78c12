#!/bin/sh
# The table of check-gpu, with programs that only pretend: a line for each
# check, by its own name, and one that fails or hangs is told and ends it with 1.
set -u
src=$(cd "${srcdir:-.}" && pwd)
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 99

for t in emulator kernels_memory kernels_sums kernels_gemm kernels_fp8 \
	attn_sm80 attn_sm90; do
	printf '#!/bin/sh\necho "%s $*"\nsleep ${SLEEP_%s:-0}\nexit ${BAD_%s:-0}\n' \
		$t $t $t >dev_$t
done
# A compiler whose trainers learn the same whatever they are for.
cat >loongc <<'END'
#!/bin/sh
while [ $# -gt 1 ] && [ "$1" != -o ]; do shift; done
[ $# -gt 1 ] || exit 0
cat >"$2" <<'TRAINER'
#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in
	--log) awk 'BEGIN { for (i = 1; i <= 40; i++)
		printf "{\"event\":\"step\",\"step\":%d,\"loss\":%g," \
		    "\"grad_norm\":1,\"ms\":7.5}\n", i, 9 / i }' >"$2" ;;
	--out) mkdir -p "$2/step-000100"
		echo x | tee "$2/step-000100/model.safetensors" \
		    >"$2/step-000100/optimizer.safetensors" ;;
	--trace) : >"$2" ;;
	esac
	shift
done
TRAINER
chmod +x "$2"
END
chmod +x dev_* loongc

cat >want <<'END'
conformance of primitives
conformance of sm_90 primitives
kernels: memory
kernels: sums
kernels: gemm
kernels: fp8
kernels: attention, sm_80
kernels: attention, sm_90
trainer for CPUs
trainer, 1 rank
trainer, 4 ranks (hp=2, cp=2)
trainer, 8 ranks (dp, hp, cp = 2)
a step as a CUDA graph
the timeline of a step
compute-sanitizer memcheck
compute-sanitizer racecheck
resume at 50 of 100 steps
END
bad=0
# go NAME=VALUE STATUS: the table, its names in `names`
go() {
	env "$1" srcdir="$src" LOONGC="$tmp/loongc" PATH="$PATH" \
		sh "$src/tests/gpu/check-gpu.sh" >table 2>&1
	got=$?
	[ $got = "$2" ] || { echo "$1: exit $got, not $2"; bad=1; }
	sed -n 's/ *\(passed\|skipped\|FAILED\)  *[0-9][0-9]* s .*//p' table >names
	cmp -s want names || { echo "$1:"; diff want names; bad=1; }
	grep -q '^trainer, 1 rank .*passed .*40 losses, at most 0.00 of the bound' \
		table || { echo "$1: no losses compared"; bad=1; }
}
go BAD_none=0 1 # this timeline is empty
[ "$(grep -c ' FAILED ' table)" = 1 ] || bad=1
grep -q '^the timeline of a step  *FAILED ' table || bad=1
go BAD_kernels_sums=1 1
grep -q '^kernels: sums  *FAILED .*sums' table || bad=1
[ "$(tail -n 1 table)" = 'checks FAILED' ] || bad=1
go BAD_attn_sm90=77 1
grep -q '^kernels: attention, sm_90  *skipped ' table || bad=1
export CHECK_GPU_LIMIT=2
go SLEEP_attn_sm90=60 1
grep -q '^kernels: attention, sm_90  *FAILED .*ended after 2 seconds' table ||
	bad=1
[ $bad = 0 ] || cat table
exit $bad
