noinst_LIBRARIES += libcodegen.a
libcodegen_a_SOURCES = \
	%D%/attn.c \
	%D%/codegen.h \
	%D%/emit.h \
	%D%/flops.c \
	%D%/gemm.c \
	%D%/host.c %D%/host.h \
	%D%/identity.c \
	%D%/kernel.c \
	%D%/place.c \
	%D%/plan.c \
	%D%/quote.c \
	%D%/recipe.c \
	%D%/tables.c
