# Models to start from; quickstart.lt is the one ./quickstart trains.
EXTRA_DIST += \
	%D%/gpt2.lt \
	%D%/llama2-7b.lt \
	%D%/llama3-70b.lt \
	%D%/llama3-8b.lt \
	%D%/mistral-7b.lt \
	%D%/quickstart.lt \
	%D%/qwen3-8b.lt
