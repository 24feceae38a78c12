# The runtime, on a program written by hand: no compiler is involved.
check_PROGRAMS += fake_train
fake_train_SOURCES = %D%/fake.c
fake_train_LDADD = libloong_rt.a $(RT_LIBS)

runtime_tests = %D%/learns.sh
TESTS += $(runtime_tests)
EXTRA_DIST += $(runtime_tests) %D%/lib.sh
