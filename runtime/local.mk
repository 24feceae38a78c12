# What a generated trainer links.
pkglib_LIBRARIES += libloong_rt.a
libloong_rt_a_SOURCES = \
	%D%/clock.h \
	%D%/cpu/act.h \
	%D%/dtype.h \
	%D%/fp8.h \
	%D%/loong_rt.h \
	%D%/runs.h \
	%D%/cpu/attn.c %D%/cpu/attn.h \
	%D%/cpu/attn_amx.c \
	%D%/cpu/attn_dot.c \
	%D%/cpu/attn_avx2.c \
	%D%/cpu/attn_avx512.c \
	%D%/cpu/attn_base.c \
	%D%/cpu/attn_body.h \
	%D%/cpu/attn_emu.c \
	%D%/cpu/attn_kernel.h \
	%D%/cpu/attn_mask.c %D%/cpu/attn_mask.h \
	%D%/cpu/attn_row.h \
	%D%/cpu/attn_tile_body.h \
	%D%/comm/comm.c %D%/comm/comm.h \
	%D%/comm/count.c %D%/comm/count.h \
	%D%/comm/frames.c %D%/comm/frames.h \
	%D%/comm/group.c %D%/comm/group.h \
	%D%/comm/hello.c %D%/comm/hello.h \
	%D%/comm/local.c %D%/comm/local.h \
	%D%/comm/meet.c %D%/comm/meet.h \
	%D%/comm/message.c %D%/comm/message.h \
	%D%/comm/mpi.c %D%/comm/mpi.h %D%/comm/mpi_abi.h \
	%D%/comm/nest.c %D%/comm/nest.h \
	%D%/comm/near.c %D%/comm/near.h \
	%D%/comm/net.c %D%/comm/net.h \
	%D%/comm/notice.c \
	%D%/comm/op.c %D%/comm/op.h \
	%D%/comm/rdzv.c %D%/comm/rdzv.h \
	%D%/comm/rings.c %D%/comm/rings.h \
	%D%/comm/runs.c \
	%D%/comm/sha256.c %D%/comm/sha256.h \
	%D%/comm/shm.c %D%/comm/shm.h \
	%D%/comm/tcp.c %D%/comm/tcp.h \
	%D%/comm/transport.h \
	%D%/comm/world.c %D%/comm/world.h \
	%D%/cpu/cpu.c %D%/cpu/cpu.h \
	%D%/cpu/fp8.c %D%/cpu/fp8.h \
	%D%/cpu/gemm.c %D%/cpu/gemm.h \
	%D%/cpu/gemm_amx.c \
	%D%/cpu/gemm_dot.c \
	%D%/cpu/gemm_avx2.c \
	%D%/cpu/gemm_avx512.c \
	%D%/cpu/gemm_base.c \
	%D%/cpu/gemm_body.h \
	%D%/cpu/gemm_emu.c \
	%D%/cpu/gemm_kernel.h \
	%D%/cpu/gemm_tile.c %D%/cpu/gemm_tile.h %D%/cpu/gemm_tile_job.h \
	%D%/cpu/gemm_tile_put.h %D%/cpu/gemm_tile_round.h \
	%D%/cpu/gemm_tile_side.h \
	%D%/cpu/gemm_tile_body.h \
	%D%/cpu/head.c %D%/cpu/head.h \
	%D%/cpu/pool.c %D%/cpu/pool.h \
	%D%/cpu/rows.c %D%/cpu/rows.h \
	%D%/cpu/simd.h \
	%D%/cpu/simd_end.h \
	%D%/cpu/tile.h \
	%D%/cpu/tile_pack.h %D%/cpu/tile_split.h %D%/cpu/halves.h \
	%D%/cpu/vec.h \
	%D%/gpu/args.h \
	%D%/gpu/attn.c \
	%D%/gpu/attn_args.c %D%/gpu/attn_args.h \
	%D%/data/data.c %D%/data/data.h \
	%D%/data/flat.c \
	%D%/data/formats.def %D%/data/formats.h \
	%D%/data/identity.c %D%/data/identity.h \
	%D%/data/map.c %D%/data/map.h \
	%D%/data/megatron.c \
	%D%/data/order.c %D%/data/order.h \
	%D%/data/tokens.c %D%/data/tokens.h \
	%D%/gpu/args.h \
	%D%/gpu/cache.c \
	%D%/gpu/cublas.c \
	%D%/gpu/cuda.c %D%/gpu/cuda.h \
	%D%/gpu/cuda_api.c %D%/gpu/cuda_api.h \
	%D%/gpu/cuda_graph.c \
	%D%/gpu/cuda_load.c %D%/gpu/cuda_seats.c \
	support/nvrtc.c support/nvrtc.h \
	%D%/gpu/device.h \
	%D%/gpu/emu.c \
	%D%/gpu/fp8.c %D%/gpu/fp8.h \
	%D%/gpu/gemm.c \
	%D%/gpu/gpu.c %D%/gpu/gpu.h \
	%D%/gpu/head.c \
	%D%/gpu/host.c %D%/gpu/host.h \
	%D%/gpu/offload.c \
	%D%/gpu/nccl.c %D%/gpu/nccl.h \
	%D%/gpu/nest.c %D%/gpu/nest.h \
	%D%/gpu/optim.c \
	%D%/gpu/progress.c %D%/gpu/progress.h \
	%D%/gpu/rehearse.c \
	%D%/gpu/rows.c \
	%D%/gpu/step.c \
	%D%/main/exits.def \
	%D%/main/help.c \
	%D%/main/launch.c %D%/main/launch.def %D%/main/launch.h \
	%D%/main/limits.c %D%/main/limits.h \
	%D%/main/loop.c \
	%D%/main/main.c \
	%D%/main/memory.c %D%/main/memory.h \
	%D%/main/options.c %D%/main/options.def %D%/main/options.h \
	%D%/main/plan.c \
	%D%/main/processes.c %D%/main/processes.h \
	%D%/main/ranks.c %D%/main/ranks.h \
	%D%/main/rehearse.c %D%/main/rehearse.h \
	%D%/main/report.c %D%/main/report.h \
	%D%/main/run.h \
	%D%/main/sample.c \
	%D%/main/same.c %D%/main/same.h \
	%D%/main/schedule.c %D%/main/schedule.h \
	%D%/main/signals.c %D%/main/signals.h \
	%D%/main/spawn.c %D%/main/spawn.h \
	%D%/main/traffic.c \
	%D%/metrics/jsonl.c %D%/metrics/jsonl.h \
	%D%/metrics/metrics.c %D%/metrics/metrics.h \
	%D%/metrics/peak.c %D%/metrics/peak.h \
	%D%/metrics/progress.c %D%/metrics/progress.h \
	%D%/metrics/tensorboard.c %D%/metrics/tensorboard.h \
	%D%/state/adamw.c \
	%D%/state/blocks.c \
	%D%/state/agree.c %D%/state/agree.h \
	%D%/state/box.c %D%/state/box.h \
	%D%/state/carry.c %D%/state/carry.h \
	%D%/state/checkpoint.c %D%/state/checkpoint.h \
	%D%/state/dtypes.def \
	%D%/state/error.c %D%/state/error.h \
	%D%/state/facts.c %D%/state/facts.h \
	%D%/state/hash.c %D%/state/hash.h \
	%D%/state/init.c \
	%D%/state/io.c %D%/state/io.h \
	%D%/state/json.c %D%/state/json.h \
	%D%/state/manifest.c %D%/state/manifest.h \
	%D%/state/out.c %D%/state/out.h \
	%D%/state/parts.c %D%/state/parts.h \
	%D%/state/replicas.c %D%/state/replicas.h \
	%D%/state/restore.c \
	%D%/state/safetensors.c %D%/state/safetensors.h \
	%D%/state/save.c \
	%D%/state/settings.c %D%/state/settings.def %D%/state/settings.h \
	%D%/state/slice.h \
	%D%/state/state.h \
	%D%/state/sumsq.c \
	%D%/trace/json.c \
	%D%/trace/nvtx.c %D%/trace/nvtx.h \
	%D%/trace/trace.c %D%/trace/trace.h \
	%D%/trace/traced.c \
	%D%/trace/watch.c %D%/trace/watch.h
libloong_rt_a_CFLAGS = $(AM_CFLAGS) $(RT_CFLAGS)

# Generated programs include these; loongc looks for include/ in pkglibdir.
rtincludedir = $(pkglibdir)/include
nobase_rtinclude_HEADERS = \
	%D%/cpu/act.h \
	%D%/cpu/attn.h \
	%D%/cpu/fp8.h \
	%D%/cpu/gemm.h \
	%D%/cpu/head.h \
	%D%/cpu/pool.h \
	%D%/cpu/rows.h \
	%D%/cpu/tile.h \
	%D%/cpu/tile_pack.h %D%/cpu/tile_split.h %D%/cpu/halves.h \
	%D%/cpu/vec.h \
	%D%/dtype.h \
	%D%/fp8.h \
	%D%/gpu/args.h \
	%D%/gpu/gpu.h \
	%D%/loong_rt.h \
	%D%/runs.h \
	support/rng.h

# The trainer's manual: what any trainer prints with --man; a test compares.
dist_man_MANS += doc/loong-train.1

# Plugins that call MPI, one for each library there is; trainers carry them.
EXTRA_DIST += %D%/comm/mpi_plugin.c build-aux/embed-mpi.sh
mpi_plugins =
mpi_files =
if HAVE_OPENMPI
mpi_plugins += openmpi=%D%/comm/openmpi.so
mpi_files += %D%/comm/openmpi.so
endif
if HAVE_MPICH
mpi_plugins += mpich=%D%/comm/mpich.so
mpi_files += %D%/comm/mpich.so
endif
CLEANFILES += %D%/comm/openmpi.so %D%/comm/mpich.so %D%/comm/mpi_images.c
mpi_cflags = -I$(top_srcdir) -std=c11 -O2 -Wall -fPIC -shared \
	-fstack-protector-strong -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack

%D%/comm/openmpi.so: %D%/comm/mpi_plugin.c %D%/comm/mpi_abi.h
	$(AM_V_GEN)$(MKDIR_P) %D%/comm && $(OPENMPI_CC) $(mpi_cflags) \
	    -o $@ $(srcdir)/%D%/comm/mpi_plugin.c
%D%/comm/mpich.so: %D%/comm/mpi_plugin.c %D%/comm/mpi_abi.h
	$(AM_V_GEN)$(MKDIR_P) %D%/comm && $(MPICH_CC) $(mpi_cflags) \
	    -o $@ $(srcdir)/%D%/comm/mpi_plugin.c
%D%/comm/mpi_images.c: build-aux/embed-mpi.sh $(mpi_files)
	$(AM_V_GEN)$(MKDIR_P) %D%/comm && \
	    $(SHELL) $(srcdir)/build-aux/embed-mpi.sh $(mpi_plugins) >$@
nodist_libloong_rt_a_SOURCES = %D%/comm/mpi_images.c
