# libFuzzer targets; tests/fuzz/build makes one of them, with clang.
EXTRA_DIST += %D%/build %D%/fuzz_lir.c %D%/fuzz_lt.c \
	%D%/fuzz_manifest.c %D%/fuzz_safetensors.c %D%/fuzz_tokens.c

# Every reader for a minute: make fuzz-smoke, FUZZ_SECONDS=N for another time.
FUZZ_SECONDS = 60
.PHONY: fuzz-smoke
fuzz-smoke: all
	@for name in lt lir tokens manifest safetensors; do \
		echo "== $$name"; \
		case $$name in \
		lt) seeds=$(srcdir)/examples ;; \
		lir) seeds=$(srcdir)/tests/ir ;; \
		*) seeds= ;; \
		esac; \
		$(MKDIR_P) fuzz.out/$$name || exit 1; \
		srcdir=$(srcdir) sh $(srcdir)/%D%/build $$name \
		    fuzz.out/fuzz_$$name || exit 1; \
		./fuzz.out/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) \
		    -rss_limit_mb=4096 -artifact_prefix=fuzz.out/ \
		    -verbosity=0 -print_final_stats=1 fuzz.out/$$name \
		    $$seeds || exit 1; \
	done
