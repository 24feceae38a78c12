#include "tests/gpu/on_device.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <map>
#include <new>
#include <string>

extern "C" {
#include "codegen/texts.h"
#include "runtime/gpu/cuda_api.h"
#include "support/nvrtc.h"
}

/* ---- memory of the tests: one range, copied as a whole ---- */

namespace {

constexpr size_t POOL = size_t(1) << 36; /* of addresses */

/* What is taken during a launch (a fake GPU computes in this process) is not
 * the tests', and must not be copied back over. */
struct area {
	char *from, *end;
	void *freed[64]; /* blocks by the logarithm of their size */
} areas[2];
bool launching;

[[noreturn]] void
die(const char *what, const char *why)
{
	fprintf(stderr, "on_device: %s: %s\n", what, why);
	exit(1);
}

[[noreturn]] void
skip(const char *why)
{
	printf("skipped: no GPU: %s\n", why);
	exit(77);
}

int
log_of(size_t n)
{
	int i = 7; /* 128 bytes at least, aligned to as much */

	while ((size_t(1) << i) < n + 64)
		i++;
	return i;
}

/* 64 bytes before a block say its size and area. */
struct block {
	int log, area;
};

void *
get(size_t n)
{
	block b = {log_of(n), launching};
	area &a = areas[b.area];
	char *p = (char *)a.freed[b.log];

	if (!a.from) {
		a.from = (char *)mmap(nullptr, POOL, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		a.end = a.from;
	}
	if (p) {
		memcpy(&a.freed[b.log], p, sizeof(void *));
		return p;
	}
	p = a.end + 64;
	a.end += (size_t(1) << b.log) + 64;
	memcpy(p - 64, &b, sizeof b);
	return p;
}

void
put(void *p)
{
	block b;

	if (!p)
		return;
	memcpy(&b, (char *)p - 64, sizeof b);
	memcpy(p, &areas[b.area].freed[b.log], sizeof(void *));
	areas[b.area].freed[b.log] = p;
}

} // namespace

void *operator new(size_t n) { return get(n); }
void *operator new[](size_t n) { return get(n); }
void *operator new(size_t n, std::align_val_t) { return get(n); }
void *operator new[](size_t n, std::align_val_t) { return get(n); }
void operator delete(void *p) noexcept { put(p); }
void operator delete[](void *p) noexcept { put(p); }
void operator delete(void *p, size_t) noexcept { put(p); }
void operator delete[](void *p, size_t) noexcept { put(p); }
void operator delete(void *p, std::align_val_t) noexcept { put(p); }
void operator delete[](void *p, std::align_val_t) noexcept { put(p); }
void operator delete(void *p, size_t, std::align_val_t) noexcept { put(p); }

/* ---- the device ---- */

namespace {

struct unit {
	const char *name, *defines, *file;
	int from, to;
	lt_cu_module module;
	bool tried;
} units[] = {
#define UNIT(name, defines, file, from, to)                                   \
	{name, defines, file, from, to, nullptr, false},
#include "tests/kernels/units.def"
#undef UNIT
};

const lt_cu *cu;
lt_cu_stream stream;
nvrtc *rtc;
int arch;
bool fake; /* tests/gpu/fake_cuda.c: kernels are the emulated ones */

void
must(int result, const char *what)
{
	char text[256];

	if (result)
		die(what, lt_cu_text(cu, result, text));
}

void
open_device()
{
	lt_cu_context context;
	char why[512];
	int rc = 0, major = 0, minor = 0, n = 0;

	cu = lt_cu_load(&rc);
	if (!cu || cu->count(&n) || n == 0)
		skip("no driver, or it shows none");
	must(cu->retain(&context, 0), "context");
	must(cu->set_current(context), "context");
	must(cu->stream_new(&stream, LT_CU_NON_BLOCKING), "stream");
	must(cu->attribute(&major, LT_CU_MAJOR, 0), "architecture");
	must(cu->attribute(&minor, LT_CU_MINOR, 0), "architecture");
	arch = 10 * major + minor;
	fake = getenv("FAKE_CUDA_LOG") || getenv("FAKE_DEVICE");
	rtc = fake ? nullptr : nvrtc_open(why, sizeof why);
	if (!rtc && !fake)
		skip(why);
}

/* The architecture with what only it has, where there is such a thing. */
std::string
arch_name()
{
	return "sm_" + std::to_string(arch) + (arch >= 90 ? "a" : "");
}

void
compile(unit &u)
{
	kernel_source s = {};
	nvrtc_code code;

	u.tried = true;
	if (arch < u.from || arch > u.to || fake)
		return;
	buf_puts(&s.out, u.defines);
	kernel_include(&s, u.file);
	if (!nvrtc_compile(rtc, buf_text(&s.out), u.file, arch_name().c_str(),
	    NVRTC_CUBIN, &code))
		die(u.name, code.log);
	must(cu->module_load(&u.module, code.data), u.name);
	nvrtc_free(&code);
	kernel_source_free(&s);
}

/* "attn_fwd_sm80_d64" is likely in "attn_sm80_d64". */
bool
likely(const unit &u, const char *kernel)
{
	const char *tail = strstr(kernel, "_sm");
	const char *own = strstr(u.name, "_sm");

	return !tail == !own && (!tail || strcmp(tail, own) == 0);
}

lt_cu_function
find_in(unit &u, const char *kernel)
{
	lt_cu_function f = nullptr;

	if (!u.tried)
		compile(u);
	return u.module && cu->function(&f, u.module, kernel) == 0 ? f :
	    nullptr;
}

lt_cu_function
find_fake(const char *kernel, size_t size)
{
	std::string name = std::string(kernel) + "_emulated";
	std::string text = "FAKE\n" + name + " " + std::to_string(size) + "\n";
	lt_cu_module module;
	lt_cu_function f;

	must(cu->module_load(&module, text.c_str()), kernel);
	must(cu->function(&f, module, name.c_str()), kernel);
	return f;
}

lt_cu_function
function_of(const char *kernel, size_t size)
{
	static std::map<std::string, lt_cu_function> known;
	lt_cu_function &f = known[kernel];

	if (!f && fake)
		f = find_fake(kernel, size);
	for (int sure = 1; sure >= 0; sure--)
		for (unit &u : units)
			if (!f && likely(u, kernel) == (bool)sure)
				f = find_in(u, kernel);
	if (!f)
		skip((std::string(kernel) + " is not for sm_" +
		    std::to_string(arch)).c_str());
	return f;
}

/* ---- what arguments point to ---- */

struct range {
	char *from, *to;
	lt_cu_ptr at;
	size_t room;
};
range heap, stack;

/* A caller's arrays: from the frame of on_device to the end of the stack. */
char *
stack_end()
{
	static char *end;
	FILE *f = end ? nullptr : fopen("/proc/self/maps", "r");
	char line[512];
	unsigned long lo, hi;

	while (f && fgets(line, sizeof line, f))
		if (strstr(line, "[stack]") &&
		    sscanf(line, "%lx-%lx", &lo, &hi) == 2)
			end = (char *)hi;
	if (f)
		fclose(f);
	return end;
}

void
push(range &r)
{
	size_t n = (size_t)(r.to - r.from);

	if (r.room < n) {
		if (r.room)
			must(cu->mem_free(r.at), "memory");
		must(cu->mem_alloc(&r.at, n), "memory");
		r.room = n;
	}
	if (n)
		must(cu->upload(r.at, r.from, n, stream), "copy");
	must(cu->stream_sync(stream), "copy");
}

void
pull(range &r)
{
	size_t n = (size_t)(r.to - r.from);

	if (n)
		must(cu->download(r.from, r.at, n, stream), "copy");
	must(cu->stream_sync(stream), "copy");
}

bool
in(const range &r, uint64_t p)
{
	return p >= (uint64_t)r.from && p < (uint64_t)r.to;
}

/* What the linker says of this program's own memory. */
extern "C" char __executable_start, _end;

/* A device cannot read what is static here. */
uint64_t
moved(uint64_t p)
{
	const range own = {&__executable_start, &_end, 0, 0};
	const range &r = in(heap, p) ? heap : stack;

	if (in(own, p))
		die("an argument", "it points to what is static");
	return in(r, p) ? r.at + (p - (uint64_t)r.from) : p;
}

/* A tensor map as the emulator has it becomes the device's. */
bool
move_map(char *at)
{
	lk_emu_tmap m;
	lk_tmap t = {};
	uint64_t size[5], stride[5];
	uint32_t box[5], one[5] = {1, 1, 1, 1, 1};

	memcpy(&m, at, sizeof m);
	if (m.rank < 1 || m.rank > 5 || m.swizzle < 0 || m.swizzle > 1 ||
	    m.stride[0] != 1 || !(in(heap, (uint64_t)m.base) ||
	    in(stack, (uint64_t)m.base)))
		return false;
	for (int i = 0; i < m.rank; i++) {
		size[i] = (uint64_t)m.size[i];
		box[i] = (uint32_t)m.box[i];
		stride[i] = (uint64_t)m.stride[i] * 2;
	}
	if (fake) {
		m.base = (void *)moved((uint64_t)m.base);
		memcpy(at, &m, sizeof m);
		return true;
	}
	must(cu->tensor_map(&t, LT_CU_TMAP_BF16, (uint32_t)m.rank,
	    (void *)moved((uint64_t)m.base), size, stride + 1, box, one, 0,
	    m.swizzle ? LT_CU_TMAP_SWIZZLE_128B : 0, LT_CU_TMAP_L2_128B, 0),
	    "tensor map");
	memcpy(at, &t, sizeof t);
	return true;
}

void
move_args(char *args, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i += 8) {
		uint64_t p;

		if (i % 64 == 0 && i + sizeof(lk_tmap) <= size &&
		    move_map(args + i)) {
			i += sizeof(lk_tmap) - 8;
			continue;
		}
		memcpy(&p, args + i, 8);
		p = moved(p);
		memcpy(args + i, &p, 8);
	}
}

} // namespace

void
on_device(const char *kernel, const void *args, size_t size,
    const unsigned grid[3], unsigned threads, unsigned smem)
{
	alignas(64) char copy[4096];
	void *list[] = {copy};
	lt_cu_function f;

	if (!cu)
		open_device();
	if (size > sizeof copy)
		die(kernel, "its argument is too large");
	f = function_of(kernel, size);
	heap.from = areas[0].from;
	heap.to = areas[0].end;
	stack.from = (char *)__builtin_frame_address(0) + 16;
	stack.to = stack_end();
	launching = true;
	push(heap);
	push(stack);
	memcpy(copy, args, size);
	move_args(copy, size);
	if (smem > 48 << 10)
		must(cu->function_set(f, LT_CU_FUNC_SMEM, (int)smem), kernel);
	must(cu->launch(f, grid[0], grid[1], grid[2], threads, 1, 1, smem,
	    stream, list, nullptr), kernel);
	must(cu->stream_sync(stream), kernel);
	pull(heap);
	pull(stack);
	launching = false;
}
