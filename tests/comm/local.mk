# Communication between ranks, and what they know of each other's data.
if HAVE_CHECK
comm_tests = check_layout check_move check_world
check_PROGRAMS += $(comm_tests)
TESTS += $(comm_tests)
EXTRA_DIST += %D%/ranks.h

comm_ldadd = libloong_rt.a $(RT_LIBS) $(CHECK_LIBS)
check_layout_SOURCES = %D%/check_layout.c
check_layout_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_layout_LDADD = libir.a libsupport.a $(comm_ldadd)
check_move_SOURCES = %D%/check_move.c %D%/plain.c %D%/plain.h
check_move_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_move_LDADD = $(comm_ldadd)
check_world_SOURCES = %D%/check_world.c
check_world_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_world_LDADD = $(comm_ldadd)
endif
