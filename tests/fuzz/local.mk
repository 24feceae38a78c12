# Readers on broken input: as ordinary tests, and longer with libFuzzer.
# tests/fuzz/build makes one libFuzzer target with clang; tests/fuzz/seeds says
# where each starts from.
EXTRA_DIST += \
	%D%/build \
	%D%/links.sh \
	%D%/seed/manifest \
	%D%/seed/safetensors \
	%D%/seed/tokens-bytes \
	%D%/seed/tokens-llmc \
	%D%/seed/tokens-llmc32 \
	%D%/seed/tokens-megatron \
	%D%/seed/tokens-nanogpt \
	%D%/seeds \
	%D%/smoke

fuzz_tests = replay_lir replay_lt replay_manifest replay_safetensors \
	replay_tokens
check_PROGRAMS += $(fuzz_tests)
TESTS += $(fuzz_tests)
plain_tests += %D%/links.sh

replay_lir_SOURCES = %D%/fuzz_lir.c %D%/replay.c %D%/text.h
replay_lir_CPPFLAGS = $(AM_CPPFLAGS) -DSEEDS='"tests/ir/*.lir tests/ir/*/*.lir"'
replay_lir_LDADD = libir.a libsupport.a

replay_lt_SOURCES = %D%/fuzz_lt.c %D%/replay.c %D%/text.h
replay_lt_CPPFLAGS = $(AM_CPPFLAGS) \
	-DSEEDS='"examples/*.lt tests/lt/*.lt tests/lt/diag/*.lt"'
replay_lt_LDADD = libfrontend.a libir.a libsupport.a

replay_manifest_SOURCES = %D%/fuzz_manifest.c %D%/replay.c
replay_manifest_CPPFLAGS = $(AM_CPPFLAGS) -DSEEDS='"tests/fuzz/seed/manifest"'
replay_manifest_LDADD = libloong_rt.a $(RT_LIBS)

replay_safetensors_SOURCES = %D%/fuzz_safetensors.c %D%/replay.c
replay_safetensors_CPPFLAGS = $(AM_CPPFLAGS) \
	-DSEEDS='"tests/fuzz/seed/safetensors"'
replay_safetensors_LDADD = libloong_rt.a $(RT_LIBS)

replay_tokens_SOURCES = %D%/fuzz_tokens.c %D%/replay.c
replay_tokens_CPPFLAGS = $(AM_CPPFLAGS) -DSEEDS='"tests/fuzz/seed/tokens-*"'
replay_tokens_LDADD = libloong_rt.a $(RT_LIBS)

# Five minutes and an hour, with clang; FUZZ="lt lir" chooses targets.
FUZZ_SECONDS = 60
.PHONY: fuzz fuzz-smoke
fuzz-smoke: $(BUILT_SOURCES) config.h libloong_rt.a
	srcdir=$(srcdir) $(srcdir)/%D%/smoke $(FUZZ_SECONDS) $(FUZZ)
fuzz: $(BUILT_SOURCES) config.h libloong_rt.a
	srcdir=$(srcdir) $(srcdir)/%D%/smoke 720 $(FUZZ)
clean-local:
	rm -rf fuzz
