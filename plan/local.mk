# Prices of plans.
noinst_LIBRARIES += libplan.a
libplan_a_SOURCES = \
	%D%/cost.c %D%/cost.h \
	%D%/machine.c %D%/machine.h \
	%D%/stalls.c %D%/stalls.h \
	%D%/tell.c %D%/tell.h \
	%D%/timeline.c %D%/timeline.h
