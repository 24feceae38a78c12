#!/bin/sh
# Checkpoints of real trainers go from any mesh to any other: a sample of what
# resume_long.sh does.
. "${srcdir:-.}/tests/train/lib.sh"

build one --plan=one
build padded --mesh=cp=5
build stage3 --plan=stage3
build hybrid --plan=hybrid
begin
matrix
exit $bad
