/* The part of NVTX 3 that programs have in them. */
#include "config.h"

#include "runtime/trace/nvtx.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/main/report.h"

/* ---- what both sides know: nvtxTypes.h ---- */

enum { CALLBACKS = 1, VERSION_INFO = 3, INTERFACE = 3 };
enum { CORE = 1, MODULES = 7, SLOTS = 17 };
enum { RANGE_PUSH = 9, RANGE_POP = 11, NAME_THREAD = 14 }; /* of CORE */

typedef void function(void);
struct callbacks {
	size_t size;
	int (*table)(int module, function ****to, unsigned *n);
};
struct version_info {
	size_t size;
	uint32_t version, reserved;
	void (*set_version)(uint32_t);
};

/* Functions of each module: core, CUDA, OpenCL, CUDA runtime, domains,
 * synchronisation.  Number 0 is none. */
static const unsigned sizes[MODULES] = {0, 16, 9, 15, 7, 16, 7};

/* ---- the table ---- */

static function *slot[MODULES][SLOTS];
static function **entry[MODULES][SLOTS];

static int
table_of(int module, function ****to, unsigned *n)
{
	if (module < CORE || module >= MODULES)
		return 0;
	for (unsigned i = 1; i < sizes[module]; i++)
		entry[module][i] = &slot[module][i];
	if (to)
		*to = entry[module];
	if (n)
		*n = sizes[module];
	return 1;
}

static void
set_version(uint32_t v)
{
	(void)v;
}

static const void *
export_table(uint32_t id)
{
	static const struct callbacks callbacks = {sizeof callbacks, table_of};
	static const struct version_info version = {sizeof version, INTERFACE,
	    0, set_version};

	return id == CALLBACKS ? (const void *)&callbacks :
	    id == VERSION_INFO ? (const void *)&version : NULL;
}

/* ---- the tool ---- */

static int
no_push(const char *name)
{
	(void)name;
	return -1;
}

static int
no_pop(void)
{
	return -1;
}

static void
no_name(uint32_t id, const char *name)
{
	(void)id;
	(void)name;
}

static struct lt_nvtx tool = {no_push, no_pop, no_name};
static bool found;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
take(void *to, int number)
{
	if (slot[CORE][number])
		memcpy(to, &slot[CORE][number], sizeof slot[CORE][number]);
}

static void
find_tool(void)
{
	const char *path = getenv("NVTX_INJECTION64_PATH");
	void *lib = path && *path ? dlopen(path, RTLD_LAZY) : NULL;
	void *p = lib ? dlsym(lib, "InitializeInjectionNvtx2") : NULL;
	int (*start)(const void *(*)(uint32_t));

	if (!path || !*path)
		return;
	memcpy(&start, &p, sizeof start);
	if (!p || !start(export_table)) {
		lt_warn("there are no ranges for the profiler: %s %s", path,
		    !lib ? "cannot be loaded" : !p ? "is no library for NVTX" :
		    "does not start");
		if (lib)
			dlclose(lib);
		return;
	}
	take(&tool.push, RANGE_PUSH);
	take(&tool.pop, RANGE_POP);
	take(&tool.name_thread, NAME_THREAD);
	found = true;
}

const struct lt_nvtx *
lt_nvtx_open(void)
{
	pthread_once(&once, find_tool);
	return found ? &tool : NULL;
}
