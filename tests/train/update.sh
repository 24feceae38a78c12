#!/bin/sh
# Parameters that change layer by layer change by the same bits: losses and
# checkpoint are those of update = step, in less memory.  (The norm is a sum in
# another order.)
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
for type in f32 bf16; do
	go step$type --set recipe.precision=$type
	more=$memory
	go layer$type --set recipe.precision=$type --set plan.update=layer
	[ -s step$type.losses ] && diff -u step$type.losses layer$type.losses ||
	    { echo "FAIL: losses in $type"; failed=1; }
	for f in model optimizer; do
		cmp step$type/step-000006/$f.safetensors \
		    layer$type/step-000006/$f.safetensors || failed=1
	done
	[ "$memory" -lt "$more" ] ||
	    { echo "FAIL: $memory bytes by layer, $more by step"; failed=1; }
done
exit "$failed"
