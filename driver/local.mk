# The command loongc.
bin_PROGRAMS += loongc
loongc_SOURCES = \
	%D%/cc.c %D%/cc.h \
	%D%/compile.c %D%/compile.h \
	%D%/help.c \
	%D%/input.c %D%/input.h \
	%D%/load.c %D%/load.h \
	%D%/main.c \
	%D%/manual.c \
	%D%/options.c %D%/options.h \
	%D%/options.def \
	%D%/output.c %D%/output.h \
	%D%/runtime.c \
	%D%/times.c %D%/times.h
loongc_CPPFLAGS = $(AM_CPPFLAGS) \
	-DLOONGC_SRCDIR='"$(abs_top_srcdir)"' \
	-DLOONGC_LIBDIR='"$(pkglibdir)"' \
	-DLOONGC_CFLAGS='"$(TRAINER_CFLAGS)"' \
	-DLOONGC_LDFLAGS='"$(TRAINER_LDFLAGS)"' \
	-DLOONGC_LIBS='"$(TRAINER_LIBS)"'
loongc_LDADD = libcodegen.a libpasses.a libfrontend.a libir.a libsupport.a
dist_man_MANS += doc/loongc.1
