/*
 * Tests of kernels in the emulator.
 *
 *	TEST(adds)
 *	{
 *		each_mode([] { .. launch, CHECK(..) });
 *		DIES("RACE", launch_wrong_kernel());
 *	}
 *
 * main is emu_test_main(); a test that fails prints where and why, and the
 * program ends with 1.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <math.h>
#include <string>
#include <vector>

#include "codegen/kernels/lk.h"

struct Test {
	const char *name;
	void (*run)();
};

inline std::vector<Test> all_tests;
inline int failures;
inline const char *mode_now = "";

#define TEST(name)                                                            \
	static void test_##name();                                            \
	static const bool listed_##name =                                     \
	    (all_tests.push_back({#name, test_##name}), true);                \
	static void test_##name()

#define CHECK(x)                                                              \
	do {                                                                  \
		if (!(x)) {                                                   \
			printf("%s:%d: %s: not %s\n", __FILE__, __LINE__,     \
			    mode_now, #x);                                    \
			failures++;                                           \
		}                                                             \
	} while (0)

/* The call ends the process with the emulator's message, which has `text`; a
 * GPU would say nothing. */
#ifdef LK_ON_DEVICE
#define DIES(text, call)                                                      \
	do {                                                                  \
	} while (0)
#else
#define DIES(text, call)                                                      \
	do {                                                                  \
		std::string said = death([&] { call; });                      \
		if (said.find(text) == std::string::npos) {                   \
			printf("%s:%d: %s: %s: expected \"%s\", got \"%s\"\n", \
			    __FILE__, __LINE__, mode_now, #call, text,        \
			    said.c_str());                                    \
			failures++;                                           \
		}                                                             \
	} while (0)

#endif

/* What f prints to stderr before it ends with status 3; "" if it lives. */
template <class F> std::string
death(F f)
{
	std::string said;
	char part[512];
	int fd[2], status = 0;
	ssize_t n;
	pid_t child;

	fflush(nullptr);
	if (pipe(fd) || (child = fork()) < 0)
		abort();
	if (child == 0) {
		dup2(fd[1], 2);
		f();
		_exit(0);
	}
	close(fd[1]);
	while ((n = read(fd[0], part, sizeof part)) > 0)
		said.append(part, (size_t)n);
	close(fd[0]);
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 3 ? said : "";
}

/* Eager, lazy, random with three seeds; races checked in all. */
template <class F> void
each_mode(F f)
{
	static const char *const name[] = {"eager", "lazy", "random 1",
	    "random 2", "random 3"};

#ifdef LK_ON_DEVICE
	f();
	return;
#endif
	for (int i = 0; i < 5; i++) {
		mode_now = name[i];
		lk_emu_control(i < 2 ? i : 2, 1, i < 2 ? 1 : (u64)i - 1);
		f();
	}
	mode_now = "";
	lk_emu_control(emu::LAZY, 1, 1);
}

/* ---- numbers ---- */

struct Random {
	u64 state;

	u64 next() /* splitmix64 */
	{
		u64 x = state += 0x9e3779b97f4a7c15u;

		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
		x = (x ^ x >> 27) * 0x94d049bb133111ebu;
		return x ^ x >> 31;
	}
	double unit() { return (double)(next() >> 11) * 0x1p-53; }
	int below(int n) { return (int)(next() % (u64)n); }
	double normal()
	{
		double r = sqrt(-2 * log(1 - unit()));

		return r * cos(6.283185307179586 * unit());
	}
};

/* n normal numbers, 16-byte aligned; their size grows by `grow` from the
 * first to the last. */
inline std::vector<float>
normal_f32(Random &r, size_t n, double grow = 1)
{
	std::vector<float> x(n);

	for (size_t i = 0; i < n; i++)
		x[i] = (float)(r.normal() *
		    (1 + (grow - 1) * (double)i / (double)n));
	return x;
}

inline std::vector<u16>
normal_bf16(Random &r, size_t n, double grow = 1)
{
	std::vector<u16> x(n);

	for (size_t i = 0; i < n; i++)
		x[i] = lk_tobf((float)(r.normal() *
		    (1 + (grow - 1) * (double)i / (double)n)));
	return x;
}

/*
 * How far results are from references, as a multiple of what is allowed; a
 * NaN is infinitely far.  The bound is the caller's, per element.
 */
struct Compare {
	double worst = 0, got = 0, wanted = 0;
	long at = -1, n = 0;

	void add(double x, double reference, double bound)
	{
		double far = fabs(x - reference) / bound;

		if (x == reference)
			far = 0;
		if (!(far <= worst)) {
			worst = far == far ? far : HUGE_VAL;
			got = x;
			wanted = reference;
			at = n;
		}
		n++;
	}
	bool ok() const { return n > 0 && worst <= 1; }
};

#define CHECK_CLOSE(c)                                                        \
	do {                                                                  \
		if (!(c).ok()) {                                              \
			printf("%s:%d: %s: %s of %ld: [%ld] is %.9g, "        \
			    "not %.9g: %.3g times the bound\n", __FILE__,     \
			    __LINE__, mode_now, #c, (c).n, (c).at, (c).got,   \
			    (c).wanted, (c).worst);                           \
			failures++;                                           \
		}                                                             \
	} while (0)

/* Roundings are off by less than this part of the result. */
constexpr double F32_EPS = 0x1p-24, BF16_EPS = 0x1p-8;

/* Runs all tests, or those named. */
inline int
emu_test_main(int argc, char **argv)
{
	int ran = 0;

	for (const Test &t : all_tests) {
		bool wanted = argc < 2;

		for (int i = 1; i < argc; i++)
			wanted |= strcmp(argv[i], t.name) == 0;
		if (!wanted)
			continue;
		lk_emu_control(emu::LAZY, 1, 1);
		t.run();
		ran++;
	}
	printf("%d tests, %d failures\n", ran, failures);
	return failures != 0 || ran == 0;
}
