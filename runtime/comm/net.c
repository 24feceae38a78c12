#include "config.h"

#include "runtime/comm/net.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/main/signals.h"

/* Waits are cut into slices, to look whether the process is to stop. */
enum { SLICE = 200, BACKLOG = 1024 };

void
lt_net_nap(double seconds)
{
	struct timespec t = {0, (long)(seconds * 1e9)};

	nanosleep(&t, NULL);
}

/* ---- addresses ---- */

const char *
lt_net_resolve(const char *host, const char *port, struct lt_address *a)
{
	struct addrinfo want = {.ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list;
	int err = getaddrinfo(host, port, &want, &list);

	if (err)
		return err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err);
	*a = (struct lt_address){.n = list->ai_addrlen};
	memcpy(&a->at, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
	return NULL;
}

static bool
is_loopback(const struct sockaddr *s)
{
	if (s->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)s)
		    ->sin_addr.s_addr) >> 24 == 127;
	return s->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(
	    &((const struct sockaddr_in6 *)(const void *)s)->sin6_addr);
}

static bool
by_interface(struct lt_address *a)
{
	struct ifaddrs *list, *i;
	bool found = false;

	if (getifaddrs(&list) != 0)
		return false;
	for (i = list; i && !found; i = i->ifa_next) {
		found = i->ifa_addr && i->ifa_addr->sa_family == AF_INET &&
		    (i->ifa_flags & IFF_UP) && !is_loopback(i->ifa_addr);
		if (!found)
			continue;
		*a = (struct lt_address){.n = sizeof(struct sockaddr_in)};
		memcpy(&a->at, i->ifa_addr, a->n);
	}
	freeifaddrs(list);
	return found;
}

static bool
by_name(struct lt_address *a)
{
	char name[256];

	return gethostname(name, sizeof name) == 0 &&
	    !lt_net_resolve(name, "0", a) &&
	    !is_loopback((const struct sockaddr *)&a->at);
}

void
lt_net_own(struct lt_address *a)
{
	const char *given = getenv("LOONG_RDZV_ADDR");

	if (given && !lt_net_resolve(given, "0", a))
		return;
	if (!by_name(a) && !by_interface(a))
		(void)lt_net_resolve("127.0.0.1", "0", a);
	lt_net_set_port(a, 0);
}

static in_port_t *
port_of(struct lt_address *a)
{
	return a->at.ss_family == AF_INET6 ?
	    &((struct sockaddr_in6 *)&a->at)->sin6_port :
	    &((struct sockaddr_in *)&a->at)->sin_port;
}

int
lt_net_port(const struct lt_address *a)
{
	struct lt_address copy = *a;

	return ntohs(*port_of(&copy));
}

void
lt_net_set_port(struct lt_address *a, int port)
{
	*port_of(a) = htons((in_port_t)port);
}

void
lt_net_text(const struct lt_address *a, char *text)
{
	char host[100] = "?", port[16] = "?";

	(void)getnameinfo((const struct sockaddr *)&a->at, a->n, host,
	    sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(text, 128, "%s %s", host, port);
}

/* ---- sockets ---- */

static int
closed(int fd)
{
	int err = errno;

	close(fd);
	errno = err;
	return -1;
}

static int
open_socket(const struct lt_address *a)
{
	int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

int
lt_net_listen(const struct lt_address *a)
{
	int fd = open_socket(a), one = 1;

	if (fd < 0)
		return -1;
	/* a port of which old connections linger is free */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (const struct sockaddr *)&a->at, a->n) != 0 ||
	    listen(fd, BACKLOG) != 0)
		return closed(fd);
	return fd;
}

static bool
wait_for(int fd, short what, double end)
{
	struct pollfd p = {.fd = fd, .events = what};

	for (;;) {
		double left = end - lt_now();
		int slice = left * 1000 < SLICE ? (int)(left * 1000) + 1 :
		    SLICE;

		if (lt_signals_stop() || left <= 0) {
			errno = lt_signals_stop() ? EINTR : ETIMEDOUT;
			return false;
		}
		if (poll(&p, 1, slice) > 0)
			return true;
	}
}

int
lt_net_connect(const struct lt_address *a, double end)
{
	int fd = open_socket(a), err = 0;
	socklen_t n = sizeof err;

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&a->at, a->n) == 0)
		return fd;
	if (errno != EINPROGRESS || !wait_for(fd, POLLOUT, end))
		return closed(fd);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n);
	errno = err;
	return err ? closed(fd) : fd;
}

int
lt_net_accept(int listener, double end)
{
	int one = 1;

	while (wait_for(listener, POLLIN, end)) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC |
		    SOCK_NONBLOCK);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			return -1;
		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		return fd;
	}
	return -1;
}

static bool
again(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

bool
lt_net_read(int fd, void *to, size_t n, double end)
{
	char *at = to;

	while (n) {
		ssize_t got = recv(fd, at, n, MSG_DONTWAIT);

		if (got == 0)
			errno = ECONNRESET;
		if (got == 0 || (got < 0 && !again()) ||
		    (got < 0 && !wait_for(fd, POLLIN, end)))
			return false;
		at += got > 0 ? got : 0;
		n -= got > 0 ? (size_t)got : 0;
	}
	return true;
}

bool
lt_net_write(int fd, const void *from, size_t n, double end)
{
	const char *at = from;

	while (n) {
		ssize_t put = send(fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if ((put < 0 && !again()) ||
		    (put < 0 && !wait_for(fd, POLLOUT, end)))
			return false;
		at += put > 0 ? put : 0;
		n -= put > 0 ? (size_t)put : 0;
	}
	return true;
}
