#!/bin/sh
# Checkpoints of real trainers go from any mesh to any other: data, heads and
# context alone and together, one ring and two, odd sizes, hp above the kv
# heads, padding, both placements, all stages.  256 ordered pairs.
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
begin
matrix
test $pairs -ge 200 || fail "only $pairs pairs"
exit $bad
