# Benchmarks: run by hand; only their arithmetic is tested.
EXTRA_DIST += %D%/ranks \
	%D%/README.md %D%/gemm.c %D%/mkdata %D%/run \
	%D%/models/gpt2_b1_t1024.lt \
	%D%/models/gpt2_b4_t64.lt \
	%D%/models/llama_t4096.lt \
	%D%/models/llama_t512.lt \
	%D%/peers/mk_gpt2_bin.py \
	%D%/peers/step.py \
	%D%/peers/sweep.py \
	tests/bench/run.sh
TESTS += tests/bench/run.sh
EXTRA_DIST += %D%/gpu/run %D%/gpu/peer.py %D%/gpu/kernels.c
EXTRA_DIST += %D%/gpu/llama_1b.lt %D%/gpu/block_8b.lt
EXTRA_DIST += tests/bench/gpu.sh
TESTS += tests/bench/gpu.sh
