noinst_LIBRARIES += libcodegen.a
libcodegen_a_SOURCES = \
	%D%/attn.c \
	%D%/codegen.h \
	%D%/emit.h \
	%D%/flops.c \
	%D%/gemm.c \
	%D%/host.c %D%/host.h \
	%D%/kernel.c \
	%D%/place.c \
	%D%/plan.c \
	%D%/tables.c
