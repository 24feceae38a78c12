#!/bin/sh
# What the plan says a step sends is what the trainer sends: calls and bytes of
# each collective over each set of axes.  All ranks of an allreduce together
# send 2 (n-1) times the array; a rank's share of it is rounded, so there the
# plan may be one element a call and rank below.
. "${srcdir:-.}/tests/runtime/lib.sh"

loongc=${LOONGC:?}
text 8000 text
# by_name: axes of the second word in order
by_name() {
	awk '{
		n = split($2, a, ",")
		for (i = 1; i <= n; i++)
			for (j = i + 1; j <= n; j++)
				if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t }
		$2 = a[1]
		for (i = 2; i <= n; i++)
			$2 = $2 "," a[i]
		print
	}' | LC_ALL=C sort
}
# planned FILE: "op axes calls bytes-of-all-ranks", sorted
planned() {
	awk -F'"' '
		/"ranks":/ { split($3, r, /[ :,]+/); ranks = r[2] }
		/"op":/ {
			split($0, part, /"bytes": |, "calls": |\}/)
			key = $12 " " $16
			calls[key] += part[3]
			bytes[key] += part[2] * part[3] * ranks
		}
		END { for (k in calls) print k, calls[k], bytes[k] }' "$1" |
	    by_name
}
# sent FILE: the same of what the trainer says
sent() {
	sed 1d "$1" | awk '{ print $1, $2, $3, $4 }' | by_name
}
same_traffic() {
	paste -d ' ' planned.txt sent.txt | awk '
		{ d = $8 - $4; most = $1 == "allreduce" ? 64 * $3 * 4 : 0 }
		$1 != $5 || $2 != $6 || $3 != $7 || d < 0 || d > most {
			print; bad++
		}
		END { exit bad > 0 || NR < 3 }' || {
		echo "FAIL: $1: planned, then sent"
		failed=1
	}
}

while read -r mesh settings; do
	for emit in exe plan; do
		# shellcheck disable=SC2086
		"$loongc" "$source/tests/train/tiny.lt" --mesh "$mesh" \
		    $settings --emit=$emit -o "it.$emit" || exit 1
	done
	train=$dir/it.exe
	run 0 --data text --steps 3 --peak 100 --quiet --comm
	cat out err >table
	sed -n '/^sent /,$p' table >said
	planned it.plan >planned.txt
	sent said >sent.txt
	same_traffic "$mesh $settings"
done <<END
dp=2,hp=2,cp=4,inner=2 --set plan.recompute=none
hp=4,cp=2 --set plan.recompute=save(x,attention)
dp=2,hp=2,cp=2 --set plan.stage=3 --set plan.shard=over(cp,hp)
dp=2,cp=3 --set plan.stage=2 --set plan.shard=over(dp,cp)
END
end
