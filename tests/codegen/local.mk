# Emitted C, compiled, run and compared with the interpreter.
EXTRA_DIST += \
	%D%/cases.def \
	%D%/harness.c \
	%D%/attn.lir %D%/dots.lir %D%/head.lir %D%/maps.lir %D%/rows.lir
CLEANFILES += codegen-*.tmp*

if HAVE_CHECK
check_PROGRAMS += check_codegen
TESTS += check_codegen
check_codegen_SOURCES = %D%/check_codegen.c %D%/program.c %D%/program.h
check_codegen_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) \
	-DTEST_DIR='"$(abs_top_srcdir)/tests"' \
	-DTOP_SRCDIR='"$(abs_top_srcdir)"' \
	-DRUNTIME_LIB='"$(abs_top_builddir)/libloong_rt.a"'
check_codegen_LDADD = libcodegen.a libfrontend.a libpasses.a libir.a \
	libsupport.a $(CHECK_LIBS)
check_codegen_DEPENDENCIES = libcodegen.a libfrontend.a libpasses.a libir.a \
	libsupport.a libloong_rt.a
endif
