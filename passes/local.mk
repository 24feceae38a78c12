# Passes over the IR, in the order of passes.def.
noinst_LIBRARIES += libpasses.a
libpasses_a_SOURCES = \
	%D%/fuse.c \
	%D%/memory.c \
	%D%/pass.h \
	%D%/passes.def \
	%D%/pipeline.c
