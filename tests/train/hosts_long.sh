#!/bin/sh
# Two machines, as two network namespaces that only a pair of virtual cables
# joins: eight ranks over both train bit for bit as eight threads do, and a
# rank killed on the other machine ends all of them, with a message that names
# it.  Needs root, ip and Open MPI.
. "${srcdir:-.}/tests/driver/common.sh"
cd "$tmp" || exit 99

command -v mpirun.openmpi >/dev/null || { echo "no mpirun.openmpi"; exit 77; }
a=loonga$$ b=loongb$$
ip netns add $a 2>/dev/null && ip netns add $b 2>/dev/null || {
	ip netns del $a 2>/dev/null
	echo "no network namespaces can be made here"
	exit 77
}
trap 'ip netns del $a; ip netns del $b; rm -rf "$tmp"' EXIT
ip link add $a type veth peer name $b
ip link set $a netns $a
ip link set $b netns $b
for n in $a $b; do
	ip -n $n link set lo up
	ip -n $n addr add 10.77.0.$([ $n = $a ] && echo 1 || echo 2)/24 dev $n
	ip -n $n link set $n up
done

# What mpirun calls in place of ssh: HOST COMMAND...
cat >agent <<EOF
#!/bin/sh
shift
exec ip netns exec $b sh -c "\$*"
EOF
chmod +x agent

awk 'BEGIN {
	for (i = 0; i < 4000; i++)
		printf "%d is a number of some kind, and %d is not.\n", i, i * 7
}' >text
"$loongc" "$src/tests/train/gqa.lt" --mesh dp=2,hp=2,cp=2 -o train || exit 1

# launch ARGS...: eight ranks, four on each machine
launch() {
	OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
	    ip netns exec $a timeout 240 mpirun.openmpi -np 8 \
	    --host 10.77.0.1:4,10.77.0.2:4 --bind-to none \
	    --mca plm_rsh_agent "$tmp/agent" --mca routed direct \
	    --mca oob_tcp_if_include 10.77.0.0/24 \
	    --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
	    --mca pml ob1 "$tmp/train" --data "$tmp/text" "$@"
}
losses() {
	sed -n 's/.*"event":"step","step":\([0-9]*\),"loss":\([0-9.]*\).*/\1 \2/p' "$1"
}
./train --data text --steps 8 --quiet --log one || fail "threads"
launch --steps 8 --quiet --log "$tmp/two" 2>err || {
	cat err
	fail "two machines"
}
losses one >want
losses two >got
[ "$(wc -l <want)" = 8 ] || fail "no losses"
diff -u want got || fail "two machines train another model"

launch --steps 10000000 --quiet --out "$tmp/out" --save-every 20 >err 2>&1 &
all=$!
for i in $(seq 600); do
	ls out 2>/dev/null | grep -q '^step-[0-9]*$' && break
	sleep 0.1
done
victim=
for pid in $(ip netns pids $b); do
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = train ] &&
	    tr '\0' '\n' <"/proc/$pid/environ" |
	    grep -qx OMPI_COMM_WORLD_RANK=6 && victim=$pid
done
[ -n "$victim" ] || fail "rank 6 is not on the other machine"
kill -9 "$victim"
start=$(date +%s)
wait $all && fail "a dead rank is no failure"
[ $(($(date +%s) - start)) -le 60 ] || fail "it took more than 60 s to stop"
grep -q 'rank 6' err || { cat err; fail "nobody named rank 6"; }
last=$(ls out | grep '^step-[0-9]*$' | tail -1 | sed 's/step-0*//')
launch --steps $((last + 2)) --resume --out "$tmp/out" --quiet 2>err || {
	cat err
	fail "step $last does not go on"
}
test $bad -ne 0 || echo "two machines: 8 ranks, 8 steps bit for bit; a dead rank named; step $last goes on"
exit $bad
