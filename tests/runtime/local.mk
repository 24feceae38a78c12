# The runtime, on a program written by hand: no compiler is involved.
check_PROGRAMS += fake_train
fake_train_SOURCES = %D%/fake.c
fake_train_LDADD = libloong_rt.a $(RT_LIBS)
fake_train_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic-symbol=obey

runtime_tests = \
	%D%/data.sh \
	%D%/device.sh \
	%D%/formats.sh \
	%D%/learns.sh \
	%D%/options.sh \
	%D%/out.sh \
	%D%/ranks.sh \
	%D%/signals.sh \
	%D%/terminal.sh
TESTS += $(runtime_tests)
EXTRA_DIST += $(runtime_tests) %D%/lib.sh

if HAVE_CHECK
check_PROGRAMS += check_runtime check_same
TESTS += check_runtime check_same
check_runtime_SOURCES = %D%/check_runtime.c
check_runtime_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_runtime_LDADD = libloong_rt.a $(CHECK_LIBS)
check_same_SOURCES = %D%/check_same.c
check_same_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_same_LDADD = libloong_rt.a $(RT_LIBS) $(CHECK_LIBS)
endif

# Trainers as loongc makes them.
TESTS += tests/train/tiny.sh
EXTRA_DIST += tests/train/tiny.sh tests/train/tiny.lt
tests/train/tiny.log: loongc$(EXEEXT) libloong_rt.a
