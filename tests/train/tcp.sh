#!/bin/sh
# Ranks as processes without an MPI: whoever started them, losses and
# checkpoints are to the last bit those of ranks as threads; who does not know
# the token is refused; a rank that is killed or never comes is named.
. "${srcdir:-.}/tests/runtime/lib.sh"

loongc=${LOONGC:?}
unlaunched
text 8000 text
"$loongc" "$source/tests/train/tiny.lt" --mesh dp=2,hp=2 -o tiny || exit 1
train=$dir/tiny
secret=$(printf '%032d' $$)

# losses LOG
losses() {
	sed -n 's/.*"event":"step","step":\([0-9]*\),"loss":\([0-9.]*\).*/\1 \2/p' "$1"
}

# same_run NAME: losses and last checkpoint are those of the threads
same_run() {
	losses "$1.log" | diff -u want - || { echo "FAIL: $1"; failed=1; }
	for f in model optimizer; do
		cmp "$1/step-000006/$f.safetensors" \
		    "threads/step-000006/$f.safetensors" || failed=1
	done
}

# one RANK "NAME=VALUE ..." ARGUMENTS...: a process of four, in the background;
# what it says is in RANK.err
one() {
	rank=$1 settings=$2
	shift 2
	# shellcheck disable=SC2086
	env RANK=$rank WORLD_SIZE=4 $settings timeout 100 ./tiny --data text \
	    --quiet "$@" >/dev/null 2>$rank.err &
	eval "pid$rank=\$!"
}

# four "NAME=VALUE ..." ARGUMENTS...
four() {
	for r in 0 1 2 3; do one $r "$@"; done
}

# ends WANTED-CODE RANK...
ends() {
	want=$1
	shift
	for r in "$@"; do
		eval "wait \$pid$r"
		got=$?
		[ $got = "$want" ] && continue
		echo "FAIL: rank $r: exit $got, wanted $want"
		cat ./*.err
		failed=1
	done
}

# soon SECONDS: no more have passed since $start
soon() {
	[ $(($(date +%s) - start)) -le "$1" ] && return
	echo "FAIL: it took $(($(date +%s) - start)) s"
	failed=1
}

# free: a port on which nobody listens
free() {
	port=$((20000 + ($$ * 7 + ${port:-0} * 3 + 11) % 12000))
}

run 0 --data text --steps 6 --save-every 3 --out threads \
    --log threads.log --quiet
losses threads.log >want
[ -s want ] || { echo "FAIL: no losses"; exit 1; }
go='--steps 6 --save-every 3'

# The trainer starts its processes itself.
run 0 --nproc 4 --data text $go --out self --log self.log --quiet
same_run self

# As torchrun would, on one machine.
four 'LOCAL_WORLD_SIZE=4 MASTER_ADDR=localhost MASTER_PORT=1' $go --out torch \
    --log torch.log
ends 0 0 1 2 3
same_run torch

# As srun would.
for r in 0 1 2 3; do
	one $r "RANK= SLURM_PROCID=$r SLURM_STEP_NUM_TASKS=4 SLURM_STEP_ID=0
	    SLURM_JOB_ID=17 SLURM_STEP_NUM_NODES=1" $go --out slurm \
	    --log slurm.log
done
ends 0 0 1 2 3
same_run slurm

# On several machines they meet in the folder of checkpoints.
for r in 0 1 2 3; do
	one $r "RANK= SLURM_PROCID=$r SLURM_STEP_NUM_TASKS=4 SLURM_STEP_ID=0
	    SLURM_JOB_ID=17 SLURM_STEP_NUM_NODES=2 LOONG_RDZV_ADDR=127.0.0.1" \
	    $go --out shared --log shared.log
done
ends 0 0 1 2 3
same_run shared
ls shared | grep rdzv && failed=1
one 0 '' --steps 1
ends 78 0
said 0.err 'which cannot find each other: give --rdzv file:DIR'
[ -z "$(ls runtime/loongc)" ] || { ls -l runtime/loongc; failed=1; }

# Over a folder that all see; a file of a run that is no more does not
# mislead, whether somebody listens where it points or not.
four LOONG_RDZV_ADDR=127.0.0.1 $go --rdzv "file:$dir/meet" --out file \
    --log file.log --comm-timeout 60
ends 0 0 1 2 3
same_run file
one 0 LOONG_RDZV_ADDR=127.0.0.1 --rdzv "file:$dir/meet" --comm-timeout 60
for i in $(seq 200); do
	ls meet | grep -q '^rdzv\.[0-9a-f]*$' && break
	sleep 0.05
done
stale=$(ls meet)
[ "$(stat -c %a "meet/$stale")" = 600 ] || { ls -l meet; failed=1; }
cp -p "meet/$stale" kept
pkill -9 -P $pid0
wait $pid0
cp -p kept "meet/$stale"
one 3 LOONG_RDZV_ADDR=127.0.0.1 --rdzv "file:$dir/meet" --steps 1
sleep 0.3
for r in 1 2 0; do
	one $r LOONG_RDZV_ADDR=127.0.0.1 --rdzv "file:$dir/meet" --steps 1
done
ends 0 0 1 2 3

# A file that others can read is not believed.
cp kept "meet/$stale"
chmod 644 "meet/$stale"
one 1 '' --rdzv "file:$dir/meet" --steps 1 --comm-timeout 20
ends 69 1
said 1.err 'can be read or written by others'
rm -f "meet/$stale"

# At an address, with a token; two machines that are this one.
free
place="MASTER_ADDR=127.0.0.1 MASTER_PORT=$port LOONG_RDZV_TOKEN=$secret"
four "$place" $go --out tcp --log tcp.log
ends 0 0 1 2 3
same_run tcp
free
for node in 0 1; do
	env PET_NNODES=2 PET_NODE_RANK=$node PET_MASTER_ADDR=127.0.0.1 \
	    PET_MASTER_PORT=$port LOONG_RDZV_TOKEN="$secret" timeout 100 \
	    ./tiny --nproc 2 --data text $go --out nodes --log nodes.log \
	    --quiet 2>$node.err &
	eval "pid$node=\$!"
done
ends 0 0 1
same_run nodes

# Checkpoints go from threads to processes.
cp -r threads moved
rm -rf moved/step-000006
run 0 --nproc 4 --data text --steps 6 --out moved --resume --quiet
cmp moved/step-000006/model.safetensors threads/step-000006/model.safetensors ||
    failed=1

# Another token is refused at once and said on both sides; the others name who
# is missing.
free
at="--rdzv tcp:127.0.0.1:$port --steps 1 --comm-timeout 3"
start=$(date +%s)
# shellcheck disable=SC2086
for r in 0 1 3; do one $r "LOONG_RDZV_TOKEN=$secret" $at; done
# shellcheck disable=SC2086
one 2 LOONG_RDZV_TOKEN=another-secret-of-length $at
ends 69 0 1 2 3
soon 20
said 2.err 'rank 2 cannot join: 127.0.0.1'
said 2.err 'it has another token'
said 0.err 'has another token: refused'
said 0.err 'rank 2 has not come within 3 s'
[ -s 1.err ] && { cat 1.err; failed=1; }
# shellcheck disable=SC2086
one 1 '' $at
ends 78 1
said 1.err 'LOONG_RDZV_TOKEN, and it is not set'
# shellcheck disable=SC2086
one 1 LOONG_RDZV_TOKEN=short $at
ends 78 1
said 1.err 'is too short'

# A run of another size, and the same rank twice.
free
at="--rdzv tcp:127.0.0.1:$port --steps 1 --comm-timeout 4"
"$loongc" "$source/tests/train/tiny.lt" --mesh dp=2 -o two || exit 1
# shellcheck disable=SC2086
one 0 "LOONG_RDZV_TOKEN=$secret" $at
# shellcheck disable=SC2086
env RANK=1 WORLD_SIZE=2 LOONG_RDZV_TOKEN="$secret" timeout 100 ./two \
    --data text --quiet $at 2>1.err
[ $? = 69 ] || failed=1
said 1.err 'it has another number of ranks'
ends 69 0
said 0.err 'ranks 1, 2, 3 have not come within 4 s'

# Somebody else listens there.
free
env RANK=0 WORLD_SIZE=2 LOONG_RDZV_TOKEN="$secret" timeout 100 ./two \
    --data text --quiet --rdzv tcp:127.0.0.1:$port --comm-timeout 9 2>other &
other=$!
sleep 0.5
one 0 "LOONG_RDZV_TOKEN=$secret" --rdzv tcp:127.0.0.1:$port
ends 69 0
said 0.err "rank 0 cannot listen on 127.0.0.1 port $port: another process"

# torchrun does, on several machines: the next port is for the ranks.
four "LOCAL_WORLD_SIZE=2 TORCHELASTIC_USE_AGENT_STORE=True
    MASTER_ADDR=127.0.0.1 MASTER_PORT=$port LOONG_RDZV_TOKEN=$secret" --steps 1
ends 0 0 1 2 3
wait $other

# Rank 0 never comes.
one 1 '' --rdzv "file:$dir/meet" --comm-timeout 1
ends 69 1
said 1.err 'rank 1: rank 0 has not come within 1 s'

# A trainer of another build is named before the first step.
cp tiny odd
printf '\0' >>odd
for r in 0 1 2; do one $r LOCAL_WORLD_SIZE=4 --steps 1; done
env RANK=3 WORLD_SIZE=4 LOCAL_WORLD_SIZE=4 timeout 100 ./odd --data text \
    --steps 1 --quiet 2>3.err &
pid3=$!
ends 78 0 1 2 3
cat ./[0-3].err >all
said all 'rank 3 has loongc'

# One rank dies: the others end at once, and one of them says who it was.
run_killed() {
	timeout 100 ./tiny --nproc 4 --data text --steps 1000000 \
	    --out killed.$$ --save-every 20 --quiet 2>err &
	all=$!
	for i in $(seq 300); do
		ls killed.$$ 2>/dev/null | grep -q '^step-[0-9]*$' && break
		sleep 0.1
	done
}
run_killed
victim=$(pgrep -f "^./tiny .*--out killed.$$" | while read -r p; do
	tr '\0' '\n' <"/proc/$p/environ" | grep -q '^RANK=2$' && echo "$p"
done | head -1)
start=$(date +%s)
kill -9 "$victim"
wait $all
got=$?
soon 10
[ $got = 69 ] || { echo "FAIL: exit $got"; cat err; failed=1; }
said err 'rank 2: ended by signal 9'
said err 'rank 2 is gone'
[ "$(grep -c 'is gone' err)" = 1 ] || { cat err; failed=1; }
step=$(ls killed.$$ | sed -n 's/^step-0*\([0-9][0-9]*\)$/\1/p' | sort -n |
    tail -1)
run 0 --nproc 4 --data text --out killed.$$ \
    --steps $((step + 2)) --resume --quiet

# One rank hangs: the others end at the deadline, and its name is said.
four LOCAL_WORLD_SIZE=4 --steps 1000000 --out hung --save-every 20 \
    --comm-timeout 2
for i in $(seq 300); do
	ls hung 2>/dev/null | grep -q '^step-[0-9]*$' && break
	sleep 0.1
done
hung=$(pgrep -P $pid1)
kill -STOP "$hung"
start=$(date +%s)
ends 69 0 2 3
soon 10
cat ./[0-3].err >all
said all ' rank 1 for 2 s; --comm-timeout'
kill -9 "$hung"
wait $pid1

# SIGTERM reaches them all: they save and say so.
rm -rf killed.$$
run_killed
kill -TERM "$(pgrep -f "^./tiny .*--out killed.$$" | head -1)"
wait $all
got=$?
[ $got = 75 ] || { echo "FAIL: exit $got after SIGTERM"; cat err; failed=1; }
end
