#!/bin/sh
# Checkpoints of real trainers go from any mesh to any other: data, heads and
# context alone and together, one ring and two, odd sizes, hp above the kv
# heads, padding, both placements, all stages, micro-
# batches and recomputation: 324 ordered pairs; and processes under each MPI.
. "${srcdir:-.}/tests/train/lib.sh"

build one --plan=one
build dp2 --mesh=dp=2
build dp4 --mesh=dp=4
build hp2 --mesh=hp=2
build hp3 --mesh=hp=3
build hp6 --mesh=hp=6
build cp2 --mesh=cp=2
build cp3 --mesh=cp=3
build padded --mesh=cp=5
build rings --mesh=cp=4,inner=2
build all2 --mesh=dp=2,hp=2,cp=2
build context --mesh=hp=2,cp=3,place=context_first
build stage1 --plan=stage1
build stage2 --plan=stage2
build stage3 --plan=stage3
build hybrid --plan=hybrid
build micro --mesh=dp=2 --set plan.micro=1
build recompute --mesh=hp=2,cp=2 --set plan.recompute=full
begin
matrix
# Processes read what threads wrote and end at the bits of threads.
unset OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_RANK PMI_RANK PMI_SIZE
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
pair rings hybrid
mv again threads
for mpi in openmpi mpich; do
	command -v mpirun.$mpi >/dev/null || continue
	rm -rf again
	mkdir again
	cp -r rings.run/step-000004 again
	timeout 120 mpirun.$mpi -np 8 ./hybrid $go --out again --resume || {
		fail "mpirun.$mpi"
		continue
	}
	same threads/step-000008 again/step-000008
done
test $pairs -ge 200 || fail "only $pairs pairs"
test $bad = 0 && echo "$pairs ordered pairs of meshes"
exit $bad
