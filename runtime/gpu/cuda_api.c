/* Finding the driver. */
#include "config.h"

#include "runtime/gpu/cuda_api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "runtime/loong_rt.h"
#include "runtime/main/report.h"

enum { OLDEST = 12000 };

static struct lt_cu driver;
static int failed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int
refuse(const char *why)
{
	return lt_fail(LT_EXIT_CONFIG, "%s; this trainer computes on NVIDIA "
	    "GPUs, loongc --target=cpu makes one for CPUs", why);
}

/* A function's address is not an object's: through memory. */
static const char *
bind_functions(void)
{
	const char *missing = NULL;
	void *p;

#define F(name, symbol, args)                                                 \
	p = dlsym(driver.lib, symbol);                                        \
	if (!p && !missing)                                                   \
		missing = symbol;                                             \
	memcpy(&driver.name, &p, sizeof p);
	LT_CU_FUNCTIONS(F)
#undef F
	return missing;
}

static int
check_version(const char *missing)
{
	int major = driver.driver / 1000, minor = driver.driver % 1000 / 10;

	if (missing || driver.driver < OLDEST)
		return lt_fail(LT_EXIT_CONFIG, "the NVIDIA driver here is for "
		    "CUDA %d.%d%s%s; this trainer needs one for CUDA %d.%d or "
		    "later", major, minor, missing ? " and has no " : "",
		    missing ? missing : "", OLDEST / 1000,
		    OLDEST % 1000 / 10);
	return LT_OK;
}

static int
begin(void)
{
	char why[512], buf[256];
	const char *missing;
	int r, n = 0;

	driver.lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!driver.lib)
		return refuse("no NVIDIA driver: libcuda.so.1 is not here, or "
		    "not visible in this container");
	missing = bind_functions();
	if (driver.version)
		(void)driver.version(&driver.driver);
	r = check_version(missing);
	if (r)
		return r;
	r = driver.init(0);
	r = r ? r : driver.count(&n);
	if (r == LT_CU_OK && n > 0)
		return LT_OK;
	if (r == LT_CU_OK || r == LT_CU_NO_DEVICE)
		return refuse("the NVIDIA driver shows no GPU (is "
		    "CUDA_VISIBLE_DEVICES set?)");
	snprintf(why, sizeof why, "the NVIDIA driver does not start: %s",
	    lt_cu_text(&driver, r, buf));
	return refuse(why);
}

static void
begin_once(void)
{
	failed = begin();
}

const struct lt_cu *
lt_cu_load(int *rc)
{
	pthread_once(&once, begin_once);
	*rc = failed;
	return failed ? NULL : &driver;
}

const char *
lt_cu_text(const struct lt_cu *cu, int result, char buf[256])
{
	const char *name = NULL, *text = NULL;

	(void)cu->error_name(result, &name);
	(void)cu->error_text(result, &text);
	snprintf(buf, 256, "%s (%s)", name ? name : "CUDA error",
	    text ? text : "of unknown meaning");
	return buf;
}
