#!/bin/sh
# A device has memory of its own: what is read from it and written to it by the
# host is the same as without one, bit by bit.
. "${srcdir:-.}/tests/runtime/lib.sh"

text 8000 text
t='--data text --peak 1 --sample 12 --temperature 0 --prompt the'

losses() {
	sed -n 's/.*"loss":\([-0-9.e]*\).*/\1/p' "$1"
}

run 0 $t --steps 8 --log cpu.log --out cpu
mv out cpu.out
with FAKE_DEVICE=emu run 0 $t --steps 8 --log emu.log --out emu
same cpu.out out
losses cpu.log >a
losses emu.log >b
[ -s a ] || { echo 'FAIL: no losses'; failed=1; }
same a b
for f in model optimizer; do
	same cpu/step-000008/$f.safetensors emu/step-000008/$f.safetensors
done

# each goes on from the other's checkpoint
run 0 $t --steps 12 --resume --out emu
mv out emu.out
with FAKE_DEVICE=emu run 0 $t --steps 12 --resume --out cpu
same emu.out out
for f in model optimizer; do
	same cpu/step-000012/$f.safetensors emu/step-000012/$f.safetensors
done

# documents and padding, too
rm -f a.log b.log
with "FAKE_S=29 FAKE_EOS=32" run 0 $t --steps 8 --log a.log
with "FAKE_S=29 FAKE_EOS=32 FAKE_DEVICE=emu" run 0 $t --steps 8 --log b.log
losses a.log >a
losses b.log >b
same a b

# the host stays out of it
if FAKE_DEVICE=host "$train" $t --steps 2 >out 2>err; then
	echo 'FAIL: the host has read memory of the device'
	failed=1
fi
with "FAKE_DEVICE=host LOONG_EMU_GUARD=0" run 0 $t --steps 2
end
