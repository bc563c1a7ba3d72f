/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/string-util.h"

#define KERNEL_GROUP 1
#define RECEIVE_BUFFER (8 << 20) /* bytes: a machine with many disks says much at once */

int uevent_parse(const char *message, size_t size, struct uevent *ret)
{
	struct uevent event = {};
	const char *end = message + size;

	if (size == 0 || message[size - 1] != 0 || !strchr(message, '@'))
		return -EBADMSG;
	for (const char *at = message + strlen(message) + 1; at < end; at += strlen(at) + 1) {
		const char *value;

		if ((value = startswith(at, "ACTION=")))
			event.action = value;
		else if ((value = startswith(at, "SUBSYSTEM=")))
			event.subsystem = value;
		else if ((value = startswith(at, "MODALIAS=")))
			event.modalias = value;
	}
	if (!event.action)
		return -EBADMSG;
	*ret = event;
	return 0;
}

int uevent_open(struct error **err)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
	_cleanup_close_ int fd = -1;
	int size = RECEIVE_BUFFER;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return error_set_errno(err, -errno, "socket for device notices");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set_errno(err, -errno, "socket for device notices");
	return TAKE_FD(fd);
}

int uevent_receive(int fd, char buffer[UEVENT_MAX], struct uevent *ret)
{
	for (;;) {
		struct sockaddr_nl from = {};
		struct iovec part = {.iov_base = buffer, .iov_len = UEVENT_MAX};
		struct msghdr message = {
			.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
		ssize_t size = recvmsg(fd, &message, 0);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		if (from.nl_pid == 0 && from.nl_groups == KERNEL_GROUP && !(message.msg_flags & MSG_TRUNC) &&
			uevent_parse(buffer, (size_t)size, ret) == 0)
			return 0;
	}
}
