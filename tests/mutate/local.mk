# Bugs on purpose against the compiler's proofs.
EXTRA_DIST += %D%/result.txt %D%/subject.lt %D%/window.lt
CLEANFILES += mutate-result.txt
check_PROGRAMS += check_mutate
TESTS += check_mutate
check_mutate_SOURCES = %D%/check_mutate.c %D%/mutate.c %D%/mutate.h \
	%D%/mutants.def %D%/mutants_comm.c %D%/mutants_host.c \
	%D%/mutants_plan.c %D%/mutants_ring.c %D%/mutants_state.c \
	%D%/mutants_trace.c %D%/mutants_value.c
check_mutate_CPPFLAGS = $(AM_CPPFLAGS) \
	-DTEST_DIR='"$(abs_top_srcdir)/tests"'
check_mutate_LDADD = $(loongc_libs)
