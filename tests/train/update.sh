#!/bin/sh
# Parameters that change layer by layer change by the same bits: losses and
# checkpoint are those of update = step, in less memory.  (The norm is a sum in
# another order.)  So are those of parameters whose bf16 copies are made layer
# by layer, or not made where products read the masters.
. "${srcdir:-.}/tests/runtime/lib.sh"

loongc=${LOONGC:?}
text 8000 text
train=$dir/tiny
# go NAME SETTINGS...: six steps; sets $memory
go() {
	out=$1
	shift
	"$loongc" "$source/tests/train/tiny.lt" --set recipe.clip=0 "$@" \
	    -o tiny || { echo "FAIL: compile $*"; failed=1; return; }
	run 0 --data text --steps 6 --out "$out" --log "$out.log" --quiet
	sed -n 's/.*"event":"step","step":\([0-9]*\),"loss":\([0-9.]*\).*/\1 \2/p' \
	    "$out.log" >"$out.losses"
	memory=$(./tiny --data text --dry-run | sed -n 's/^memory *\([0-9]*\).*/\1/p')
}
# same NAME SETTINGS...: as the run before, in less memory
same() {
	old=$out more=$memory
	go "$@"
	[ -s "$old.losses" ] && diff -u "$old.losses" "$out.losses" ||
	    { echo "FAIL: losses of $*"; failed=1; }
	for f in model optimizer; do
		cmp "$old/step-000006/$f.safetensors" \
		    "$out/step-000006/$f.safetensors" || failed=1
	done
	[ "$memory" -lt "$more" ] ||
	    { echo "FAIL: $memory bytes with $*, $more before"; failed=1; }
}
for type in f32 bf16; do
	go step$type --set recipe.precision=$type --set plan.copies=all
	same layer$type --set recipe.precision=$type --set plan.update=layer \
	    --set plan.copies=all
done
same copies --set recipe.precision=bf16 --set plan.update=layer \
    --set plan.copies=layer
same few --set recipe.precision=bf16 --set plan.update=layer

# Kernels of what backward makes again do not begin before the copy is there.
"$loongc" "$source/bench/models/gpt2_b4_t64.lt" --set recipe.precision=bf16 \
    --set plan.copies=layer --set plan.recompute=full --emit=c >/dev/null ||
    failed=1

# A kernel of rows reads no masters.
"$loongc" "$source/tests/train/tiny.lt" --set recipe.precision=bf16 \
    --after=memory >few.lir
grep -q 'E\.nf\.cast' few.lir && ! grep -q 'w[qkv]\.cast\|emb\.cast' few.lir ||
    { echo "FAIL: copies: $(grep cast few.lir)"; failed=1; }
sed 's/, E\.nf\.cast +64//' few.lir >wrong.lir
"$loongc" wrong.lir --emit=c >/dev/null 2>err &&
    { echo "FAIL: a kernel reads masters"; failed=1; }
grep -q 'norm.* reads E\.nf, which has no copy in bf16' err ||
    { echo "FAIL: $(cat err)"; failed=1; }

# A plan that reads a layer's copy after another one took its place is refused.
"$loongc" "$source/tests/train/tiny.lt" --set recipe.precision=bf16 \
    --set plan.copies=layer --after=memory >plan.lir
"$loongc" plan.lir --emit=c >/dev/null || failed=1
sed 's/^\( *\)[a-z]* = params @W\[l\] : bf16$/&\n\1other = params @W[0] : bf16/' \
    plan.lir >wrong.lir
"$loongc" wrong.lir --emit=c >/dev/null 2>err &&
    { echo "FAIL: a copy that is not there is read"; failed=1; }
grep -q 'reads the copy of layer 1 .*place is that of layer 0' err ||
    { echo "FAIL: $(cat err)"; failed=1; }
exit "$failed"
