/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host/address.h - "host:port" texts and TCP sockets. Hosts are names, IPv4, or IPv6 in brackets.
 *
 * Errors: a sentence that names the address and what to do; -EADDRINUSE for a busy port.
 */
#ifndef WEIR_HOST_ADDRESS_H
#define WEIR_HOST_ADDRESS_H

#include <sys/socket.h>

#include "base/err.h"

/* Non-blocking listening socket; ret_text gets the address it really has. share: SO_REUSEPORT. */
int weir_address_listen(const char *address, bool share, int *ret_fd, char *ret_text,
			size_t text_cap, struct weir_err *err);
/* Connected socket (blocking connect, at most timeout_ms, then non-blocking). */
int weir_address_connect(const char *address, int timeout_ms, int *ret_fd, struct weir_err *err);
void weir_address_text(const struct sockaddr *sa, socklen_t len, char *ret, size_t cap);
/* Splits "host:port". WEIR_E_FORMAT. */
int weir_address_split(const char *address, char *ret_host, size_t host_cap, char *ret_port,
		       size_t port_cap, struct weir_err *err);

#endif
