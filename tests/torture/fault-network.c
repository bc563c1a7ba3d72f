/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets. Connections are made by libcurl and not by us, so these stand in the place of the C library's
 * functions for the whole process: the program has their names, and exports them.
 */
#include "fault.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>

#define NEXT(name)                                                         \
	({                                                                 \
		static __typeof__(&name) next;                             \
		if (!next)                                                 \
			next = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
		next;                                                      \
	})

#define NETWORK(code, type, name, parameters, arguments)      \
	type name parameters                                  \
	{                                                     \
		if (fault_unwound(FAULT_CONNECTION, #name)) { \
			errno = code;                         \
			return -1;                            \
		}                                             \
		return NEXT(name) arguments;                  \
	}                                                     \
	struct name##_needs_semicolon

NETWORK(EMFILE, int, socket, (int domain, int type, int protocol), (domain, type, protocol));
NETWORK(ECONNREFUSED, int, connect, (int fd, const struct sockaddr *address, socklen_t size),
	(fd, address, size));
NETWORK(ECONNRESET, ssize_t, send, (int fd, const void *data, size_t size, int flags),
	(fd, data, size, flags));
NETWORK(ECONNRESET, ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags));
