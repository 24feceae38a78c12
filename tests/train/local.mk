# Whole trainers.
train_scripts = %D%/e2e.sh %D%/layouts.sh %D%/memory.sh %D%/mpi.sh %D%/resume.sh %D%/zero.sh
TESTS += $(train_scripts)
EXTRA_DIST += $(train_scripts) %D%/gqa.lt %D%/lib.sh %D%/resave.c
