#!/bin/sh
# A trainer compiled for several ranks trains as the one for a single rank does:
# the same loss and norm of the gradient at every step, whatever the mesh and
# whatever the ranks share; also where the sequence has to be padded.
#
# Bound: f32 sums of at most 400 terms in another order differ by 400 * 2^-24 =
# 2.4e-5 of their terms.  With eps = 0.1 a step moves a parameter by at most
# lr/eps = 0.1 times the difference of its gradients, so 20 steps leave losses
# and norms together within 4 of these: 1e-4.  A gradient that lacks one rank's
# share moves the norm of step 1 by a tenth and more.
. "${srcdir:-.}/tests/runtime/lib.sh"

loongc=${LOONGC:?}
text 8000 text
model=$source/tests/train/tiny.lt
compile() {
	name=$1
	shift
	"$loongc" "$model" --set recipe.eps=0.1 "$@" \
	    -o "$name" || {
		echo "FAIL: compile $*"
		exit 1
	}
}
# go NAME: 20 steps, "step loss norm" to NAME.steps
go() {
	train=$dir/$1
	rm -f "$1.log"
	run 0 --data text --steps 20 --peak 100 --log "$1.log" --quiet
	sed -n 's/.*"event":"step","step":\([0-9]*\),"loss":\([0-9.]*\),"grad_norm":\([0-9.]*\),.*/\1 \2 \3/p
	    s/.*"event":"eval","step":\([0-9]*\),"loss":\([0-9.]*\).*/e\1 \2 1/p' \
	    "$1.log" >"$1.steps"
}
# same_course NAME WHAT
same_course() {
	paste one.steps "$1.steps" | awk '
		function far(a, b) {
			return (a > b ? a - b : b - a) > 1e-4 * a
		}
		$1 != $4 || far($2, $5) || far($3, $6) { bad++; print }
		END { exit bad > 0 || NR < 22 }' || {
		echo "FAIL: $2 differs from one rank"
		failed=1
	}
}

n=0
# meshes: each line of the input is a mesh with settings; all against one.steps
meshes() {
	while read -r mesh settings; do
		n=$((n + 1))
		# shellcheck disable=SC2086
		compile "mesh$n" --mesh "$mesh" $settings
		go "mesh$n"
		same_course "mesh$n" "$mesh $settings"
		rm -f "mesh$n"
	done
}

compile one
go one
meshes <<END
dp=2
hp=2
cp=2
cp=3
hp=4
cp=4,inner=2 --set plan.recompute=full
dp=2,hp=2,cp=2
dp=2,hp=2,cp=2,place=context_first --set plan.recompute=save(x,attention)
hp=2,cp=3 --set plan.micro=2
dp=2,hp=4,cp=2
dp=2,hp=2,cp=2 --set plan.stage=1 --set plan.shard=over(dp,cp,hp)
dp=2,hp=2,cp=2 --set plan.stage=2 --set plan.shard=over(cp,hp)
dp=2,hp=2,cp=2 --set plan.stage=3 --set plan.shard=over(dp,cp,hp)
dp=2,cp=2 --set plan.stage=3 --set plan.shard=over(cp) --set plan.micro=1
END

# what is dropped is a matter of the place among tokens, not of padding
sed 's/x = emb\[tok\]/x = dropout(emb[tok], 0.1)/
    s/s = 32; batch = 256/s = 31; batch = 248/' "$model" >dropout.lt
model=dropout.lt
compile one
go one
meshes <<END
cp=2 --set plan.micro=2
dp=2,hp=2,cp=3 --set plan.recompute=full
END

# a plan of ranks that are not there
compile eight --mesh dp=2,hp=2,cp=2
train=$dir/eight
fails 78 '8' --data text --steps 1 --nproc 4
end
