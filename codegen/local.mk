noinst_LIBRARIES += libcodegen.a
libcodegen_a_SOURCES = \
	%D%/attn.c \
	%D%/codegen.h \
	%D%/comm.c \
	%D%/comment.c \
	%D%/emit.h \
	%D%/gemm.c \
	%D%/host.c %D%/host.h \
	%D%/image.c \
	%D%/kernel.c %D%/kernel.h \
	%D%/kernel_loop.c \
	%D%/kernel_map.c \
	%D%/kernel_row.c \
	%D%/kernel_shape.c \
	%D%/layout.c %D%/layout.h \
	%D%/loops.c \
	%D%/ops.c \
	%D%/place.c \
	%D%/plan.c \
	%D%/quote.c \
	%D%/recipe.c \
	%D%/scalar.c \
	%D%/tables.c \
	%D%/traffic.c %D%/traffic.h
