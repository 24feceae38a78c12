#!/bin/sh
# Ranks as processes: under each MPI that is here, losses are to the last bit
# those of ranks as threads; checkpoints go from one to the other; a rank that
# is killed ends the others, and what they have saved goes on.
. "${srcdir:-.}/tests/runtime/lib.sh"

# MPI libraries keep memory to the end: what they leave is not ours to mend.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

loongc=${LOONGC:?}
text 8000 text
"$loongc" "$source/tests/train/tiny.lt" --mesh dp=2,hp=2 -o tiny || exit 1
unset OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_RANK PMI_RANK PMI_SIZE
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none

# losses LOG
losses() {
	sed -n 's/.*"event":"step","step":\([0-9]*\),"loss":\([0-9.]*\).*/\1 \2/p' "$1"
}

# same DIR: its last checkpoint is that of the threads
same() {
	for f in model optimizer; do
		cmp "$1/step-000006/$f.safetensors" \
		    "threads/step-000006/$f.safetensors" || failed=1
	done
}

train=$dir/tiny
run 0 --data text --steps 6 --save-every 3 --out threads \
    --log threads.log --quiet
losses threads.log >want
[ -s want ] || { echo "FAIL: no losses"; exit 1; }
tried=0
for mpi in openmpi mpich; do
	command -v mpirun.$mpi >/dev/null || continue
	timeout 120 mpirun.$mpi -np 4 ./tiny --data text --steps 6 \
	    --out $mpi --log $mpi.log --save-every 3 --quiet 2>err || {
		cat err
		grep -q 'made without MPI\|no plugin' err && {
			echo "loongc was configured without $mpi: not tried"
			continue
		}
		echo "FAIL: mpirun.$mpi"
		exit 1
	}
	tried=1
	losses $mpi.log | diff -u want - || failed=1
	same $mpi

	# MPI carries everything.
	timeout 120 mpirun.$mpi -np 4 ./tiny --data text --steps 6 --no-shm \
	    --log far.$mpi.log --quiet 2>err || { cat err; failed=1; }
	losses far.$mpi.log | diff -u want - || failed=1

	# The trainer starts its processes itself.
	timeout 120 ./tiny --nproc 4 --mpi $mpi --data text --steps 6 \
	    --log self.$mpi.log --quiet 2>err || { cat err; failed=1; }
	losses self.$mpi.log | diff -u want - || failed=1

	# A checkpoint of threads goes on in processes, bit for bit.
	cp -r threads moved.$mpi
	rm -rf moved.$mpi/step-000006
	timeout 120 mpirun.$mpi -np 4 ./tiny --data text --steps 6 \
	    --out moved.$mpi --resume --quiet 2>err || { cat err; failed=1; }
	same moved.$mpi

	# A wrong number of processes is an error at once, not a hang.
	timeout 60 mpirun.$mpi -np 3 ./tiny --data text --steps 1 --quiet \
	    2>err && { echo "FAIL: 3 processes of 4 ranks ran"; failed=1; }
	grep -q 'compiled for 4 ranks' err || { cat err; failed=1; }

	# A process that never joins ends the others at the deadline.
	cat >late$$ <<-'EOF'
	#!/bin/sh
	[ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" = 2 ] && exec sleep "40.${0#./late}"
	exec ./tiny --data text --steps 1 --quiet --comm-timeout 3
	EOF
	chmod +x late$$
	start=$(date +%s)
	timeout -s KILL 35 mpirun.$mpi -np 4 ./late$$ >err 2>&1 &&
	    { echo "FAIL: three of four trained"; failed=1; }
	[ $(($(date +%s) - start)) -lt 30 ] || {
		echo "FAIL: $mpi: nobody ended the run"
		failed=1
	}
	grep -q 'not all others have' err || { cat err; failed=1; }
	pkill -f "^sleep 40.$$\$"

	# One rank dies: the others are gone soon.
	timeout 120 mpirun.$mpi -np 4 ./tiny --data text --steps 1000000 \
	    --out killed.$mpi.$$ --save-every 20 --quiet 2>err &
	all=$!
	for i in $(seq 300); do
		ls killed.$mpi.$$ 2>/dev/null | grep -q '^step-[0-9]*$' && break
		sleep 0.1
	done
	victim=$(pgrep -f "^./tiny .*--out killed.$mpi.$$" | tail -1)
	kill -9 "$victim"
	start=$(date +%s)
	wait $all && { echo "FAIL: success with a dead rank"; failed=1; }
	[ $(($(date +%s) - start)) -le 60 ] || failed=1
	step=$(ls killed.$mpi.$$ | sed -n 's/^step-0*\([0-9][0-9]*\)$/\1/p' |
	    sort -n | tail -1) # a leading 0 would make it octal
	timeout 120 mpirun.$mpi -np 4 ./tiny --data text --out killed.$mpi.$$ \
	    --steps $((step + 2)) --resume --quiet 2>err || {
		cat err
		echo "FAIL: step $step does not go on"
		failed=1
	}
done
[ $tried = 1 ] || {
	echo "no MPI is here that loongc was configured with: skipped"
	exit 77
}
exit "${failed:-0}"
