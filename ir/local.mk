noinst_LIBRARIES += libir.a
libir_a_SOURCES = \
	%D%/attr.c %D%/attr.h \
	%D%/attrs.def \
	%D%/func.c \
	%D%/ir.h \
	%D%/module.c \
	%D%/ops.def \
	%D%/print.c \
	%D%/runs.c \
	%D%/type.c %D%/type.h \
	%D%/typetable.h \
	%D%/typetext.c
