# make check-long: what takes too long to run before every change.  Each
# script prints a line at its end; NAME.long.log has the rest.  Times are of
# the script alone, without what make builds for it: by the clock on two cores
# with nothing else to do, or of all its processes where that is said.
long_tests =
# 107 meshes of up to 16 ranks: nine minutes of processor time
long_tests += %D%/train/meshes_long.sh
# 324 ordered pairs of meshes: three to five minutes on two cores
long_tests += %D%/train/resume_long.sh
# 9 pairs in bf16: half a minute
long_tests += %D%/train/resume_bf16_long.sh
# 55,364 programs without execution: under three minutes of processor time;
# 953 with: about a quarter of an hour, by a sample; two processes
long_tests += %D%/sweep/sweep_long.sh
# two machines as network namespaces: half a minute; needs root and Open MPI
long_tests += %D%/train/hosts_long.sh
# 50 ranks killed at random moments: five minutes
long_tests += %D%/train/kill_long.sh
# trainers under ThreadSanitizer: two minutes
long_tests += %D%/train/races_long.sh
# attention kernels: every shape, head dim and mode: two minutes
long_tests += %D%/kernels/attn_long.sh
# programs for GPUs in the emulator: ten minutes
long_tests += %D%/codegen/cuda_long.sh
EXTRA_DIST += $(long_tests)

check-long: all $(check_PROGRAMS)
	@bad=; for t in $(long_tests); do \
	  log=$$(basename $$t .sh).long.log; printf '%s: ' $$t; \
	  if LC_ALL=C srcdir='$(srcdir)' CC='$(CC)' \
	    $(SHELL) '$(srcdir)'/$$t >$$log 2>&1; \
	  then tail -n 1 $$log; \
	  else echo "failed, see $$log"; tail -n 9 $$log; bad=1; fi; \
	done; test -z "$$bad"
.PHONY: check-long
CLEANFILES += *.long.log
