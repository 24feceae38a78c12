#!/bin/sh
# Ranks that are processes of one machine share memory: losses are to the last
# bit those of other transports and of threads, and so are calls and bytes.
# Where they cannot, they say why and do without; one that is killed is named
# soon; nothing is left behind.
. "${srcdir:-.}/tests/runtime/lib.sh"

export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
loongc=${LOONGC:?}
unlaunched
text 8000 text
"$loongc" "$source/tests/train/tiny.lt" --mesh dp=2,hp=2 -o tiny || exit 1

# losses LOG
losses() {
	sed -n 's/.*"event":"step","step":\([0-9]*\),"loss":\([0-9.]*\).*/\1 \2/p' "$1"
}

# four NAME "SETTINGS" COMMAND...: four processes; rank 2 by that command
four() {
	name=$1
	shift
	for r in 0 1 2 3; do
		by=
		[ $r = 2 ] && by="$*"
		# shellcheck disable=SC2086
		RANK=$r WORLD_SIZE=4 LOCAL_WORLD_SIZE=4 timeout 100 $by ./tiny --data text \
		    --rdzv file:. --steps 6 --log "$name.log" >/dev/null 2>"$name.$r" &
		eval "pid$r=\$!"
	done
	for r in 0 1 2 3; do
		eval "wait \$pid$r" || {
			cat "$name.$r"
			echo "FAIL: $name: rank $r"
			failed=1
		}
	done
	losses "$name.log" | diff -u want - || failed=1
}

train=$dir/tiny
run 0 --data text --steps 6 --comm --log threads.log
losses threads.log >want
[ -s want ] || { echo "FAIL: no losses"; exit 1; }
grep -A9 '^sent' err >sent
run 0 --data text --steps 6 --nproc 4 --comm --log near.log
losses near.log | diff -u want - || failed=1
grep -A9 '^sent' err | diff sent - || failed=1
unsaid err 'no memory is shared'
run 0 --data text --steps 6 --nproc 4 --no-shm --log far.log
losses far.log | diff -u want - || failed=1
unsaid err 'no memory is shared'

# One rank that will not is enough for all.
cat >no-shm <<'EOF'
#!/bin/sh
exec "$@" --no-shm
EOF
chmod +x no-shm
four refused ./no-shm
said refused.0 'no memory is shared by the ranks: --no-shm is given'

# Room for files of 1 MiB: less than the memory.
# shellcheck disable=SC3045 # where there is no such limit, nothing is tried
if (ulimit -f 2048) 2>/dev/null; then
	(ulimit -f 2048; "$train" --data text --steps 6 --nproc 4 \
	    --log small.log 2>err) || { cat err; failed=1; }
	said err 'no memory is shared by the ranks: its size is'
	losses small.log | diff -u want - || failed=1
fi

# A rank in a container of its own.
if unshare -p -f --mount-proc true 2>/dev/null; then
	four container unshare -p -f --mount-proc
	said container.0 'ranks are in several containers'
fi

# begin NAME ARGUMENTS...: a long run that is on its way, and one of its ranks
begin() {
	log=$1.log
	shift
	"$train" --data text --steps 1000000 --nproc 4 --quiet --log "$log" \
	    "$@" 2>err &
	all=$!
	for i in $(seq 300); do
		losses "$log" 2>/dev/null | grep -q '^5 ' && break
		sleep 0.1
	done
	victim=$(pgrep -P $all | tail -1)
}

# One rank stands still: it is named at the deadline.
begin still --comm-timeout 3
kill -STOP "$victim"
for i in $(seq 300); do
	grep -q 'comm-timeout' err && break
	sleep 0.1
done
kill -CONT "$victim"
wait $all
got=$?
[ $got = 69 ] || { echo "FAIL: exit $got, wanted 69"; failed=1; }
said err 'nothing came from rank'

# One rank is killed: it is named, and nothing stays.
before=$(ls /dev/shm 2>/dev/null)
begin killed
grep -q 'memfd:loong' "/proc/$victim/maps" || {
	echo "FAIL: no memory is shared"
	failed=1
}
start=$(date +%s)
kill -9 "$victim"
wait $all && { echo "FAIL: success with a dead rank"; failed=1; }
[ $(($(date +%s) - start)) -le 20 ] || { echo "FAIL: it took long"; failed=1; }
said err 'is gone'
[ "$(ls /dev/shm 2>/dev/null)" = "$before" ] || { ls /dev/shm; failed=1; }
exit $failed
