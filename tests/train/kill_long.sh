#!/bin/sh
# kill -9 of one rank of four at 50 random moments, from before the first step
# to the middle of a save: the others are gone within 60 s, the message names
# the rank, and the newest checkpoint goes on.
. "${srcdir:-.}/tests/driver/common.sh"
cd "$tmp" || exit 99

command -v mpirun.openmpi >/dev/null || { echo "no mpirun.openmpi"; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
awk 'BEGIN {
	for (i = 0; i < 4000; i++)
		printf "%d is a number of some kind, and %d is not.\n", i, i * 7
}' >text
"$loongc" "$src/tests/train/gqa.lt" --mesh hp=2,cp=2 -o train || exit 1
launch() {
	timeout 300 mpirun.openmpi --oversubscribe --bind-to none -np 4 \
	    ./train --data text --quiet "$@"
}
# pid_of RANK OUT
pid_of() {
	for pid in $(pgrep -x train); do
		tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -e "--out $2 " ||
		    continue
		tr '\0' '\n' <"/proc/$pid/environ" |
		    grep -qx "OMPI_COMM_WORLD_RANK=$1" && echo "$pid"
	done
}
slowest=0 resumed=0
seed=${SEED:-$(date +%s)}
echo "SEED=$seed"
for i in $(seq "${KILLS:-50}"); do
	set -- $(awk -v s="$seed" -v i="$i" 'BEGIN {
		srand(s + i)
		print int(rand() * 4), 0.2 + 2.8 * rand()
	}')
	rank=$1 delay=$2
	launch --steps 10000000 --save-every 10 --out out --resume \
	    >err 2>&1 &
	all=$!
	sleep "$delay"
	victim=$(pid_of "$rank" out)
	[ -n "$victim" ] || { # not there yet
		sleep 2
		victim=$(pid_of "$rank" out)
	}
	kill -9 $victim
	start=$(date +%s)
	wait $all && fail "$i: a dead rank is no failure"
	took=$(($(date +%s) - start))
	[ $took -le 60 ] || fail "$i: it took $took s to stop"
	[ $took -le $slowest ] || slowest=$took
	grep -q "rank $rank" err || { cat err; fail "$i: rank $rank has no name"; }
	ls out 2>/dev/null | grep -q '^step-[0-9]*$' && resumed=$((resumed + 1))
done
last=$(ls out | grep '^step-[0-9]*$' | tail -1 | sed 's/step-0*//')
launch --steps $((last + 2)) --out out --resume || fail "step $last does not go on"
test $bad -ne 0 || echo "$i kills, at most $slowest s to stop, $resumed with a checkpoint; step $last goes on"
exit $bad
