#!/bin/sh
# Trainers of several ranks: saved on one mesh, resumed on another; trouble
# with a checkpoint ends all ranks with one message.
. "${srcdir:-.}/tests/runtime/lib.sh"

text 8000 text
go='--data text --steps 8 --peak 1 --threads 1'

# on MESH ... : "1" is one rank, "f" before a mesh shards the state
on() {
	mesh=$1
	shift
	case $mesh in
	1) "$@" ;;
	f*) with "FAKE_MESH=${mesh#f} FAKE_FLAT=1" "$@" ;;
	*) with "FAKE_MESH=$mesh" "$@" ;;
	esac
}

losses() {
	sed -n 's/.*"step":\([0-9]*\),"loss":\([-0-9.e]*\).*/\1 \2/p' "$1"
}

# near FILE FILE: losses of steps 5 to 8 and of the evaluation within 2e-6.
# Each is a mean of 256 numbers of about 5, summed in double on each rank and
# in f32 over at most 8 of them: 8 roundings of 2^-24, 5e-7.  The rest is for
# the weights, which were updated from gradients that were summed likewise.
near() {
	losses "$1" | sed -n '/^[5678] /p' >a
	losses "$2" | sed -n '/^[5678] /p' >b
	paste a b | awk 'NF == 4 && $1 == $3 && ($2 - $4)^2 <= (2e-6 * $2)^2 {
		ok++ } END { exit ok != 5 }' || {
		echo "FAIL: losses of $1 and $2 differ"
		paste a b
		failed=1
	}
}

one_error() {
	[ "$(grep -c 'error: ' err)" = 1 ] || {
		echo "FAIL: not one error:"
		cat err
		failed=1
	}
}

# Never stopped, on each mesh; the bits of step 4 are kept.
for mesh in 1 2 f2x2x1 f2x2x2 f1x2x4; do
	on $mesh run 0 $go --out $mesh --save-every 4 --log $mesh.log
	near 1.log $mesh.log
done

# From any to any; on the mesh it came from to the same bits.
for from in 1 f2x2x1 f2x2x2 f1x2x4; do
	for to in 1 2 f2x2x2 f1x2x4; do
		rm -rf again again.log
		mkdir again
		cp -r $from/step-000004 again
		on $to run 0 $go --out again --resume --log again.log
		near 1.log again.log
		[ $from != $to ] || for file in model optimizer; do
			same $from/step-000008/$file.safetensors \
			    again/step-000008/$file.safetensors
		done
	done
done

# Killed at any moment, again and again, on one mesh and on another: it gets
# there all the same, and has trained on the same data.
killed=0
mkdir killed
while [ ! -d killed/step-000040 ] && [ $killed -lt 60 ]; do
	killed=$((killed + 1))
	case $((killed % 3)) in
	0) mesh=1 ;;
	1) mesh=f2x2x1 ;;
	2) mesh=f1x2x2 ;;
	esac
	FAKE_SLEEP=20 on $mesh timeout -s KILL "0.$((killed % 5 + 2))" "$train" \
	    $go --steps 40 --out killed --resume --save-every 1 --quiet \
	    >/dev/null 2>&1
done
unset FAKE_SLEEP
[ -d killed/step-000040 ] && [ $killed -ge 3 ] || {
	echo "FAIL: killed $killed times, and then:"
	ls killed
	failed=1
}
on 1 run 0 $go --steps 40 --out straight --quiet
rm -f a b
for dir in straight killed; do
	on 1 run 0 $go --steps 41 --out $dir --resume --quiet --log $dir.log
done
losses straight.log | grep '^41 ' >a
losses killed.log | grep '^41 ' >b
# as above, with ten times the steps
paste a b | awk '(NF == 4 || NF == 2) && ($2 - $4)^2 <= (2e-5 * $2)^2 { ok++ }
	END { exit !(NR > 0 && ok == NR) }' || {
	echo "FAIL: killed and not killed differ"
	paste a b
	failed=1
}

# Damaged: all ranks end, with one message; the older one is taken on request.
cp -r f2x2x2 damaged
printf '\377' | dd of=damaged/step-000008/optimizer.safetensors bs=1 \
    seek=300000 conv=notrunc 2>dd
on f2x2x2 run 65 $go --out damaged --resume
one_error
said err 'damaged: the hash of tensor moment2.bigram.w differs'
said err 'step-000004 is intact: --resume-valid goes on from it'
on f2x2x2 run 0 $go --out damaged --resume-valid --steps 8
same f2x2x2/step-000008/optimizer.safetensors \
    damaged/step-000008/optimizer.safetensors
rm damaged/step-000008/model.safetensors
on f1x2x4 run 65 $go --out damaged --resume
one_error
said err 'model.safetensors: No such file'

# Another recipe, for all ranks at once.
on f2x2x2 run 65 $go --out f2x2x2 --resume --seed 8
one_error
said err 'seed: 8 here and 7 in the checkpoint'

# No room: training goes on to its end, and the code says that the last save
# is missing; with room again it goes on from the older one.
rm -rf full
mkdir full
cp -r f2x2x2/step-000004 full
(
	ulimit -f 300
	on f2x2x2 run 74 $go --out full --resume --save-every 2
	exit $failed
) || failed=1
said err 'warning: the checkpoint of step 6 is not saved: full/step-000006: '
said err 'warning: the checkpoint of step 8 is not saved: full/step-000008: '
[ "$(grep -c 'warning: ' err)" = 2 ] || { cat err; failed=1; }
[ "$(ls full | tr '\n' ' ')" = 'lock step-000004 ' ] || {
	echo "FAIL: full holds: $(ls full)"
	failed=1
}
on 1 run 0 $go --out full --resume

end
