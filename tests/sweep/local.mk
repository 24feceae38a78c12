# All meshes against the compiler's proofs: a sample, or all of them.
EXTRA_DIST += %D%/model.lt
check_PROGRAMS += sweep
sweep_SOURCES = %D%/sweep.c
sweep_CPPFLAGS = $(AM_CPPFLAGS) \
	-DTEST_DIR='"$(abs_top_srcdir)/tests"'
sweep_LDADD = $(loongc_libs)
dist_check_SCRIPTS += %D%/sample.sh
TESTS += %D%/sample.sh
