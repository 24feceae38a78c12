#!/bin/sh
# Every mesh with all it can share and recompute; then values.
set -eu
./sweep static 1 0
./sweep values 1 0
