#!/bin/sh
# Whole trainers on every mesh of up to 16 ranks that divides this model: at
# each of 50 steps the loss and the norm of the gradient of one rank.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
cat "$src"/doc/*.md >"$tmp/text"
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
	"$loongc" "$src/tests/train/gqa.lt" -o "$@" || {
		fail "compiling $*"
		exit 1
	}
}

# train NAME ARGS...: its losses and norms in NAME.txt
train() {
	name=$1
	shift
	rm -f log
	"./$name" --data text --steps $steps --log log --quiet --peak 1 \
	    --eval-every 0 "$@" || fail "$name: exit $?"
	sed -n 's/.*"event":"step".*"loss":\([^,]*\),"grad_norm":\([^,]*\),.*/\1 \2/p' \
	    log >"$name.txt"
	test "$(wc -l <"$name.txt")" -eq $steps || fail "$name: steps"
}

# near NAME: losses within 16 u of those of one rank, u = 2^-24: what 256
# terms, the most that is added up for one token, lose in another order if
# roundings are independent; the mean over tokens is better.  Norms within 222
# u: a weight's gradient is the sum of such terms over 192 tokens, and weights
# differ after a step by what their gradients did.
near() {
	paste one.txt "$1.txt" | awk '
	function far(a, b, n) { return (a - b)^2 > (n / 2^24 * a)^2 }
	NF != 4 || far($1, $3, 16) || far($2, $4, 222) {
		bad = 1
		print "step", NR, $0
	}
	END { exit bad }' || fail "$2 does not train as one rank"
}

build one
train one
n=0
for mesh in $(meshes); do
	build many --mesh "$mesh"
	train many
	near many "$mesh"
	n=$((n + 1))
done
echo "$n layouts of up to 16 ranks, $steps steps each, train as one rank"
exit $bad
