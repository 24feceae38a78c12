#!/bin/sh
# Signals and steps that are not finite.
. "${srcdir:-.}/tests/runtime/lib.sh"

text 4000 text
t='--data text --steps 8 --threads 1 --peak 100'

# without --out there is nothing to come back to: the shell's code
rm -f log
with "FAKE_SPIN=3" run 143 $t --log log
said err 'stopped by SIGTERM after step 3; nothing is saved without --out'
said log '"event":"end","step":3,"exit":143'
unsaid log '"step":4,'

# a second signal kills at once
with "FAKE_SPIN=-3" run 143 $t --log log2
unsaid err 'stopped by'
unsaid log2 '"event":"end"'

# interrupted from outside
: >err
FAKE_SLEEP=50 sh -c 'trap - INT; exec "$0" "$@"' "$train" --data text \
    --steps 1000 --threads 1 >out 2>err &
pid=$!
await '^step 1/' err $pid
kill -TERM $pid
wait $pid
got=$?
[ $got -eq 143 ] || { echo "FAIL: SIGTERM: exit $got"; failed=1; }
said err 'stopped by SIGTERM after step'

# not a number: stop
rm -f log
with "FAKE_NAN=4" run 76 $t --log log
said err 'step 4: the loss is not finite; the weights are those of step 3'
said log '"event":"step","step":4,"loss":null'
said log '"event":"end","step":3,"exit":76'

# ... or skip and count
rm -f log
with "FAKE_SKIP=1 FAKE_NAN=4" run 0 $t --log log
said err 'step 4: the loss is not finite; the step is skipped'
said err 'skipped 1'
said log '"skipped":true'
said log '"event":"end","step":8,"exit":0,"skipped_steps":1'

# ... but not for ever
with "FAKE_SKIP=1 FAKE_NAN=4-" run 76 --data text --steps 1000 --threads 1
said err 'the loss was not finite in 100 steps in a row'
end
