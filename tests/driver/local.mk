# loongc as a command.
driver_filetests = \
	%D%/read.lir \
	%D%/set_dim.lir \
	%D%/set_fraction.lir \
	%D%/unknown_op.lir
driver_scripts = \
	%D%/best.sh \
	%D%/cc.sh \
	%D%/cuda.sh \
	%D%/dump_mesh.sh \
	%D%/files.sh \
	%D%/hardened.sh \
	%D%/injection.sh \
	%D%/installed.sh \
	%D%/launch.sh \
	%D%/manual.sh \
	%D%/options.sh \
	%D%/verify.sh \
	%D%/cluster.sh %D%/verify_mesh.sh \
	%D%/timeline.sh \
	%D%/why.sh
TESTS += $(driver_filetests) $(driver_scripts)
EXTRA_DIST += $(driver_filetests) $(driver_scripts) \
	%D%/common.sh %D%/tiny.lt

if HAVE_CHECK
check_PROGRAMS += check_verify
TESTS += check_verify
check_verify_SOURCES = %D%/check_verify.c
check_verify_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_verify_LDADD = $(loongc_libs) $(CHECK_LIBS)
endif
