# The state of a run: optimizer, checkpoints, their readers.
if HAVE_CHECK
check_PROGRAMS += check_optim
TESTS += check_optim
check_optim_SOURCES = %D%/check_optim.c
check_optim_CPPFLAGS = $(sem_cppflags)
check_optim_LDADD = libloong_rt.a $(RT_LIBS) $(sem_ldadd)
endif
