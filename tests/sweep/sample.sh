#!/bin/sh
# A sample of the sweep over all meshes; make check-long does all of it.
set -eu
./sweep static 131 5
./sweep values 66 3
