# Communication between ranks, and what they know of each other's data.
if HAVE_CHECK
comm_tests = check_layout check_move check_near check_tcp check_world
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
check_near_SOURCES = %D%/check_near.c
check_near_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_near_LDADD = $(comm_ldadd)
check_tcp_SOURCES = %D%/check_tcp.c
check_tcp_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_tcp_LDADD = $(comm_ldadd)
check_world_SOURCES = %D%/check_world.c
check_world_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
check_world_LDADD = $(comm_ldadd)
if HAVE_CXX
check_PROGRAMS += check_move_device
TESTS += check_move_device
check_move_device_SOURCES = %D%/check_move.c %D%/plain.c %D%/plain.h \
	tests/gpu/kernels.cpp tests/gpu/kernels.h
check_move_device_CPPFLAGS = $(check_move_CPPFLAGS) -DON_DEVICE
check_move_device_LDADD = $(comm_ldadd)
check_move_device_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic
endif
endif

# The ranks under ThreadSanitizer, as threads and as processes with a thread
# for their messages: make check-races
races_flags = -std=gnu11 -g -O1 -fsanitize=thread -DLT_CLONES= $(AM_CPPFLAGS) \
	$(CHECK_CFLAGS)
races_cc = files=; for f in $(libloong_rt_a_SOURCES); do case $$f in \
	*.c) files="$$files $(srcdir)/$$f";; esac; done; \
	$(CC) $(DEFS) $(DEFAULT_INCLUDES) $(races_flags) $$files \
	runtime/comm/mpi_images.c
check-races: all
	$(races_cc) -o races_move $(srcdir)/tests/comm/check_move.c \
	    $(srcdir)/tests/comm/plain.c $(RT_LIBS) $(CHECK_LIBS) -lm -lpthread
	CK_FORK=no ./races_move
	$(races_cc) -o races_near $(srcdir)/tests/comm/check_near.c \
	    $(RT_LIBS) $(CHECK_LIBS) -lm -lpthread
	CK_FORK=no ./races_near
	$(races_cc) -o races_world $(srcdir)/tests/comm/check_world.c \
	    $(RT_LIBS) $(CHECK_LIBS) -lm -lpthread
	CK_FORK=no ./races_world
	./loongc$(EXEEXT) $(srcdir)/tests/train/tiny.lt --mesh dp=2,hp=2 \
	    --emit=c -o races_tcp.c
	$(races_cc) -o races_tcp races_tcp.c $(RT_LIBS) -lm -lpthread
	./races_tcp --nproc 4 --data $(srcdir)/doc/ir.md --steps 5 --quiet
.PHONY: check-races
CLEANFILES += races_move races_near races_world races_tcp races_tcp.c
