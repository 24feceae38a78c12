#!/bin/sh
# Steps, evaluations and logits of trainers for CPUs allocate nothing, not even
# the first: one rank, ranks as threads, as processes, and under each MPI that is
# here (over their wires: in memory that they share, messages that come early are
# kept); with state that ranks share, rings, microbatches and copies to the host.
. "${srcdir:-.}/tests/runtime/lib.sh"

top=$(dirname "${LOONGC:?}")
text 8000 text
go='--data text --threads 2 --peak 1 --steps 3 --eval-every 1 --sample 2
    --prompt a --quiet'
# MPI libraries keep memory to the end: what they leave is not ours to mend.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
unset OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_RANK PMI_RANK PMI_SIZE
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
SANITIZE=$("$LOONGC" -v "$source/tests/train/tiny.lt" -o flags 2>&1 |
    grep -o -- '-fsanitize=[^ ]*' | sort -u | tr '\n' ' ')
wrap=-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign

# build SETTINGS...: a trainer that counts
build() {
	"$LOONGC" "$source/tests/train/tiny.lt" "$@" --emit=c >tiny.c &&
	    ${CC:-cc} -std=gnu11 -g -O1 -fopenmp-simd -Wall -Wextra -Werror $SANITIZE \
		-DPROGRAM="\"$dir/tiny.c\"" -I"$source" -c -o tiny.o \
		"$source/tests/train/counted.c" &&
	    ${CC:-cc} -rdynamic $SANITIZE -o tiny tiny.o $wrap \
		"$top/libloong_rt.a" -ljansson -lm -ldl -lpthread || exit 1
	how="$*"
}

# counts N COMMAND...: N processes say that nothing was allocated
counts() {
	n=$1
	shift
	rm -f counted
	export COUNTED="$dir/counted"
	timeout 120 "$@" $go >out 2>err || { cat err; failed=1; }
	[ "$(grep -c '^[1-9][0-9]* calls, 0 allocations$' counted)" = "$n" ] || {
		echo "FAIL: $how: $*: steps allocate: $(cat counted)"
		grep counted: err
		failed=1
	}
}

# both RANKS: as threads, as processes
both() {
	counts 1 ./tiny
	counts "$1" ./tiny --nproc "$1" --no-shm
}

# under RANKS: each MPI
under() {
	for mpi in openmpi mpich; do
		command -v mpirun.$mpi >/dev/null || continue
		[ -f "$top/runtime/comm/$mpi.so" ] || continue
		counts "$1" mpirun.$mpi -np "$1" ./tiny --no-shm
	done
}

build
counts 1 ./tiny
build --mesh dp=2,hp=2
both 4
under 4
# what was reserved would have been allocated else, and that is noticed
rm -f counted
COUNTED=counted COUNTED_UNREHEARSED=1 ./tiny --nproc 4 --no-shm $go >out 2>err
[ "$(grep -c '^[1-9][0-9]* calls, [1-9][0-9]* allocations$' counted)" = 4 ] || {
	echo "FAIL: no allocations without a rehearsal: $(cat counted)"
	failed=1
}
# and is told
./tiny --nproc 4 --data text --steps 1 >out 2>err
said err 'bytes allocated per rank; for messages '
build --mesh dp=2,cp=2 --set plan.micro=2
both 4
build --mesh dp=2,hp=2 --set 'plan.shard=over(dp, hp)' --set plan.stage=3 \
    --set plan.prefetch=2 --set 'plan.recompute=save(offload(x, attention))'
both 4
end
