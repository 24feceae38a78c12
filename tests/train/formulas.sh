#!/bin/sh
# What a step sends is what the formulas of formulas.awk say: calls and bytes
# of each collective over each set of axes.  Trainers exactly, plans of many
# more meshes but for the rounding of an allreduce: a plan has what one rank
# sends, and a rank's share of 2 (n-1)/n of some bytes loses up to two.
. "${srcdir:-.}/tests/runtime/lib.sh"

loongc=${LOONGC:?}
text 8000 text

# by_name: "op axes calls bytes" with axes in order, added up by the first two
by_name() {
	awk '{
		n = split($2, a, ",")
		for (i = 1; i <= n; i++)
			for (j = i + 1; j <= n; j++)
				if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t }
		axes = a[1]
		for (i = 2; i <= n; i++)
			axes = axes "," a[i]
		calls[$1 " " axes] += $3
		bytes[$1 " " axes] += $4
	}
	END {
		for (k in calls)
			if (calls[k])
				printf "%s %d %.0f\n", k, calls[k], bytes[k]
	}' | LC_ALL=C sort
}
# planned FILE: what a plan says of all ranks
planned() {
	awk -F'"' '
		/"ranks":/ { split($3, r, /[ :,]+/); ranks = r[2] }
		/"op":/ {
			split($0, part, /"bytes": |, "calls": |\}/)
			printf "%s %s %d %.0f\n", $12, $16, part[3],
			    part[2] * part[3] * ranks
		}' "$1" | by_name
}

# What a line may set: mesh, sizes, plan; seqs sequences a step of all ranks,
# micro of each dp rank at a time (0: all), pm to or: axes that share.
defaults() {
	model=gqa dp=1 hp=1 cp=1 inner=1 place=head_first s=48 seqs=4 micro=0
	k=4 g=3 recompute=none ring=auto pm='' gm='' om='' pr='' gr='' or=''
	act=4 prefetch=1
}
over() {
	if [ -n "$1" ]; then echo "over($1)"; else echo none; fi
}
# formulas: what they say of these variables
formulas() {
	case $model in
	gqa)	layers=3 d=6 docs=0
		layer="20 20 20*$k*$g*6 20*$k*6 20*$k*6 $k*$g*6*20
		    20*28 20*28 28*20"
		outside="256*20 256*20 20" ;;
	tiny)	layers=2 d=8 docs=1
		layer="32 32 32*$k*$g*8 32*$k*8 32*$k*8 $k*$g*8*32 32*48 48*32"
		outside="256*32 256*32 32" ;;
	esac
	layer=$(echo $layer)
	awk -f "$source/tests/train/formulas.awk" \
	    -v dp=$dp -v hp=$hp -v cp=$cp -v inner=$inner -v L=$layers \
	    -v K=$k -v G=$g -v D=$d -v S=$s -v B=$((m * dp)) \
	    -v micro=$((seqs / dp / m)) -v act=$act -v docs=$docs \
	    -v "layer=$layer" -v "outside=$outside" \
	    -v recompute=$recompute -v ring=$ring \
	    -v pm=$pm -v gm=$gm -v om=$om -v pr=$pr -v gr=$gr -v or_=$or |
	    LC_ALL=C sort
}
compile() {
	mesh=dp=$dp,hp=$hp,cp=$cp,inner=$inner
	[ $hp = 1 ] || [ $cp = 1 ] || mesh=$mesh,place=$place
	case $recompute in
	save)	mode='save(x, attention)' ;;
	offload) mode='save(attention, offload(x))' ;;
	*)	mode=$recompute ;;
	esac
	case $act in
	2)	type=bf16 ;;
	*)	type=f32 ;;
	esac
	"$loongc" "$source/tests/train/$model.lt" --mesh $mesh --set s=$s \
	    --set recipe.batch=$((seqs * s)) --set plan.micro=$m \
	    --set k=$k --set g=$g --set recipe.precision=$type \
	    --set "plan.recompute=$mode" --set plan.ring=$ring \
	    --set plan.prefetch=$prefetch \
	    --set "plan.matrices_params=$(over "$pm")" \
	    --set "plan.matrices_grads=$(over "$gm")" \
	    --set "plan.matrices_optimizer=$(over "$om")" \
	    --set "plan.rest_params=$(over "$pr")" \
	    --set "plan.rest_grads=$(over "$gr")" \
	    --set "plan.rest_optimizer=$(over "$or")" "$@"
}

# check WHAT: what is in want against what is in got
check() {
	cmp -s want got && return
	echo "FAIL: $1: $line"
	diff want got
	failed=1
}
one_plan() {
	compile --emit=plan -o plan.json || failed=1
	planned plan.json | paste -d ' ' want - | awk -v ranks=$((dp * hp * cp)) '
		$1 == "allreduce" && $4 >= $8 && $4 - $8 < 2 * $7 * ranks {
			$8 = $4
		}
		{ print $5, $6, $7, $8 }' >got
	check "plan"
	plans=$((plans + 1))
}
one_trainer() {
	compile -o train || failed=1
	train=$dir/train
	run 0 --data text --steps 2 --peak 100 --quiet --comm
	awk 'seen { print $1, $2, $3, $4 } /^sent / { seen = 1 }' out |
	    by_name >got
	check "trainer"
	trainers=$((trainers + 1))
}
# a line: variables that differ from the defaults
each() {
	while read -r line; do
		defaults
		eval "$line"
		m=$((micro > 0 ? micro : seqs / dp))
		formulas >want
		"$1"
	done
}

# meshes: up to 24 ranks with the settings that take turns, and lists of axes
meshes() {
	n=0
	for dp in 1 2 3; do for hp in 1 2 3 4 6 12; do for cp in 1 2 3 4 6 8; do
		[ $((dp * hp * cp)) -le 24 ] || continue
		for inner in 1 2 3 4; do
			[ $((cp % inner)) = 0 ] && [ $inner -lt $cp ] ||
			    [ $inner = 1 ] || continue
			n=$((n + 1))
			echo "dp=$dp hp=$hp cp=$cp inner=$inner $(turn $n)"
		done
	done; done; done
}
# turn N: what changes from one mesh to the next
turn() {
	set -- "$1" "seqs=$((12 * (1 + $1 % 2)))" "micro=$(($1 % 4 * 2 / 3))" \
	    "s=$((40 + $1 % 5 * 12))"
	case $(($1 % 3)) in 0) set -- "$@" recompute=full ;;
	1) set -- "$@" recompute=save ;; esac
	case $(($1 % 4)) in 0) set -- "$@" ring=kv ;; 1) set -- "$@" ring=q ;;
	esac
	case $(($1 % 7)) in
	1) set -- "$@" om=dp,cp,hp or=dp ;;
	2) set -- "$@" gm=cp om=cp,hp gr=cp or=cp,hp ;;
	3) set -- "$@" pm=hp gm=hp,cp om=hp,cp,dp or=cp,hp ;;
	4) set -- "$@" pm=cp,hp gm=cp,hp om=cp,hp pr=cp,hp gr=cp,hp or=cp,hp ;;
	5) set -- "$@" or=dp,hp ;;
	6) set -- "$@" pm=dp gm=dp,hp om=dp,hp,cp pr=hp gr=hp,cp or=hp,cp ;;
	esac
	case $(($1 % 5)) in 0) set -- "$@" model=tiny k=4 g=3 ;;
	1) set -- "$@" act=2 ;; 2) set -- "$@" k=12 g=1 ;;
	3) set -- "$@" k=1 g=12 ;; esac
	shift
	echo "$@"
}

plans=0 trainers=0
meshes >lines
each one_plan <lines
each one_trainer <<END
dp=2 hp=2 cp=4 inner=2
hp=2 cp=4 place=context_first recompute=full
hp=4 cp=2 recompute=save ring=q
hp=3 cp=2 s=50
hp=3 cp=6 inner=2 seqs=1 ring=kv
cp=6 inner=3 s=61 recompute=full
hp=12 cp=1
hp=6 cp=2 micro=2
hp=8 cp=2 k=1 g=8 ring=kv recompute=full
hp=4 cp=2 k=8 g=1
dp=2 hp=2 cp=2 om=dp,cp,hp or=dp,cp,hp
dp=2 cp=3 gm=cp om=cp,dp gr=cp or=cp,dp micro=1
dp=2 hp=2 cp=2 micro=1 recompute=save pm=cp,hp gm=cp,hp om=cp,hp pr=cp,hp gr=cp,hp or=cp,hp
dp=2 hp=2 cp=4 inner=2 micro=1 pm=hp gm=hp,cp om=hp,cp,dp or=cp,hp
dp=2 hp=6 pm=hp gm=hp om=hp,dp gr=dp or=dp,hp seqs=8 micro=2 prefetch=0
dp=2 hp=2 cp=2 act=2 micro=1
dp=2 hp=2 cp=2 act=2 pm=hp gm=cp,hp om=dp,cp,hp or=cp,hp
hp=3 cp=2 act=2 recompute=full
hp=4 cp=2 recompute=offload micro=1
dp=2 cp=2 act=2 s=50 recompute=offload
dp=1 recompute=offload
model=tiny k=2 g=2 s=32 hp=4 cp=2 seqs=8 micro=2
model=tiny k=2 g=2 s=40 dp=2 cp=4 inner=2 seqs=8 recompute=save ring=q
END

# FLOPs of the model are those of its tokens, not of padding
flops() {
	"$loongc" "$source/tests/train/gqa.lt" --set recipe.s=50 \
	    --set recipe.batch=200 "$@" --emit=plan -o plan.json || failed=1
	sed -n 's/.*"flops_step": \([^,]*\),.*/\1/p' plan.json
}
[ "$(flops)" = "$(flops --mesh hp=3,cp=2)" ] && [ -n "$(flops)" ] || {
	echo "FAIL: FLOPs of padding: $(flops), $(flops --mesh hp=3,cp=2)"
	failed=1
}
[ $plans -ge 90 ] && [ $trainers -ge 23 ] || {
	echo "FAIL: only $plans plans and $trainers trainers"
	failed=1
}
end
