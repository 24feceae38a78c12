# Judged by PyTorch: the files, their reader, and the test of both.
EXTRA_DIST += \
	%D%/README.md %D%/make_golden.py \
	%D%/docs.golden %D%/docs.lt \
	%D%/gpt2.golden %D%/gpt2.lt \
	%D%/llama.golden %D%/llama.lt \
	%D%/mistral.golden %D%/mistral.lt \
	%D%/mix.golden %D%/mix.lt \
	%D%/qwen3.golden %D%/qwen3.lt

if HAVE_CHECK
check_PROGRAMS += check_golden
TESTS += check_golden
check_golden_SOURCES = tests/unit/check_golden.c %D%/golden.c %D%/golden.h
check_golden_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
check_golden_LDADD = $(CHECK_LIBS)
endif
