/*
 * tls_client.h - TLS towards a server of our own, for the command line.
 *
 * It reads the configuration that the servers read, so it knows what certificates they
 * show: those it takes, each as it is, whoever signed it and whatever names are in it,
 * and no other.
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include <sys/types.h>

#include "bytes.h"

struct tls_client;

/* fd is borrowed, connected and non-blocking; certificates: a CONFIG_LIST of PEM files. */
struct tls_client *tls_client_new(int fd, const char *certificates);
void tls_client_free(struct tls_client *t); /* NULL does nothing */

/* As send and recv: bytes, 0 at the end, or -1; then poll for tls_client_events, or when
 * there are none it is over, and tls_client_error says why. */
ssize_t tls_client_send(struct tls_client *t, const void *p, size_t len);
ssize_t tls_client_recv(struct tls_client *t, void *p, size_t len);
short tls_client_events(const struct tls_client *t);
const char *tls_client_error(const struct tls_client *t);

#endif
