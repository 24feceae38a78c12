# The language.
if HAVE_CHECK
lt_tests = check_grad check_loss check_models
check_PROGRAMS += $(lt_tests)
TESTS += $(lt_tests)

lt_cppflags = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
lt_ldadd = libfrontend.a libir.a libsupport.a $(CHECK_LIBS)
check_grad_SOURCES = %D%/check_grad.c %D%/load.c %D%/load.h \
	tests/golden/golden.c tests/golden/golden.h
check_grad_CPPFLAGS = $(lt_cppflags)
check_grad_LDADD = libfrontend.a libpasses.a libir.a libsupport.a \
	$(CHECK_LIBS)
check_loss_SOURCES = %D%/check_loss.c %D%/load.c %D%/load.h \
	tests/golden/golden.c tests/golden/golden.h
check_loss_CPPFLAGS = $(lt_cppflags)
check_loss_LDADD = $(lt_ldadd)
check_models_SOURCES = %D%/check_models.c %D%/load.c %D%/load.h
check_models_CPPFLAGS = $(lt_cppflags)
check_models_LDADD = $(lt_ldadd)
endif
