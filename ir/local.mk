noinst_LIBRARIES += libir.a
libir_a_SOURCES = \
	%D%/group.c %D%/group.h \
	%D%/attr.c %D%/attr.h \
	%D%/axes.c \
	%D%/attrs.def \
	%D%/clone.c \
	%D%/coverage.c %D%/coverage.h \
	%D%/coverage_pairs.c %D%/coverage_pairs.h \
	%D%/flops.c %D%/flops.h \
	%D%/func.c \
	%D%/identity.c %D%/identity.h \
	%D%/interp/attn.c \
	%D%/interp/comm.c \
	%D%/interp/host.c \
	%D%/interp/image.c \
	%D%/interp/interp.c %D%/interp/interp.h \
	%D%/interp/map.c \
	%D%/interp/move.c \
	%D%/interp/optim.c \
	%D%/interp/row.c \
	%D%/interp/saved.c \
	%D%/interp/state.c %D%/interp/state.h \
	%D%/interp/step.c \
	%D%/interp/wide.c \
	%D%/image.c \
	%D%/ir.h \
	%D%/matrix.c %D%/matrix.h \
	%D%/module.c \
	%D%/race.c %D%/race.h \
	%D%/slots.c %D%/slots.h \
	%D%/replay_bytes.c \
	%D%/replay.c %D%/replay.h \
	%D%/replay_layer.c \
	%D%/replay_layout.c \
	%D%/replay_op.c \
	%D%/replay_place.c \
	%D%/replay_run.h \
	%D%/ops.def \
	%D%/print.c %D%/print_alias.c %D%/print_header.c \
	%D%/print_join.c %D%/print_slots.c %D%/printer.h \
	%D%/read.c \
	%D%/readcomm.c \
	%D%/readflow.c \
	%D%/readfn.c %D%/readfn.h \
	%D%/readop.c \
	%D%/readslots.c \
	%D%/readtype.c \
	%D%/reader.h \
	%D%/rules.c %D%/rules.h \
	%D%/rules_base.c \
	%D%/rules_comm.c \
	%D%/rules_flow.c \
	%D%/rules_host.c \
	%D%/rules_row.c \
	%D%/runs.c \
	%D%/scan.c \
	%D%/trace.c %D%/trace.h \
	%D%/trace_check.c \
	%D%/type.c %D%/type.h \
	%D%/typetable.h \
	%D%/typetext.c \
	%D%/verify.c %D%/verify.h \
	%D%/verify_bundles.c \
	%D%/verify_flow.c \
	%D%/verify_type.c \
	%D%/verify_walk.h
