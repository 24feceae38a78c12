# The time passes take, in steps: what is counted is compiled here once more.
if HAVE_CHECK
check_PROGRAMS += check_linear
TESTS += check_linear
check_LIBRARIES = libsteps.a
libsteps_a_SOURCES = %D%/steps.c %D%/steps.h
check_linear_SOURCES = %D%/check_linear.c ir/module.c ir/print_slots.c \
	ir/slots.c passes/order.c \
	passes/rewrite.c passes/schedule.c passes/simplify.c passes/zero.c \
	passes/zero_params.c passes/zero_split.c support/intern.c \
	support/ptrmap.c
check_linear_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_linear_CFLAGS = $(AM_CFLAGS) -fsanitize-coverage=trace-pc
check_linear_LDADD = libsteps.a $(loongc_libs) $(CHECK_LIBS)
endif
