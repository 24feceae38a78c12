/*
 * Emitted C, compiled and run, against the interpreter: losses, gradients,
 * parameters, moments, evaluation and logits over three steps.
 *
 * Tolerance in f32, against exact arithmetic: with u = 2^-24, a sum of n terms
 * is off by at most n u sum|terms|.  Programs here have sums of at most 400
 * terms and chains of at most 40 rounded operations, and no result is smaller
 * than 1/20 of the largest of its terms' sums on average, so results are off
 * by less than (400 + 40) u * largest = 2.6e-5 * largest of their tensor in
 * the worst case; compared to 2e-5 (measured: below 4e-6).
 *
 * Some gradients cancel: those of key biases are 0, since softmax does not see
 * them.  There u times the norm of all gradients is allowed.
 *
 * Tolerance in bf16: emitted code and interpreter round at different places,
 * each with relative errors of 2^-9.  The interpreter run exactly and run with
 * rounding are as far apart as either is from the truth, so the distance of
 * the emitted program's results from the rounded ones may be DISTANCES times
 * that, by tensor, in the Euclidean norm, plus 2^-8 of the tensor's norm for
 * those that are single numbers.
 *
 * For GPUs (check_codegen_cuda) kernels run in the emulator, which reports
 * accesses of shared memory in no order; in two orders of the threads, which
 * must give the same bits.  Sums there have other orders, and no more terms;
 * exponentials and their like are right to 2 units in the last place, as on
 * the CPU.
 *
 * A swapped axis, a wrong sign or mask moves results by their own size.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cuda.h"
#include "tests/codegen/program.h"

/* Of this file two programs are made: kernels for CPUs, and for GPUs. */
#ifdef CUDA
#define KIND "cuda"
#define COMPILE(p, exe, clones) program_compile_cuda(p, exe)
#else
#define KIND "codegen"
#define COMPILE(p, exe, clones) program_compile(p, exe, clones)
#endif

enum { DISTANCES = 4 };
static const double F32_TOL = 2e-5;

static const struct variant variants[] = {
#ifdef CUDA
#define CUDA_CASE(name, dtype)                                                 \
	{"codegen/" name, dtype, 0, NULL, NULL},
#define CUDA_GOLDEN(name, dtype)                                               \
	{"golden/" name, dtype, 0, "none", NULL},
#define CUDA_MODEL(name, dtype, recompute, mesh, axes)                         \
	{"../examples/" name, dtype, 0, recompute, NULL, true, mesh, axes},
#include "tests/codegen/cuda_cases.def"
#undef CUDA_CASE
#undef CUDA_GOLDEN
#undef CUDA_MODEL
#endif
#define CASE(name)                                                             \
	{"codegen/" name, "f32", 0, NULL, NULL},                               \
	{"codegen/" name, "bf16", 0, NULL, NULL},                              \
	{"codegen/" name, "f32", 11, NULL, NULL},
#define MODEL(name)                                                            \
	{"golden/" name, "f32", 0, "none", NULL},                              \
	{"golden/" name, "bf16", 0, "none", NULL},                             \
	{"golden/" name, "f32", 0, "full", "1"},                               \
	{"golden/" name, "bf16", 0, "save(x, attention)", "1"},                \
	{"golden/" name, "f32", 0, "save(x, attention)", NULL},
#define EXAMPLE(name)                                                          \
	{"../examples/" name, "f32", 0, "none", "2", true},                    \
	{"../examples/" name, "bf16", 0, "full", NULL, true},
#define OTHER(name)                                                            \
	{"codegen/" name, "f32", 0, "none", NULL, false},                      \
	{"codegen/" name, "bf16", 0, "full", "1", false},
#define MESH(name, mesh, recompute)                                            \
	{"../examples/" name, "f32", 0, recompute, NULL, true, mesh},
#define SHARD(name, dtype, micro, mesh, axes)                                  \
	{"../examples/" name, dtype, 0, "none", micro, true, mesh, axes},
#include "tests/codegen/cases.def"
#undef SHARD
#undef MESH
#undef OTHER
#undef EXAMPLE
#undef CASE
#undef MODEL
};

/* How many of them are not for `check_codegen_cuda long` alone. */
enum {
#ifdef CUDA
#define CUDA_CASE(...) +1
#define CUDA_GOLDEN(...) +1
#define CUDA_MODEL(...) +1
	QUICK = 0
#include "tests/codegen/cuda_cases.def"
#undef CUDA_CASE
#undef CUDA_GOLDEN
#undef CUDA_MODEL
#else
	QUICK = (int)COUNT_OF(variants)
#endif
};

/* What is compared, for messages. */
struct place {
	const struct variant *v;
	const char *what;
	int step, field;
	double floor; /* what is known of a sum that cancels: see above */
};

static double
largest(const double *x, uint64_t n)
{
	double most = 0;

	for (uint64_t i = 0; i < n; i++)
		most = fmax(most, fabs(x[i]));
	return most;
}

static double
distance(const double *x, const double *y, uint64_t n)
{
	double sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += (x[i] - (y ? y[i] : 0)) * (x[i] - (y ? y[i] : 0));
	return sqrt(sum);
}

static void
close_f32(const struct place *at, const double *got, const double *want,
    uint64_t n)
{
	double scale = largest(want, n);

	for (uint64_t i = 0; i < n; i++)
		ck_assert_msg(fabs(got[i] - want[i]) <=
		    F32_TOL * scale + at->floor, "%s %s step %d: %s %d [%d] is "
		    "%.9g, not %.9g (largest %g)", at->v->file, at->v->dtype,
		    at->step, at->what, at->field, (int)i, got[i], want[i],
		    scale);
}

static void
close_bf16(const struct place *at, const double *got, const double *rounded,
    const double *exact, uint64_t n)
{
	double far = distance(got, rounded, n);
	double may = DISTANCES * distance(rounded, exact, n) +
	    0x1p-8 * distance(rounded, NULL, n) + 1e-9;

	ck_assert_msg(far <= may, "%s %s step %d: %s %d is %g from the "
	    "interpreter's, may be %g; first %g, not %g", at->v->file,
	    at->v->dtype, at->step, at->what, at->field, far, may, got[0],
	    rounded[0]);
}

static void
same(const struct place *at, const double *got, const double *rounded,
    const double *exact, uint64_t n)
{
	if (!exact)
		return;
	ck_assert_ptr_nonnull(got);
	if (strcmp(at->v->dtype, "f32") == 0)
		close_f32(at, got, exact, n);
	else
		close_bf16(at, got, rounded, exact, n);
}

static void
same_step(const struct program *p, const struct variant *v, int step,
    const struct results *all)
{
	const struct result *g = &all[0].step[step], *r = &all[1].step[step];
	const struct result *x = &all[2].step[step];
	struct place at = {v, "loss", step, 0, 0x1p-24 * x->gnorm};

	same(&at, &g->loss, &r->loss, &x->loss, 1);
	at.what = "norm";
	same(&at, &g->gnorm, &r->gnorm, &x->gnorm, 1);
	for (int i = 0; i < p->nfield; i++) {
		at.field = i;
		at.what = "gradient";
		same(&at, g->grad[i], r->grad[i], x->grad[i], p->size[i]);
		at.what = "parameter";
		same(&at, g->master[i], r->master[i], x->master[i],
		    p->size[i]);
		at.what = "first moment";
		same(&at, g->moment1[i], r->moment1[i], x->moment1[i],
		    p->size[i]);
		at.what = "second moment";
		same(&at, g->moment2[i], r->moment2[i], x->moment2[i],
		    p->size[i]);
	}
}

static void
same_files(const char *a, const char *b)
{
	FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
	int x, y;

	ck_assert(f && g);
	do {
		x = getc(f);
		y = getc(g);
		ck_assert_msg(x == y, "threads change the result");
	} while (x != EOF);
	fclose(f);
	fclose(g);
}

START_TEST(as_interpreted)
{
	const struct variant *v = &variants[_i];
	struct program *p = program_load(v);
	struct results r[3]; /* emitted, rounded, exact */
	static const char *const parts[] = {"", ".c", ".o", ".in", ".out",
	    ".out1"};
	char exe[64], out1[80], out3[80];
	struct place at = {v, "evaluation", 0, 0, 0x1p-24};

	snprintf(exe, sizeof exe, KIND "-%d.tmp", _i);
	snprintf(out1, sizeof out1, "%s.out1", exe);
	snprintf(out3, sizeof out3, "%s.out", exe);
	COMPILE(p, exe, v->recompute && !v->micro);
	setenv("LOONG_EMU_RACE", "1", 1);
	setenv("LOONG_EMU_MODE", "lazy", 1);
	program_run(p, exe, 1, &r[0]);
	setenv("LOONG_EMU_MODE", "random", 1);
	rename(out3, out1);
	program_run(p, exe, 3, &r[0]);
	same_files(out1, out3);
	program_interpret(p, true, &r[1]);
	program_interpret(p, false, &r[2]);
	for (int i = 0; i < STEPS; i++)
		same_step(p, v, i, r);
	same(&at, &r[0].nll, &r[1].nll, &r[2].nll, 1);
	same(&at, &r[0].count, &r[1].count, &r[2].count, 1);
	at.what = "logits";
	same(&at, r[0].logits, r[1].logits, r[2].logits, r[2].nlogits);
	program_free(p);
	for (size_t i = 0; i < COUNT_OF(parts) && !getenv("KEEP"); i++) {
		snprintf(out1, sizeof out1, "%s%s", exe, parts[i]);
		remove(out1);
	}
}
END_TEST

#ifdef CUDA
/* A program of maps alone has the library for the ends of its steps. */
START_TEST(units_are_called)
{
	static const struct variant v = {"codegen/maps.lir", "f32"};
	static const char *const none[] = {"gemm", "head", "embed", "nest"};
	struct program *p = program_load(&v);
	struct cuda_options o = {.no_attention = true};
	struct cuda_program c;
	FILE *f = fopen("/dev/null", "w");
	bool scalar = false;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(codegen_cuda(p->gen, &o, f, &c), 0);
	fclose(f);
	for (int i = 0; i < c.nunit; i++) {
		scalar |= strcmp(c.unit[i].name, "scalar") == 0;
		for (size_t k = 0; k < COUNT_OF(none); k++)
			ck_assert_str_ne(c.unit[i].name, none[k]);
	}
	ck_assert(scalar);
	for (int i = 0; i < c.nkernel; i++)
		ck_assert_int_lt(c.kernel[i].unit, c.nunit);
	program_free(p);
}
END_TEST
#endif

int
main(int argc, char **argv)
{
	bool all = argc > 1 && strcmp(argv[1], "long") == 0;
	size_t n = all ? COUNT_OF(variants) : QUICK;
	Suite *s = suite_create(KIND);
	TCase *t = tcase_create("programs");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 240);
	/* Sanitized programs compile slowly: every third variant. */
	for (size_t i = 0; i < n; i += *SAN_CFLAGS ? 3 : 1)
		tcase_add_loop_test(t, as_interpreted, (int)i, (int)i + 1);
#ifdef CUDA
	tcase_add_test(t, units_are_called);
#endif
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
