#!/bin/sh
# Scripts that start trainers: what the plan says stands in them, shells and
# YAML take them, and a job whose trainer has saved is queued again.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
llama="$src/examples/llama3-8b.lt"

"$loongc" "$llama" --plan two_nodes --target=cuda --emit=launch \
	>"$tmp/job" || fail "--emit=launch"
sh -n "$tmp/job" || fail "no shell script"
for line in '#SBATCH --job-name=llama3' '#SBATCH --nodes=2' \
	'#SBATCH --ntasks-per-node=8' '#SBATCH --gpus-per-node=8' \
	'# 16 ranks, dp=2 co=2 ci=2 hp=2'; do
	grep -qxF -e "$line" "$tmp/job" || fail "no $line"
done
"$loongc" "$llama" --plan two_nodes --emit=launch >"$tmp/cpu"
grep -q gpus "$tmp/cpu" && fail "a CPU's job asks for GPUs"

# run STATUS: the script, with commands that write down how they are called
mkdir "$tmp/bin"
for command in srun scontrol; do
	printf '#!/bin/sh\necho "%s $*" >>"$calls"\nexit "${%s_status:-0}"\n' \
		$command $command >"$tmp/bin/$command"
	chmod +x "$tmp/bin/$command"
done
run() {
	calls=$tmp/calls
	: >"$calls"
	(
		PATH=$tmp/bin:$PATH SLURM_JOB_ID=17 srun_status=$1
		export PATH SLURM_JOB_ID srun_status calls
		sh "$tmp/job" --steps 5
	)
	test $? -eq "$1" || fail "another status than $1"
}
run 0
test "$(cat "$tmp/calls")" = 'srun --kill-on-bad-exit=1 --mpi=pmix ./train --out run --resume --steps 5' ||
	fail "$(cat "$tmp/calls")"
run 75
grep -qx 'scontrol requeue 17' "$tmp/calls" || fail "not queued again"
run 69
grep -q scontrol "$tmp/calls" && fail "queued again after a failure"

"$loongc" "$llama" --plan one --target=cuda --emit=launch --launcher=jobset \
	>"$tmp/set" || fail "--launcher=jobset"
grep -q 'nvidia.com/gpu: 1' "$tmp/set" || fail "no GPU"
if python3 -c 'import yaml' 2>/dev/null; then
	python3 - "$tmp/set" <<'END' || fail "no JobSet"
import sys, yaml
x = yaml.safe_load(open(sys.argv[1]))
pod = x['spec']['replicatedJobs'][0]['template']['spec']['template']['spec']
assert x['kind'] == 'JobSet' and x['metadata']['name'] == 'llama3'
assert pod['containers'][0]['command'][0] == '/train'
END
fi

# Names of jobs are short enough for hosts, and those of two models differ.
name() {
	sed "s/^model llama3/model $1/" "$llama" >"$tmp/$1.lt"
	"$loongc" "$tmp/$1.lt" --plan one --emit=launch |
		sed -n 's/^#SBATCH --job-name=//p'
}
long=a_model_of_which_the_name_has_forty
test "$(name ${long}_lett)" = a-model-of-which-the-name-has-forty-lett ||
	fail "$(name ${long}_lett)"
one=$(name ${long}_letters) two=$(name ${long}_letterz)
case $one in
a-model-of-which-the-name-has-f-????????) ;;
*) fail "the name $one" ;;
esac
test "$one" != "$two" || fail "the same name twice"
test "$one" = "$(name ${long}_letters)" || fail "another name"
says 1 "the plan has 2 nodes" "$llama" --plan two_nodes --emit=launch \
	--launcher=jobset
says 2 "--launcher goes with --emit=launch" "$llama" --launcher=jobset -o x
exit $bad
