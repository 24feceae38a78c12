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
test "$(cat "$tmp/calls")" = 'srun --kill-on-bad-exit=1 ./train --out run --resume --steps 5' ||
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

# All GPUs of one machine.
"$loongc" "$llama" --plan one_node --target=cuda --emit=launch >"$tmp/node" ||
	fail "--plan one_node"
for line in '#SBATCH --nodes=1' '#SBATCH --ntasks-per-node=8' \
	'#SBATCH --gpus-per-node=8' '# 8 ranks, cp=2 hp=4'; do
	grep -qxF -e "$line" "$tmp/node" || fail "no $line"
done

# A plan of two nodes: a pod for each, which starts its eight ranks.
"$loongc" "$llama" --plan two_nodes --target=cuda --emit=launch \
	--launcher=jobset >"$tmp/pods" || fail "--launcher=jobset of two nodes"
for line in '        parallelism: 2' '        completions: 2' \
	'        completionMode: Indexed' \
	'                value: llama3-workers-0-0.llama3' \
	'                    name: llama3-rdzv' \
	'                  nvidia.com/gpu: 8' \
	'                mountPath: /dev/shm'; do
	grep -qxF -e "$line" "$tmp/pods" || fail "no $line"
done
grep -qF '"--nproc", "8"]' "$tmp/pods" || fail "no --nproc"
grep -q 'PET_NNODES\|--nproc' "$tmp/set" && fail "one pod of several"
if python3 -c 'import yaml' 2>/dev/null; then
	python3 - "$tmp/pods" <<'END' || fail "no JobSet of two nodes"
import sys, yaml
x = yaml.safe_load(open(sys.argv[1]))
job = x['spec']['replicatedJobs'][0]['template']['spec']
pod = job['template']['spec']
env = {e['name']: e for e in pod['containers'][0]['env']}
assert env['PET_NNODES']['value'] == '2'
assert 'job-completion-index' in str(env['PET_NODE_RANK']['valueFrom'])
assert [v['name'] for v in pod['volumes']] == ['run', 'shm']
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
says 2 "--launcher goes with --emit=launch" "$llama" --launcher=jobset -o x
exit $bad
