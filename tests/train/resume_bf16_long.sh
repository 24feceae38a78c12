#!/bin/sh
# Checkpoints of trainers that compute in bf16: masters and moments are f32 and
# come back to the last bit, and the bf16 copies are made of them again.
. "${srcdir:-.}/tests/train/lib.sh"

# A sum of 192 terms that are rounded to bf16, to 2^-9 of each, as they come.
bound=4e-3
bf16='--set recipe.precision=bf16'
build one --plan=one $bf16
build stage3 --plan=stage3 $bf16
build hybrid --plan=hybrid $bf16
begin
matrix
test $bad = 0 && echo "$pairs ordered pairs of meshes in bf16"
exit $bad
