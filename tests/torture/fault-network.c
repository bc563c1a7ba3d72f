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

/* Programs that are run are talked to through sockets, too: those are no connections. */
static bool is_far(int fd)
{
	int domain = AF_UNIX;
	socklen_t size = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;
}

#define NETWORK(code, type, name, is_meant, parameters, arguments)          \
	type name parameters                                                \
	{                                                                   \
		if ((is_meant) && fault_unwound(FAULT_CONNECTION, #name)) { \
			errno = code;                                       \
			return -1;                                          \
		}                                                           \
		return NEXT(name) arguments;                                \
	}                                                                   \
	struct name##_needs_semicolon

NETWORK(EMFILE, int, socket, domain != AF_UNIX, (int domain, int type, int protocol),
	(domain, type, protocol));
NETWORK(ECONNREFUSED, int, connect, is_far(fd), (int fd, const struct sockaddr *address, socklen_t size),
	(fd, address, size));
NETWORK(ECONNRESET, ssize_t, send, is_far(fd), (int fd, const void *data, size_t size, int flags),
	(fd, data, size, flags));
NETWORK(ECONNRESET, ssize_t, recv, is_far(fd), (int fd, void *data, size_t size, int flags),
	(fd, data, size, flags));
