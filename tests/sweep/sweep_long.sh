#!/bin/sh
# Every mesh with all it can share and recompute; then values.  Two at a time.
set -u
bad=0
rm -f sweep.all
for kind in static values; do
	./sweep $kind 2 0 >sweep.even &
	even=$!
	./sweep $kind 2 1 >sweep.odd || bad=1
	wait $even || bad=1
	cat sweep.even sweep.odd
	# "kind: ... N programs, of which M were proved in S s, F failed"
	awk -v kind=$kind '/ proved in / {
		for (i = 1; i < NF; i++) {
			if ($(i + 1) == "were") n += $i
			if ($i == "in" && $(i + 1) > t) t = $(i + 1)
			if ($(i + 1) == "failed") f += $i
		}
	}
	END { printf "%s: %d programs in %d s, %d failed; ", kind, n, t, f }' \
		sweep.even sweep.odd >>sweep.all
done
cat sweep.all
echo "exit $bad"
rm -f sweep.even sweep.odd sweep.all
exit $bad
