# loongc as a command.
driver_filetests = \
	%D%/read.lir \
	%D%/set_dim.lir \
	%D%/set_fraction.lir \
	%D%/unknown_op.lir
driver_scripts = \
	%D%/cc.sh \
	%D%/files.sh \
	%D%/hardened.sh \
	%D%/installed.sh \
	%D%/options.sh \
	%D%/verify.sh
TESTS += $(driver_filetests) $(driver_scripts)
EXTRA_DIST += $(driver_filetests) $(driver_scripts) \
	%D%/common.sh %D%/tiny.lt
