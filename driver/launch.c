#include "config.h"

#include "driver/launch.h"

#include <inttypes.h>
#include <string.h>

#include "driver/say.h"
#include "support/rng.h"

struct shape {
	uint64_t nodes, each, ranks; /* each: ranks of a node */
	char name[64];               /* of the job: a-z, 0-9 and dashes */
};

/* Kubernetes appends to it: "-workers-0-0-" and five letters name a pod, the
 * host of which has 63 at most. */
enum { NAME_MAX_LEN = 40, NAME_HASH = 8 };

/* The end of a name that is too long gives way to a hash of all of it. */
static void
shorten(const char *model, char *name)
{
	uint64_t hash = lt_fnv1a64(model);
	size_t n = NAME_MAX_LEN - NAME_HASH - 1;

	while (n && name[n - 1] == '-')
		n--;
	snprintf(name + n, NAME_HASH + 2, "-%08" PRIx32,
	    (uint32_t)(hash ^ hash >> 32));
}

/* Names of models are identifiers; what a host's name may not have goes. */
static void
job_name(const char *of, char *name, size_t size)
{
	const char *model = of;
	size_t n = 0;

	for (; *model && n + 1 < size; model++)
		if (*model >= 'A' && *model <= 'Z')
			name[n++] = (char)(*model - 'A' + 'a');
		else if ((*model >= 'a' && *model <= 'z') ||
		    (*model >= '0' && *model <= '9'))
			name[n++] = *model;
		else if (n && name[n - 1] != '-')
			name[n++] = '-';
	while (n && name[n - 1] == '-')
		n--;
	name[n] = '\0';
	if (!n || (name[0] >= '0' && name[0] <= '9'))
		snprintf(name, size, "loong");
	else if (n > NAME_MAX_LEN)
		shorten(of, name);
}

static struct shape
shape_of(const struct module *m)
{
	struct shape s = {.ranks = 1};

	for (int i = 0; i < m->naxis; i++)
		s.ranks *= m->axis[i].size;
	s.nodes = (uint64_t)module_number(m, "plan.nodes", 1);
	if (s.nodes < 1 || s.ranks % s.nodes != 0)
		s.nodes = 1;
	s.each = s.ranks / s.nodes;
	job_name(m->name, s.name, sizeof s.name);
	return s;
}

static void
print_mesh(const struct module *m, FILE *out)
{
	for (int i = 0; i < m->naxis; i++)
		fprintf(out, "%s%s=%u", i ? " " : ", ", m->axis[i].name,
		    m->axis[i].size);
}

static const char slurm_body[] =
    "\n"
    "# sbatch [options] THIS-SCRIPT [options of the trainer]\n"
    "# TRAIN names the trainer, OUT the folder of checkpoints, which all nodes\n"
    "# see, and where ranks meet if srun brings no MPI.  The trainer is told\n"
    "# five minutes before the time is over: it saves and ends with 75, and the\n"
    "# job is queued again.\n"
    "set -u\n"
    "train=${TRAIN:-./train} out=${OUT:-run}\n"
    "srun --kill-on-bad-exit=1 \"$train\" --out \"$out\" --resume "
    "\"$@\"\n"
    "status=$?\n"
    "if [ \"$status\" -eq 75 ]; then\n"
    "\tscontrol requeue \"$SLURM_JOB_ID\"\n"
    "fi\n"
    "exit \"$status\"\n";

static bool
print_slurm(const struct module *m, const struct shape *s, bool gpus,
    FILE *out)
{
	fprintf(out, "#!/bin/sh\n"
	    "#SBATCH --job-name=%s\n"
	    "#SBATCH --nodes=%" PRIu64 "\n"
	    "#SBATCH --ntasks-per-node=%" PRIu64 "\n", s->name, s->nodes,
	    s->each);
	if (gpus)
		fprintf(out, "#SBATCH --gpus-per-node=%" PRIu64 "\n", s->each);
	fprintf(out, "#SBATCH --signal=TERM@300\n"
	    "#SBATCH --requeue\n"
	    "#SBATCH --open-mode=append\n"
	    "# %" PRIu64 " rank%s", s->ranks, s->ranks > 1 ? "s" : "");
	print_mesh(m, out);
	fputs("\n", out);
	fputs(slurm_body, out);
	return true;
}

static const char jobset_head[] =
    "# kubectl apply -f THIS-FILE; IMAGE has the trainer as /train, the volume\n"
    "# claim the data and, in /run/out, the checkpoints.  A pod that ends with\n"
    "# 75 has saved and is started again.\n";

static const char jobset_secret[] =
    "# Ranks of several pods prove to each other that they know a secret:\n"
    "#   kubectl create secret generic %s-rdzv \\\n"
    "#     --from-literal=token=\"$(openssl rand -hex 32)\"\n";

static const char jobset_spec[] =
    "apiVersion: jobset.x-k8s.io/v1alpha2\n"
    "kind: JobSet\n"
    "metadata:\n"
    "  name: %s\n"
    "spec:\n"
    "  failurePolicy:\n"
    "    maxRestarts: 100\n"
    "  replicatedJobs:\n"
    "  - name: workers\n"
    "    replicas: 1\n"
    "    template:\n"
    "      spec:\n"
    "        parallelism: %" PRIu64 "\n"
    "        completions: %" PRIu64 "\n"
    "        completionMode: Indexed\n"
    "        backoffLimit: 0\n"
    "        template:\n"
    "          spec:\n"
    "            restartPolicy: Never\n"
    "            terminationGracePeriodSeconds: 300\n"
    "            containers:\n"
    "            - name: train\n"
    "              image: IMAGE\n"
    "              workingDir: /run\n"
    "              command: [\"/train\", \"--out\", \"/run/out\", "
    "\"--resume\"";

/* The variables that --nproc reads. */
static const char jobset_env[] =
    "              env:\n"
    "              - name: PET_NNODES\n"
    "                value: \"%" PRIu64 "\"\n"
    "              - name: PET_NODE_RANK\n"
    "                valueFrom:\n"
    "                  fieldRef:\n"
    "                    fieldPath: metadata.annotations"
    "['batch.kubernetes.io/job-completion-index']\n"
    "              - name: PET_MASTER_ADDR\n"
    "                value: %s-workers-0-0.%s\n"
    "              - name: PET_MASTER_PORT\n"
    "                value: \"29400\"\n"
    "              - name: LOONG_RDZV_TOKEN\n"
    "                valueFrom:\n"
    "                  secretKeyRef:\n"
    "                    name: %s-rdzv\n"
    "                    key: token\n";

static const char jobset_mounts[] =
    "              volumeMounts:\n"
    "              - name: run\n"
    "                mountPath: /run\n";

static const char jobset_volumes[] =
    "            volumes:\n"
    "            - name: run\n"
    "              persistentVolumeClaim:\n"
    "                claimName: %s\n";

/* Ranks of one pod are threads of a process, those of several processes:
 * NCCL's on one machine talk through shared memory. */
static bool
print_jobset(const struct module *m, const struct shape *s, bool gpus,
    FILE *out)
{
	bool several = s->nodes > 1;

	fprintf(out, "# %" PRIu64 " rank%s", s->ranks,
	    s->ranks > 1 ? "s" : "");
	print_mesh(m, out);
	fprintf(out, "\n%s", jobset_head);
	if (several)
		fprintf(out, jobset_secret, s->name);
	fprintf(out, jobset_spec, s->name, s->nodes, s->nodes);
	if (several)
		fprintf(out, ", \"--nproc\", \"%" PRIu64 "\"", s->each);
	fputs("]\n", out);
	if (several)
		fprintf(out, jobset_env, s->nodes, s->name, s->name, s->name);
	if (gpus)
		fprintf(out, "              resources:\n"
		    "                limits:\n"
		    "                  nvidia.com/gpu: %" PRIu64 "\n", s->each);
	fputs(jobset_mounts, out);
	if (several && gpus)
		fputs("              - name: shm\n"
		    "                mountPath: /dev/shm\n", out);
	fprintf(out, jobset_volumes, s->name);
	if (several && gpus)
		fputs("            - name: shm\n"
		    "              emptyDir:\n"
		    "                medium: Memory\n", out);
	return true;
}

bool
launch_print(const struct module *m, enum launcher launcher, bool gpus,
    FILE *out)
{
	struct shape s = shape_of(m);

	return launcher == LAUNCHER_SLURM ? print_slurm(m, &s, gpus, out) :
	    print_jobset(m, &s, gpus, out);
}
