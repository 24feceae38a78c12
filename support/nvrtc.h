/*
 * NVRTC, NVIDIA's run-time compiler of CUDA C++, found when the program runs:
 * nothing of CUDA is needed to build loongc, and no GPU to compile for one.
 *
 * libnvrtc.so.13 (or another of nvrtc_names) is looked for, in this order, in
 * $CUDA_HOME and $CUDA_PATH (lib64 and lib below them), where the dynamic
 * loader looks, and in /usr/local/cuda.
 */
#ifndef LOONG_SUPPORT_NVRTC_H
#define LOONG_SUPPORT_NVRTC_H

#include <stdbool.h>
#include <stddef.h>

struct nvrtc;

/* NULL if there is none: `why` (of size bytes) says where it was looked for. */
struct nvrtc *nvrtc_open(char *why, size_t size);
void nvrtc_close(struct nvrtc *);

/* 1000 * major + 10 * minor: 13000. */
int nvrtc_version(const struct nvrtc *);
/* The file that was loaded. */
const char *nvrtc_path(const struct nvrtc *);

enum nvrtc_kind { NVRTC_CUBIN, NVRTC_PTX };

/* On the heap; see nvrtc_free.  The log has ptxas's report on every kernel
 * (registers, shared memory, spills, advisories), or the errors. */
struct nvrtc_code {
	char *data;  /* NULL: errors */
	size_t size;
	char *log;   /* never NULL */
};

/*
 * Compiles `source`, called `name` in messages, for an architecture such as
 * "sm_90a".  Same source, architecture and NVRTC: same bytes.  False if it
 * has errors.
 */
bool nvrtc_compile(struct nvrtc *, const char *source, const char *name,
    const char *arch, enum nvrtc_kind, struct nvrtc_code *);
void nvrtc_free(struct nvrtc_code *);

/* The options nvrtc_compile gives beside the architecture, NULL at the end:
 * part of the identity of what it makes. */
extern const char *const nvrtc_options[];

#endif
