# libFuzzer targets; tests/fuzz/build makes one of them, with clang.
EXTRA_DIST += %D%/build %D%/fuzz_lir.c %D%/fuzz_lt.c \
	%D%/fuzz_manifest.c %D%/fuzz_safetensors.c %D%/fuzz_tokens.c
