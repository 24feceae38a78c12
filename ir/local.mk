noinst_LIBRARIES += libir.a
libir_a_SOURCES = \
	%D%/group.c %D%/group.h \
	%D%/attr.c %D%/attr.h \
	%D%/attrs.def \
	%D%/clone.c \
	%D%/func.c \
	%D%/ir.h \
	%D%/module.c \
	%D%/ops.def \
	%D%/print.c \
	%D%/read.c \
	%D%/readfn.c %D%/readfn.h \
	%D%/readop.c \
	%D%/readtype.c \
	%D%/reader.h \
	%D%/rules.c %D%/rules.h \
	%D%/rules_flow.c \
	%D%/rules_row.c \
	%D%/runs.c \
	%D%/scan.c \
	%D%/type.c %D%/type.h \
	%D%/typetable.h \
	%D%/typetext.c \
	%D%/verify.c %D%/verify.h \
	%D%/verify_type.c
