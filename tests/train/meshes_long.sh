#!/bin/sh
# Whole trainers on every mesh of up to 16 ranks that divides this model: at
# each of 50 steps the loss and the norm of the gradient of one rank, but for
# what the order of sums can do.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
cat "$src"/doc/*.md >"$tmp/text"
rt=$PWD/libloong_rt.a
cc=${CC:-cc}
sanitize=$("$loongc" -v "$src/tests/train/gqa.lt" -o "$tmp/flags" 2>&1 |
	grep -o -- '-fsanitize=[^ ]*')
cd "$tmp" || exit 99
steps=50

# meshes of up to 16 ranks: 12 heads in 4 groups, 4 sequences
meshes() {
	for dp in 1 2 4; do
	for hp in 1 2 3 4 6 12; do
	for cp in 1 2 3 4 5 6 8 9 12 16; do
		ranks=$((dp * hp * cp))
		test $ranks -gt 1 && test $ranks -le 16 || continue
		rings
	done
	done
	done
}

# every inner ring and order of axes that makes a difference
rings() {
	inner=1
	while [ $inner -le $cp ]; do
		if [ $((cp % inner)) -eq 0 ] &&
			{ [ $inner -lt $cp ] || [ $cp -eq 1 ]; }; then
			echo "dp=$dp,hp=$hp,cp=$cp,inner=$inner"
			test $hp -eq 1 || test $cp -eq 1 ||
			    echo "dp=$dp,hp=$hp,cp=$cp,inner=$inner,place=context_first"
		fi
		inner=$((inner + 1))
	done
}

# build NAME ARGS...
build() {
	"$loongc" "$src/tests/train/gqa.lt" --set recipe.steps=$steps -o "$@" || {
		fail "compiling $*"
		exit 1
	}
}

# steps_of LOG: loss and norm of each step
steps_of() {
	sed -n 's/.*"event":"step".*"loss":\([^,]*\),"grad_norm":\([^,]*\),.*/\1 \2/p' \
	    "$1"
}

# train NAME ARGS...: its losses and norms in NAME.txt
train() {
	name=$1
	shift
	rm -f log
	"./$name" --data text --log log --quiet --peak 1 \
	    --eval-every 0 "$@" || fail "$name: exit $?"
	steps_of log >"$name.txt"
	test "$(wc -l <"$name.txt")" -eq $steps || fail "$name: steps"
}

# spread: in spread.txt, how far losses and norms of one rank were, relative to
# one.txt and at most up to each step, when training began elsewhere
spread() {
	paste one.txt near.*.txt | awk '
	function far(a, b) { return (a > b ? a - b : b - a) / a }
	{
		for (i = 3; i < NF; i += 2) {
			d = far($1, $i)
			loss = d > loss ? d : loss
			d = far($2, $(i + 1))
			norm = d > norm ? d : norm
		}
		print loss, norm
	}
	END { exit NR == 0 || NF < 18 || loss == 0 || norm == 0 }' \
		>spread.txt || fail "what begins elsewhere trains alike"
}

# near NAME MESH: no farther from one rank than the bound says; a line "how
# far of what is allowed" in share.txt
#
# The order of a sum of n terms changes it by at most 2 (n-1) u sum |term|, u =
# 2^-24.  The longest that is behind an activation has n = 256 terms; weights
# changed by 2^-16 = 256 u of themselves change every term of every product by
# as much as the worst order changes the whole, and training carries both on
# in the same way: eight runs of one rank that begin so, with drawn signs, say
# how far at each step.  Two sums come after that: the loss adds up 192 terms,
# all positive, so that orders differ by at most 2 * 191 u of it; a norm is
# the root of a sum of squares, double on a rank and f32 between 16 of them:
# 2 * 15 u / 2, and a few for the root and what the log rounds: 20 u.
near() {
	paste one.txt "$1.txt" spread.txt | awk '
	function share(a, b, may,    d) {
		d = (a > b ? a - b : b - a) / a
		most = d / may > most ? d / may : most
		return d > may
	}
	BEGIN { u = 2^-24 }
	NF != 6 || share($1, $3, $5 + 382 * u) + share($2, $4, $6 + 20 * u) {
		bad = 1
		print "step", NR, $0
	}
	END { printf "%.3f\n", most >"share.txt"; exit bad }' ||
		fail "$2 does not train as one rank"
	cat share.txt >>shares.txt
}

build one
"$loongc" "$src/tests/train/gqa.lt" --set recipe.steps=$steps --emit=c -o one.c &&
	$cc -std=gnu11 -O0 $sanitize -I"$src" -o begin.exe one.c \
		"$src/tests/train/begin.c" "$rt" -ljansson -lm -lpthread || {
	fail "compiling one rank"
	exit 1
}
train one --out first --save-every 1 --keep-last 1
identity=$(sed -n 's/.*"identity": "\(.*\)".*/\1/p' first/step-*/manifest.json)
for seed in 0 1 2 3 4 5 6 7 8; do
	./begin.exe near $seed "$identity" near.$seed || fail "begin"
	from="near.$seed"
	rm -f log
	./one --data text --log log --quiet --peak 1 \
		--eval-every 0 --resume --out $from || fail "$from: exit $?"
	steps_of log >$from.txt
done
cmp -s one.txt near.0.txt || fail "the same beginning trains otherwise"
rm near.0.txt
spread
n=0
for mesh in $(meshes); do
	build many --mesh "$mesh"
	train many
	near many "$mesh"
	n=$((n + 1))
done
worst=$(sort -g shares.txt | tail -n 1)
allowed=$(tail -n 1 spread.txt)
test $bad -ne 0 || echo "$n layouts of up to 16 ranks, $steps steps each, train as one rank; at" \
	"most $worst of the bound, whose part for growth is at last $allowed"
exit $bad
