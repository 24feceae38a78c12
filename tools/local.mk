# What ./quickstart measures a trainer against.
noinst_PROGRAMS += ngram
ngram_SOURCES = %D%/ngram.c %D%/trigram.c %D%/trigram.h

if HAVE_CHECK
check_PROGRAMS += check_trigram
TESTS += check_trigram
check_trigram_SOURCES = tests/unit/check_trigram.c %D%/trigram.c %D%/trigram.h
check_trigram_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_trigram_LDADD = $(CHECK_LIBS)
endif
