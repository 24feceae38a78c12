#!/bin/sh
# Ranks as processes that do not all run the same: the one that differs is
# named, with what it has and what the others have, and nobody hangs.
. "${srcdir:-.}/tests/runtime/lib.sh"

# MPI libraries keep memory to the end: what they leave is not ours to mend.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

loongc=${LOONGC:?}
text 8000 text
text 8001 longer
tiny="$source/tests/train/tiny.lt"
"$loongc" "$tiny" --mesh dp=2,hp=2 -o tiny || exit 1
"$loongc" "$tiny" --mesh dp=2,hp=2 --set recipe.wd=0.3 -o recipe || exit 1
"$loongc" "$tiny" --mesh dp=2,cp=2 -o plan || exit 1
unset OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_RANK PMI_RANK PMI_SIZE
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none

# odd RANK PROGRAM ARGS...: what each process runs; that rank has its own.
cat >odd <<'END'
#!/bin/sh
if [ "${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-}}" = "$1" ]; then
	shift
	exec "$@"
fi
exec ./tiny --data text --steps 2 --quiet --out out
END
chmod +x odd

# differs TEXT RANK PROGRAM ARGS...
differs() {
	wanted=$1
	shift
	rm -rf out
	timeout 60 mpirun.$mpi -np 4 ./odd "$@" 2>err
	got=$?
	[ $got -ne 0 ] && [ $got -ne 124 ] || {
		echo "FAIL: $mpi: $*: exit $got"
		failed=1
	}
	said err "error: $wanted"
	[ "$(grep -c 'error: ' err)" = 1 ] || {
		echo "FAIL: more than one message"
		cat err
		failed=1
	}
	! ls out 2>/dev/null | grep -q step || {
		echo "FAIL: $*: something was saved"
		failed=1
	}
}

tried=0
for mpi in openmpi mpich; do
	command -v mpirun.$mpi >/dev/null || continue
	timeout 120 mpirun.$mpi -np 4 ./odd 9 2>err || {
		cat err
		grep -q 'made without MPI\|no plugin' err && {
			echo "loongc was configured without $mpi: not tried"
			continue
		}
		echo "FAIL: mpirun.$mpi"
		exit 1
	}
	tried=1
	go='--data text --steps 2 --quiet --out out'
	differs 'data differs: rank 3 has 7' \
	    3 ./tiny --data longer --steps 2 --quiet --out out
	said err ', 3 ranks have 7'
	differs 'data differs: rank 0 has 7' \
	    0 ./tiny --data longer --steps 2 --quiet --out out
	differs 'the command line differs: rank 1 has --steps 3, 3 ranks have --steps 2' \
	    1 ./tiny $go --steps 3
	differs 'build differs: rank 2 has loongc ' 2 ./recipe $go
	said err 'recipe differs: rank 2 has wd=0.3, 3 ranks have wd=0.1'
	differs 'build differs: rank 2 has loongc ' 2 ./plan $go
	said err 'plan differs: rank 2 has mesh=dp=2,cp=2, 3 ranks have mesh=dp=2,hp=2'
done
[ $tried = 1 ] || {
	echo "no MPI is here that loongc was configured with: skipped"
	exit 77
}
end
