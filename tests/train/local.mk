# Whole trainers.
train_scripts =
train_scripts += %D%/comm.sh
train_scripts += %D%/counted.sh
train_scripts += %D%/e2e.sh
plain_tests += %D%/exact.sh
plain_tests += %D%/formulas.sh
train_scripts += %D%/layouts.sh
train_scripts += %D%/memory.sh
train_scripts += %D%/mpi.sh
train_scripts += %D%/offload.sh
train_scripts += %D%/prefetch.sh
train_scripts += %D%/resume.sh
train_scripts += %D%/same.sh
train_scripts += %D%/shm.sh
train_scripts += %D%/tcp.sh
train_scripts += %D%/trace.sh
train_scripts += %D%/update.sh
train_scripts += %D%/zero.sh
TESTS += $(train_scripts)
if HAVE_CXX
TESTS += %D%/cuda.sh
endif
EXTRA_DIST += %D%/cuda.sh
EXTRA_DIST += $(train_scripts)
EXTRA_DIST += %D%/exact.sh %D%/formulas.sh
EXTRA_DIST += %D%/formulas.awk %D%/trace.awk
EXTRA_DIST += %D%/cuda.lt
EXTRA_DIST += %D%/exact.lt %D%/begin.c %D%/integers.h
EXTRA_DIST += %D%/counted.c
EXTRA_DIST += %D%/gqa.lt %D%/lib.sh %D%/resave.c

# What changes no bit of the losses.
TESTS += %D%/bits.sh
EXTRA_DIST += %D%/bits.sh
