/*
 * Sockets with deadlines: seconds of lt_now.  A wait also ends when the
 * process is asked to stop (errno is then EINTR).
 */
#ifndef LT_RUNTIME_COMM_NET_H
#define LT_RUNTIME_COMM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct lt_address {
	struct sockaddr_storage at;
	socklen_t n;
};

void lt_net_nap(double seconds);

/* The first address of a host and a port.  NULL, or why there is none. */
const char *lt_net_resolve(const char *host, const char *port,
    struct lt_address *);
/* How others reach this machine: LOONG_RDZV_ADDR, where its name leads, or the
 * first interface that is up; at last, this machine alone.  Port 0. */
void lt_net_own(struct lt_address *);
int lt_net_port(const struct lt_address *);
void lt_net_set_port(struct lt_address *, int port);
/* "10.0.0.1 4711"; room for 128 bytes. */
void lt_net_text(const struct lt_address *, char *text);

/* A socket; -1: errno says why. */
int lt_net_listen(const struct lt_address *);
int lt_net_connect(const struct lt_address *, double end);
int lt_net_accept(int listener, double end);
bool lt_net_read(int fd, void *, size_t, double end);
bool lt_net_write(int fd, const void *, size_t, double end);

#endif
