#!/bin/sh
# Ranks as threads of one process: the same training as alone.
. "${srcdir:-.}/tests/runtime/lib.sh"

text 8000 text
t='--data text --steps 8 --peak 1 --sample 12 --temperature 0 --prompt the'

# losses FILE: one a line, held-out ones too
losses() {
	sed -n 's/.*"loss":\([-0-9.e]*\).*/\1/p' "$1"
}

# near FILE FILE: the same number of losses, each within 1e-6.  A loss is a
# mean of 256 terms of about 5 summed in double per rank and in float over at
# most 16 ranks: 16 roundings of 2^-24 each.
near() {
	losses "$1" >want.losses
	losses "$2" >got.losses
	paste want.losses got.losses | awk -v n="$(wc -l <want.losses)" '
		NF == 2 && ($1 - $2)^2 <= (1e-6 * $1)^2 { ok++ }
		END { exit !(n > 0 && NR == n && ok == n) }' || {
		echo "FAIL: losses of $1 and $2 differ"
		paste want.losses got.losses
		failed=1
	}
}

run 0 $t --log alone
mv out alone.out
for mesh in 2 4 2x2x1 1x2x2 2x2x2 4x2x2 2x4x2; do
	for flat in '' 1; do
		rm -f log
		with "FAKE_MESH=$mesh FAKE_FLAT=$flat" run 0 $t --log log
		near alone log
		same alone.out out
		said log '"event":"end","step":8,"exit":0'
		[ "$(grep -c '^step 8/8' err)" = 2 ] || {
			echo "FAIL: $mesh: more than one rank reports"
			cat err
			failed=1
		}
	done
done

# padding, documents across ranks: labels that do not count are nobody's
rm -f padded log
with "FAKE_S=29 FAKE_EOS=32" run 0 $t --log padded
unsaid padded "$(losses alone | tail -n 1)"
with "FAKE_S=29 FAKE_EOS=32 FAKE_MESH=2x2x2" run 0 $t --log log
near padded log
said err ' 232 tokens: 2 x 4 sequences of 29;'

# one transfer at a time changes no bit
rm -f log serial
with "FAKE_MESH=2x2x2 FAKE_FLAT=1" run 0 $t --log log
with "FAKE_MESH=2x2x2 FAKE_FLAT=1" run 0 $t --log serial --serial-comm
losses log >a
losses serial >b
same a b

# what is sent: per step the gather of 65536 f32 over 8 ranks, each sending
# its eighth to 7 others; the scatter the same; two scalars, 7 + 7 of 4 bytes
rm -f log
with "FAKE_MESH=2x2x2 FAKE_FLAT=1" run 0 --data text --steps 8 --peak 1 \
    --log log --comm
said out 'allreduce  dp,co,ci                    2                  112             14.0'
said out 'gather     dp,co,ci                    1              1835008         229376.0'
said out 'rscatter   dp,co,ci                    1              1835008         229376.0'
said log '"comm":[{"op":"gather","axes":"dp,co,ci","calls":8,"bytes":14680064}'
said log '{"op":"allreduce","axes":"dp,co,ci","calls":16,"bytes":896}'

# what a dry run says
with FAKE_MESH=2x2x2 run 0 --data text --dry-run --threads 16
said out 'ranks      8, in this process: dp=2 co=2 ci=2'
said out 'bytes planned per rank'
said out '           8 ranks: '
said out 'machine    2 threads per rank'

# all stop at the same step, and one of them says so
rm -f log
with "FAKE_MESH=2x2x1 FAKE_SPIN=3" run 143 $t --log log
said err 'stopped by SIGTERM after step 3; nothing is saved without --out'
[ "$(grep -c 'stopped by' err)" = 1 ] || { cat err; failed=1; }
said log '"event":"end","step":3,"exit":143'
with "FAKE_MESH=2x2x1 FAKE_NAN=4" run 76 $t
said err 'step 4: the loss is not finite; the weights are those of step 3'
[ "$(grep -c 'not finite' err)" = 1 ] || { cat err; failed=1; }

# a timeline of what there was, if the run ends before; a disk that is full
with "FAKE_MESH=2x2x2 FAKE_FLAT=1 FAKE_NAN=3" run 76 $t --trace t.json
said t.json '"name":"rank 7: dp=1 co=1 ci=1"'
said t.json '"name":"lane 2"'
[ "$(tail -n 1 t.json)" = ']}' ] || { echo 'FAIL: half a trace'; failed=1; }
if [ -w /dev/full ]; then
	with FAKE_MESH=2 run 0 $t --trace /dev/full
	said err '--trace /dev/full: cannot be written: No space left'
fi

# saved on one mesh, resumed on another: as if nothing had happened
rm -f log
with "FAKE_MESH=2x2x1 FAKE_FLAT=1 FAKE_SPIN=4" run 75 $t --log log --out dir
said err 'saved step 4 in dir'
with "FAKE_MESH=2x1x4" run 0 $t --log log --out dir --resume
said err 'resume     from step 4 in dir'
# the evaluation at the start of the second run is one more
losses alone >a
losses log | awk 'NR != 6' >b
sed -n 's/^\(.*\)$/"loss":\1/p' a >a.log
sed -n 's/^\(.*\)$/"loss":\1/p' b >b.log
near a.log b.log

# data that some ranks cannot use end the run for all, with one message
text 400 short
printf 'the \377 end' >>short
text 4000 more && cat more >>short
with "FAKE_MESH=4 FAKE_VOCAB=128" run 65 --data short --steps 40 --peak 1
[ "$(grep -c 'error: ' err)" = 1 ] || { cat err; failed=1; }
said err "token 404 is 255, but the model's vocabulary is 0..127"

# a rank that does not come is named, and the others do not wait for ever
with "FAKE_MESH=2x2x1 FAKE_HANG=2" run 69 $t --comm-timeout 3
said err 'error: rank '
said err ' for 3 s, and rank 1 waits for nobody'
[ "$(grep -c 'error: ' err)" = 1 ] || { cat err; failed=1; }

with FAKE_MESH=4 fails 78 'this trainer was compiled for 4 ranks' \
    --data text --nproc 2
end
