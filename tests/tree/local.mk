# The tree itself: what it includes, lists and says.
tree_tests = \
	%D%/add-an-op.sh \
	%D%/commands.sh \
	%D%/docs.sh \
	%D%/environment.sh \
	%D%/examples.sh \
	%D%/ir-doc.sh \
	%D%/layering.sh \
	%D%/listed.sh
TESTS += $(tree_tests)
EXTRA_DIST += $(tree_tests)

# What tests/tree/listed.sh compares the folders with.
.PHONY: list-dist list-tests
list-dist:
	@printf '%s\n' $(DISTFILES)
list-tests:
	@printf '%s\n' $(TESTS) $(plain_tests) $(long_tests) $(gpu_only_tests)
