# Passes over the IR, in the order of passes.def.
noinst_LIBRARIES += libpasses.a
libpasses_a_SOURCES = \
	%D%/autodiff.c \
	%D%/best.c \
	%D%/effects.c %D%/effects.h \
	%D%/firstwrite.c \
	%D%/fit.c \
	%D%/fp8.c \
	%D%/fuse.c \
	%D%/grad.c %D%/grad.h \
	%D%/grad_flow.c \
	%D%/losshead.c \
	%D%/memory.c %D%/memory.h \
	%D%/memory_carry.c \
	%D%/memory_clock.c \
	%D%/memory_offset.c \
	%D%/memory_reads.c \
	%D%/memory_share.c \
	%D%/need.c \
	%D%/offload.c \
	%D%/order.c %D%/order.h \
	%D%/partition.c %D%/partition.h \
	%D%/partition_layout.c \
	%D%/partition_step.c \
	%D%/partition_view.c \
	%D%/pass.h \
	%D%/passes.def \
	%D%/pipeline.c \
	%D%/recompute.c %D%/recompute.h \
	%D%/rewrite.c %D%/rewrite.h \
	%D%/ring.c %D%/ring.h \
	%D%/ring_build.c %D%/ring_build.h \
	%D%/ring_emit.c \
	%D%/ring_plan.c \
	%D%/ring_time.c \
	%D%/rotate.c \
	%D%/schedule.c \
	%D%/simplify.c \
	%D%/step.c %D%/step.h \
	%D%/taken.c %D%/taken.h \
	%D%/units.c %D%/units.h \
	%D%/units_link.c \
	%D%/update.c \
	%D%/vjp.c \
	%D%/zero.c %D%/zero.h \
	%D%/zero_grads.c \
	%D%/zero_params.c \
	%D%/zero_split.c \
	%D%/zero_step.c
