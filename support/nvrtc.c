#include "config.h"

#include "support/nvrtc.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/compiler.h"

typedef struct program *program;

/* Of nvrtc.h; results are 0 for success.  NAME(result, (arguments)) */
#define NVRTC_FUNCTIONS(F)                                                     \
	F(Version, (int *major, int *minor))                                   \
	F(CreateProgram, (program *, const char *source, const char *name,     \
	    int nheader, const char *const *text, const char *const *include)) \
	F(DestroyProgram, (program *))                                         \
	F(CompileProgram, (program, int n, const char *const *option))         \
	F(GetProgramLogSize, (program, size_t *))                              \
	F(GetProgramLog, (program, char *))                                    \
	F(GetCUBINSize, (program, size_t *))                                   \
	F(GetCUBIN, (program, char *))                                         \
	F(GetPTXSize, (program, size_t *))                                     \
	F(GetPTX, (program, char *))

struct nvrtc {
	void *lib;
	char path[4096];
	int version;
#define F(name, args) int(*name) args;
	NVRTC_FUNCTIONS(F)
#undef F
};

const char *const nvrtc_options[] = {"-std=c++17", "-default-device",
    "--ptxas-options=-v", NULL};

/* ---- finding it ---- */

static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12",
    "libnvrtc.so"};
static const char *const folders[] = {"lib64", "lib",
    "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"};

/* Folder NULL: where the loader looks. */
static bool
load(struct nvrtc *n, const char *root, const char *folder)
{
	for (size_t i = 0; !n->lib && i < COUNT_OF(names); i++) {
		int len = snprintf(n->path, sizeof n->path, "%s%s%s%s%s",
		    root, *root ? "/" : "", folder, *folder ? "/" : "",
		    names[i]);

		if (len > 0 && (size_t)len < sizeof n->path)
			n->lib = dlopen(n->path, RTLD_NOW | RTLD_LOCAL);
	}
	return n->lib;
}

static bool
load_below(struct nvrtc *n, const char *root)
{
	for (size_t i = 0; root && *root && i < COUNT_OF(folders); i++)
		if (load(n, root, folders[i]))
			return true;
	return false;
}

static bool
find(struct nvrtc *n)
{
	return load_below(n, getenv("CUDA_HOME")) ||
	    load_below(n, getenv("CUDA_PATH")) || load(n, "", "") ||
	    load_below(n, "/usr/local/cuda");
}

/* A function's address is not an object's: through memory. */
static bool
bind(struct nvrtc *n, const char **missing)
{
	void *p;

#define F(name, args)                                                          \
	p = dlsym(n->lib, "nvrtc" #name);                                      \
	if (!p)                                                                \
		*missing = "nvrtc" #name;                                      \
	memcpy(&n->name, &p, sizeof p);
	NVRTC_FUNCTIONS(F)
#undef F
	return !*missing;
}

struct nvrtc *
nvrtc_open(char *why, size_t size)
{
	struct nvrtc *n = calloc(1, sizeof *n);
	const char *missing = NULL;
	int major = 0, minor = 0;

	if (!n)
		abort();
	if (!find(n))
		snprintf(why, size, "no %s in CUDA_HOME, CUDA_PATH, the "
		    "loader's path or /usr/local/cuda", names[0]);
	else if (!bind(n, &missing))
		snprintf(why, size, "%s has no %s", n->path, missing);
	else if (n->Version(&major, &minor) != 0)
		snprintf(why, size, "%s does not tell its version", n->path);
	n->version = 1000 * major + 10 * minor;
	if (n->version > 0)
		return n;
	nvrtc_close(n);
	return NULL;
}

/* The library stays: what it allocated when it was loaded would be lost, and
 * the next open finds it. */
void
nvrtc_close(struct nvrtc *n)
{
	free(n);
}

int
nvrtc_version(const struct nvrtc *n)
{
	return n->version;
}

const char *
nvrtc_path(const struct nvrtc *n)
{
	return n->path;
}

/* ---- compiling ---- */

typedef int (*size_fn)(program, size_t *);
typedef int (*text_fn)(program, char *);

/* A text or binary of p, terminated; NULL: not there. */
static char *
fetch(program p, size_fn size_of, text_fn text_of, size_t *size)
{
	char *s = NULL;

	*size = 0;
	if (size_of(p, size) != 0 || *size == 0)
		return NULL;
	s = calloc(1, *size + 1);
	if (!s)
		abort();
	if (text_of(p, s) == 0)
		return s;
	free(s);
	return NULL;
}

static int
compile(struct nvrtc *n, program p, const char *arch)
{
	const char *option[8] = {NULL};
	char text[64];
	int k = 0;

	snprintf(text, sizeof text, "-arch=%s", arch);
	option[k++] = text;
	for (int i = 0; nvrtc_options[i]; i++)
		option[k++] = nvrtc_options[i];
	return n->CompileProgram(p, k, option);
}

bool
nvrtc_compile(struct nvrtc *n, const char *source, const char *name,
    const char *arch, enum nvrtc_kind kind, struct nvrtc_code *code)
{
	bool ptx = kind == NVRTC_PTX, ok;
	program p = NULL;
	size_t size;

	*code = (struct nvrtc_code){0};
	ok = n->CreateProgram(&p, source, name, 0, NULL, NULL) == 0 &&
	    compile(n, p, arch) == 0;
	if (p)
		code->log = fetch(p, n->GetProgramLogSize, n->GetProgramLog,
		    &size);
	if (!code->log)
		code->log = calloc(1, 1);
	if (!code->log)
		abort();
	if (ok)
		code->data = fetch(p, ptx ? n->GetPTXSize : n->GetCUBINSize,
		    ptx ? n->GetPTX : n->GetCUBIN, &code->size);
	if (ptx && code->size > 0)
		code->size--; /* PTX is a text with its end */
	if (p)
		n->DestroyProgram(&p);
	return code->data != NULL;
}

void
nvrtc_free(struct nvrtc_code *code)
{
	free(code->data);
	free(code->log);
	*code = (struct nvrtc_code){0};
}
