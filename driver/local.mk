# The command loongc; all but its main is a library, for tests.
noinst_LIBRARIES += libdriver.a
libdriver_a_SOURCES = \
	%D%/arch.c %D%/arch.h \
	%D%/batch.c %D%/batch.h \
	%D%/cc.c %D%/cc.h \
	%D%/child.c %D%/child.h \
	%D%/compile.c %D%/compile.h \
	%D%/diff.c %D%/diff.h \
	%D%/gpu.c %D%/gpu.h \
	%D%/help.c \
	%D%/input.c %D%/input.h \
	%D%/launch.c %D%/launch.h \
	%D%/load.c %D%/load.h \
	%D%/manual.c \
	%D%/options.c %D%/options.h \
	%D%/options.def \
	%D%/output.c %D%/output.h \
	%D%/probe.c %D%/probe.h \
	%D%/record.c %D%/record.h \
	%D%/run.c %D%/run.h \
	%D%/runtime.c \
	%D%/say.c %D%/say.h \
	%D%/scale.c %D%/scale.h \
	%D%/scale_mesh.c \
	%D%/times.c %D%/times.h \
	%D%/trainer.c %D%/trainer.h \
	%D%/why.c %D%/why.h \
	%D%/verify.c %D%/verify.h \
	%D%/verify_c.c \
	%D%/verify_slopes.c \
	%D%/verify_static.c \
	%D%/verify_stage.c \
	%D%/verify_state.h
nodist_libdriver_a_SOURCES = %D%/probe_text.h
libdriver_a_CPPFLAGS = $(AM_CPPFLAGS) \
	-DLOONGC_SRCDIR='"$(abs_top_srcdir)"' \
	-DLOONGC_LIBDIR='"$(pkglibdir)"' \
	-DLOONGC_SANITIZE='"$(SAN_CFLAGS)"' \
	-DLOONGC_CFLAGS='"$(TRAINER_CFLAGS)"' \
	-DLOONGC_LDFLAGS='"$(TRAINER_LDFLAGS)"' \
	-DLOONGC_LIBS='"$(TRAINER_LIBS)"'

# The end of a --verify program, as a string.
EXTRA_DIST += %D%/probe_main.c
CLEANFILES += %D%/probe_text.h
%D%/probe_text.h: %D%/probe_main.c %D%/local.mk
	$(AM_V_GEN)$(MKDIR_P) %D% && { \
	echo 'static const char probe_text[] ='; \
	sed 's/[\\"]/\\&/g; s/^/"/; s/$$/\\n"/' $(srcdir)/%D%/probe_main.c; \
	echo ';'; } >$@.tmp && mv $@.tmp $@
%D%/libdriver_a-probe.$(OBJEXT): %D%/probe_text.h

bin_PROGRAMS += loongc
loongc_libs = libdriver.a libfrontend.a libcodegen.a libpasses.a libplan.a libir.a \
	libsupport.a
loongc_SOURCES = %D%/main.c
loongc_LDADD = $(loongc_libs)
dist_man_MANS += doc/loongc.1
# Flags for trainers are compiled in.
%D%/libdriver_a-cc.$(OBJEXT) %D%/libdriver_a-runtime.$(OBJEXT): Makefile
