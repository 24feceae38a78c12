#!/bin/sh
# --out: saving, stopping, going on as if nothing had happened, and keeping
# others out.
. "${srcdir:-.}/tests/runtime/lib.sh"

text 4000 text
text 3900 other
t='--data text --threads 1 --peak 100'

# what the weights of a step depend on: the files of its checkpoint
weights() {
	(cd "$1" && cat -- *.safetensors) >"$2"
}

# 20 steps at once
run 0 $t --steps 20 --out whole
said err 'output     whole'
[ -d whole/step-000020 ] || { ls -R whole; failed=1; }
weights whole/step-000020 whole.bin
[ -s whole.bin ] || failed=1

# ... and with a stop by each signal at some step, then --resume
with FAKE_SPIN=7 run 75 $t --steps 20 --out parts --log parts.log
said err 'stopped by SIGTERM; saved step 7 in parts: go on with --resume'
said parts.log '{"event":"save","step":7}'
said parts.log '"event":"end","step":7,"exit":75'
with FAKE_SPIN=13 run 75 $t --steps 20 --out parts --resume --log parts.log
said err 'resume     from step 7 in parts'
run 0 $t --steps 20 --out parts --resume --log parts.log --threads 3
weights parts/step-000020 parts.bin
same whole.bin parts.bin
run 0 $t --steps 20 --out twice --log whole.log
grep '"event":"step"' whole.log | sed 's/,"ms".*//' >whole.steps
grep '"event":"step"' parts.log | sed 's/,"ms".*//' >parts.steps
same whole.steps parts.steps

# nothing left to do: the sample of a finished run
run 0 $t --steps 20 --out parts --resume --sample 20
[ -s out ] || { echo "FAIL: no sample"; failed=1; }
said err 'nothing to train: step 20 of 20 is done'
unsaid err 'step 21'
weights parts/step-000020 parts.bin
same whole.bin parts.bin

# --resume where there is nothing yet just starts
run 0 $t --steps 20 --out fresh --resume
weights fresh/step-000020 fresh.bin
same whole.bin fresh.bin

# a signal before the first step
with FAKE_EARLY=1 run 75 $t --steps 20 --out early
said err 'stopped by SIGINT; saved step 0 in early'
run 0 $t --steps 20 --out early --resume
weights early/step-000020 early.bin
same whole.bin early.bin
with FAKE_EARLY=1 run 130 $t --steps 20

# every so often, and only so many
run 0 $t --steps 20 --out kept --save-every 5 --keep-last 2
[ "$(cd kept && echo step-*)" = 'step-000015 step-000020' ] || {
	ls kept
	failed=1
}
run 0 $t --steps 25 --out kept --resume
said err 'steps'

# not a number: what is saved stays
with FAKE_NAN=4 run 76 $t --steps 20 --out nan --save-every 2
said err 'step 4: the loss is not finite; the weights are those of step 3, and older checkpoints stay'
[ "$(cd nan && echo step-*)" = step-000002 ] || { ls nan; failed=1; }
with "FAKE_NAN=4 FAKE_SKIP=1" run 0 $t --steps 8 --out skip
with "FAKE_NAN=4 FAKE_SKIP=1 FAKE_SPIN=6" run 75 $t --steps 8 --out skip2
with "FAKE_SKIP=1" run 0 $t --steps 8 --out skip2 --resume --log skip.log
said skip.log '"skipped_steps":1'
weights skip/step-000008 skip.bin
weights skip2/step-000008 skip2.bin
same skip.bin skip2.bin

# others' work is not overwritten
fails 1 'whole holds checkpoints already, the newest of step 20' \
    $t --steps 20 --out whole
fails 65 'seed' $t --steps 20 --out whole --resume --seed 8
fails 65 'data' --data other --threads 1 --steps 20 --out whole --resume
weights whole/step-000020 again.bin
same whole.bin again.bin

# a damaged checkpoint: said, and only set aside when asked to
run 0 $t --steps 20 --out torn --save-every 10
printf X | dd of=torn/step-000020/model.safetensors bs=1 seek=5000 \
    conv=notrunc 2>/dev/null
fails 65 'model.safetensors: damaged' $t --steps 20 --out torn --resume
said err 'step-000010 is intact: --resume-valid goes on from it'
mv torn/step-000020/manifest.json .
fails 65 'manifest.json: No such file' $t --steps 20 --out torn --resume
mv manifest.json torn/step-000020
run 0 $t --steps 20 --out torn --resume-valid
said err 'resume     from step 10 in torn'
weights torn/step-000020 torn.bin
same whole.bin torn.bin
[ -d torn/step-000020.bad ] || { ls torn; failed=1; }
fails 2 '--resume needs --out DIR' --data text --resume-valid

# two trainers
FAKE_SLEEP=100 "$train" $t --steps 100 --out shared >out1 2>err1 &
pid=$!
await '^step 1/' err1 $pid
fails 74 'shared: another trainer' $t --steps 20 --out shared
said err "process $pid"
kill -TERM $pid
wait $pid
got=$?
[ $got -eq 75 ] || { echo "FAIL: the first trainer: exit $got"; failed=1; }

# the disk is full (a limit on the size of files, checkpoints are larger)
run 0 $t --steps 5 --out full
weights full/step-000005 five.bin
(
	ulimit -f 600
	run 74 $t --steps 12 --out full --resume --save-every 3 --log full.log
	exit $failed
) || failed=1
for step in 6 9 12; do
	said err "the checkpoint of step $step is not saved: "
	said full.log '{"event":"save","step":'$step',"error":"'
done
said full.log '"event":"step","step":12'
said full.log '"event":"end","step":12,"exit":74'
[ "$(cd full && echo step-*)" = step-000005 ] || { ls full; failed=1; }
weights full/step-000005 six.bin
same five.bin six.bin
run 0 $t --steps 12 --out full --resume
if [ -w /dev/full ]; then
	run 0 $t --steps 3 --log /dev/full
	said err 'cannot write the log: No space left on device'
	[ "$(grep -c 'the log' err)" = 1 ] || { cat err; failed=1; }
	said err 'step 3/3'
fi

# places that cannot be
: >file
fails 74 'file' $t --steps 2 --out file
fails 74 'nowhere' $t --steps 2 --out nowhere/run
end
