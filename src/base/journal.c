/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/string-util.h"

enum {
	SEND_SECONDS = 2,
	SEND_BUFFER = 1 << 20, /* bytes: so much may wait before the journal reads it */
	OWN_FIELDS = 3,
};

void journal_open(struct journal *journal, const char *path, const char *identifier, int fallback)
{
	const struct timeval limit = {.tv_sec = SEND_SECONDS};
	const int size = SEND_BUFFER;

	*journal = (struct journal){.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
		.fallback = fallback,
		.path = path,
		.identifier = identifier};
	if (journal->socket < 0)
		return;
	/* Without them entries only wait for longer, or get lost sooner. */
	(void)setsockopt(journal->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)setsockopt(journal->socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

void journal_close(struct journal *journal)
{
	cleanup_closep(&journal->socket);
	*journal = (struct journal)JOURNAL_INIT;
}

static bool name_is_valid(const char *name)
{
	size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return length > 0 && length <= JOURNAL_NAME_MAX && !name[length] && *name >= 'A' && *name <= 'Z';
}

int journal_encode(const struct journal_field *fields, size_t count, struct buffer *ret)
{
	for (size_t i = 0; i < count; i++) {
		const struct journal_field *field = &fields[i];
		size_t size;

		if (!name_is_valid(field->name))
			return -EINVAL;
		if (!field->value)
			continue;
		size = field->size ? field->size : strlen(field->value);
		buffer_append_string(ret, field->name);
		if (memchr(field->value, '\n', size)) {
			buffer_append_u8(ret, '\n');
			buffer_append_le64(ret, size);
		} else {
			buffer_append_u8(ret, '=');
		}
		buffer_append(ret, field->value, size);
		buffer_append_u8(ret, '\n');
	}
	return buffer_failed(ret) ? -ENOMEM : 0;
}

/* The entry in memory that can't be changed any more: the journal takes no other. */
static int make_memfd(const struct buffer *entry)
{
	_cleanup_close_ int fd = memfd_create("journal-entry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = write_full(fd, entry->data, entry->size);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int send_message(const struct journal *journal, struct msghdr *message)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(journal->path);
	ssize_t n;

	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, journal->path, length + 1);
	message->msg_name = &address;
	message->msg_namelen = sizeof(address);
	do
		n = sendmsg(journal->socket, message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	message->msg_name = NULL; /* what it named ends here */
	return n < 0 ? -errno : 0;
}

static int send_memfd(const struct journal *journal, const struct buffer *entry)
{
	_cleanup_close_ int fd = make_memfd(entry);
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof(control.space)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (fd < 0)
		return fd;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return send_message(journal, &message);
}

static int send_entry(const struct journal *journal, const struct buffer *entry)
{
	struct iovec part = {.iov_base = entry->data, .iov_len = entry->size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int r;

	if (journal->socket < 0)
		return -ENOTCONN;
	r = send_message(journal, &message);
	if (r == -EMSGSIZE || r == -ENOBUFS)
		r = send_memfd(journal, entry);
	return r;
}

static int write_fallback(const struct journal *journal, const char *text)
{
	_cleanup_free_ char *line = NULL;
	int r;

	if (journal->fallback < 0)
		return -ENOTCONN;
	line = string_format("%s: %s\n", journal->identifier, text);
	if (!line)
		return -ENOMEM;
	r = write_full(journal->fallback, line, strlen(line));
	return r < 0 ? r : 1;
}

int journal_log(struct journal *journal, int priority, const struct journal_field *fields, size_t count,
	const char *format, ...)
{
	const char level[] = {(char)('0' + (priority & LOG_PRIMASK)), 0};
	_cleanup_buffer_ struct buffer entry = {};
	_cleanup_free_ char *text = NULL;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	if (r < 0) {
		text = NULL;
		return -ENOMEM;
	}
	r = journal_encode((const struct journal_field[OWN_FIELDS]){{"MESSAGE", text, 0},
				   {"PRIORITY", level, 0}, {"SYSLOG_IDENTIFIER", journal->identifier, 0}},
		OWN_FIELDS, &entry);
	if (r >= 0)
		r = journal_encode(fields, count, &entry);
	if (r < 0)
		return r;
	return send_entry(journal, &entry) < 0 ? write_fallback(journal, text) : 0;
}
